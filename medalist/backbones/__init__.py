"""Pretrained networks: a name -> a Backbone, which knows its weights, preprocessing and licence, and builds on demand.

Nothing here imports torch until a network is built; only a hub name that was never used before is asked of timm.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from medalist.backbones.backbone import Backbone, override
from medalist.backbones.cards import cards_folder, list_cards, open_card
from medalist.backbones.catalogue import recommended
from medalist.backbones.untrained import UNTRAINED, drawn, inside, redrawn
from medalist.errors import BackboneError, near

EMBEDDED = "embedded"
STAND_IN = "a stand-in for real weights, trained on drawn images only"
EMBEDDED_FOLDER = Path(__file__).parent / EMBEDDED

__all__ = ["EMBEDDED", "STAND_IN", "UNTRAINED", "Backbone", "describe", "open_backbone", "override", "recommended"]


def open_backbone(name: str, *, cards: Path | None = None) -> Backbone:
    """The backbone called `name`; its weights are verified and loaded when it is built.

    Args:
        name: path of a card's JSON, name of a card in the cards folder, `embedded`, or a timm model with or without its
            pretrained tag (`resnet50.tv_in1k`); looked for in this order. `NAME(pretrained=false)`: the same
            architecture with weights drawn at random.
        cards: folder of cards; None: the environment's `MEDALIST_CARDS`.

    Raises:
        BackboneError: unknown (with the near name), a faulty card, or a hub that cannot be reached.
    """
    if (card := _at_hand(name, cards)) is not None:
        return card
    if (inner := inside(name)) is not None:
        like = _at_hand(inner, cards)
        return drawn(inner) if like is None else redrawn(like)
    from medalist.backbones import hub

    if (remembered := hub.remembered(name)) is not None:
        return remembered
    if not hub.knows(name):
        here = list_cards(cards_folder(cards))
        known = [*here, EMBEDDED, *hub.names()]
        places = f"cards here: {', '.join(here) or 'none; give their folder with --cards or MEDALIST_CARDS'}"
        raise BackboneError(
            f"unknown backbone {name!r}{near(name, known)}; expected a card, {EMBEDDED!r} or a pretrained timm name"
            f" ({places}); `medalist backbones` lists recommended ones"
        )
    try:
        return hub.open_hub(name)
    except BackboneError as error:
        if not (meant := near(name, list_cards(cards_folder(cards)))):
            raise
        raise BackboneError(f"{error}{meant} That card is at hand") from error


def _at_hand(name: str, cards: Path | None) -> Backbone | None:
    """What needs no hub: a card, or the embedded one."""
    if name.endswith(".json"):
        return open_card(Path(name))
    here = list_cards(cards_folder(cards))
    if name in here:
        return open_card(here[name])
    return open_card(embedded_card(), source=EMBEDDED) if name == EMBEDDED else None


def describe(name: str, *, cards: Path | None = None) -> dict[str, Any]:
    """What is known of a backbone without loading it, as JSON: weights hash, preprocessing, licence and so on.

    Raises:
        BackboneError: see `open_backbone`.
    """
    backbone = open_backbone(name, cards=cards)
    shown = {part.name: getattr(backbone, part.name) for part in fields(backbone) if part.name != "build"}
    return {**shown, "permissive": backbone.permissive, "non_commercial": backbone.non_commercial}


def embedded_card() -> Path:
    """The card of the backbone that the package brings.

    Raises:
        BackboneError: this installation lacks it.
    """
    found = sorted(EMBEDDED_FOLDER.glob("*.json"))
    if not found:
        raise BackboneError(
            f"this installation lacks its embedded backbone in {EMBEDDED_FOLDER}; install medalist again"
        )
    return found[0]
