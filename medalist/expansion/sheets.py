"""A contact sheet a class: what was let in and what was refused, each with its reason, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from medalist.expansion.screen import KINDS, Screened, Verdict
from medalist.pipeline.learners import slug
from medalist.pipeline.page import Cell, Section, picture, png, wrapped
from medalist.store import write_atomic

SHEETS = "sheets"
SIDE, ACROSS, SHOWN = 128, 8, 48  # pixels of a picture, pictures a row, and of a kind


def draw(folder: Path, screened: Screened) -> list[Path]:
    """Write `sheets/NUMBER-CLASS.png` for each label; those of an earlier screening are removed.

    Args:
        folder: of the expansion.
        screened: verdicts on its images.
    """
    place = folder / SHEETS
    place.mkdir(exist_ok=True)
    labels = list(dict.fromkeys(verdict.fetched.found.label for verdict in screened.verdicts))
    written = []
    for number, label in enumerate(labels):
        mine = [verdict for verdict in screened.verdicts if verdict.fetched.found.label == label]
        if sections := _sections(folder, label, mine):
            written.append(place / f"{number:03d}-{slug(label)[:80]}.png")
            write_atomic(written[-1], png(sections))
    for file in set(place.glob("*.png")) - set(written):
        file.unlink()
    return written


def _sections(folder: Path, label: str, verdicts: Sequence[Verdict]) -> list[Section]:
    """What was let in, then each kind of refusal, the first ones of many."""
    order = ["", *KINDS]
    sections: list[Section] = []
    by_kind = sorted(verdicts, key=lambda verdict: order.index(verdict.kind))
    for kind, group in groupby(by_kind, key=lambda verdict: verdict.kind):
        members = list(group)
        cells = [cell for verdict in members[:SHOWN] if (cell := _cell(folder, verdict)) is not None]
        if cells:
            what = f"refused, {kind}: {KINDS[kind]}" if kind else "let in"
            more = f", the first {len(cells)}" if len(cells) < len(members) else ""
            sections.append((f"{label}: {what}: {len(members)} of {len(verdicts)}{more}", wrapped(cells, ACROSS)))
    return sections


def _cell(folder: Path, verdict: Verdict) -> Cell | None:
    shown = None if verdict.kind == "broken" else picture(folder / verdict.fetched.path, SIDE)
    return None if shown is None else Cell(shown, verdict.reason or verdict.fetched.found.source)
