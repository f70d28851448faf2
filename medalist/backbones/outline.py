"""A backbone's architecture alone: no weights are read or fetched, and no memory is taken for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medalist.backbones import EMBEDDED, UNTRAINED, Backbone, open_backbone
from medalist.backbones.backbone import cut_classifier
from medalist.backbones.cards import cards_folder, list_cards
from medalist.errors import BackboneError, near


def outline(backbone: str | Backbone, *, cards: Path | None = None) -> Any:
    """The network of a backbone, or of any timm architecture, on torch's `meta` device.

    Args:
        backbone: opened, or a name as `open_backbone` takes it; also names of timm's without pretrained weights, to
            plan offline.
        cards: folder of cards for a name; None: the environment's `MEDALIST_CARDS`.

    Returns:
        A module without its classifier: names and shapes of its parameters, no values.

    Raises:
        BackboneError: unknown (with the near name), a faulty card, or one whose arguments timm does not take.
    """
    import timm
    import torch

    model, kwargs = _architecture(backbone if isinstance(backbone, Backbone) else _opened(backbone, cards))
    try:
        with torch.device("meta"):
            network = timm.create_model(model, pretrained=False, **kwargs)
    except (RuntimeError, TypeError) as error:
        raise BackboneError(f"timm's {model!r} cannot be built with {kwargs}: {error}; correct the card") from error
    cut_classifier(network)
    return network


def _architecture(backbone: str | Backbone) -> tuple[str, dict[str, Any]]:
    """Model and keyword arguments of `timm.create_model`: a card's, else the name is timm's."""
    if isinstance(backbone, str):
        return backbone, {}
    facts = backbone.provenance
    return facts.get("timm_model", backbone.name), facts.get("timm_kwargs", {})


def _opened(name: str, cards: Path | None) -> str | Backbone:
    """A card's backbone or the embedded one; a name of timm's stays a name, as opening it would fetch weights."""
    import timm

    here = list_cards(cards_folder(cards))
    if name.endswith((".json", UNTRAINED)) or name in here or name == EMBEDDED:
        return open_backbone(name, cards=cards)
    if not timm.is_model(name.partition(".")[0]):
        known = [*here, EMBEDDED, *timm.list_models()]
        raise BackboneError(
            f"unknown backbone {name!r}{near(name, known)}; expected a card, {EMBEDDED!r} or an architecture of timm's"
            " (`medalist backbones` lists recommended ones)"
        )
    return name
