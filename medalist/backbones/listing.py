"""The backbones at hand as text: the catalogue, the cards of a folder, the embedded one; or one of them in full."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from medalist.backbones import EMBEDDED, STAND_IN, describe
from medalist.backbones.cards import cards_folder, list_cards
from medalist.backbones.catalogue import TIERS, catalogue, recommended
from medalist.errors import BackboneError


def listing(
    name: str | None = None, *, license: Literal["any", "permissive"] = "any", cards: Path | None = None
) -> str:
    """What `medalist backbones` prints.

    Args:
        name: one backbone, described in full; None: all.
        license: `permissive` leaves out weights under any other licence.
        cards: folder of cards; None: the environment's `MEDALIST_CARDS`.

    Raises:
        BackboneError: `name` is unknown. RecipeError: another word for `license`.
    """
    if name is not None:
        return json.dumps(describe(name, cards=cards), indent=1, sort_keys=True)
    rows = catalogue(license=license)
    best = recommended()
    lines = []
    for tier in TIERS:
        lines.append(f"{tier}:")
        for row in (row for row in rows if row.tier == tier):
            top1 = "   -" if row.top1 is None else f"{row.top1:4.1f}"
            marks = [
                row.note,
                "NON-COMMERCIAL" if row.non_commercial else "",
                "<- this machine" if row.name == best else "",
            ]
            line = f"  {row.name:<58} {row.size:>3} px  top-1 {top1}  {row.mparams:6.1f} M  {row.licence:<14}"
            lines.append(f"{line}  {'  '.join(mark for mark in marks if mark)}".rstrip())
    return "\n".join([*lines, "at hand, no hub needed:", *_at_hand(license, cards)])


def _at_hand(license: str, cards: Path | None) -> list[str]:
    """A line a card; a faulty one says so instead of hiding the others."""
    lines = []
    for name in (EMBEDDED, *list_cards(cards_folder(cards))):
        try:
            facts = describe(name, cards=cards)
        except BackboneError as error:
            lines.append(f"  {name}: {error}")
            continue
        if license == "any" or facts["permissive"]:
            mark = "  NON-COMMERCIAL" if facts["non_commercial"] else ""
            size, params = facts["preprocessing"]["height"], facts["num_params"] / 1e6
            mark += f"  {STAND_IN}" if facts["source"] == EMBEDDED else ""
            lines.append(f"  {name:<58} {size:>3} px  {params:19.1f} M  {facts['licence'][:60]}{mark}")
    return lines
