"""A backbone's architecture alone: no weights are read or fetched, and no memory is taken for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medalist.backbones import EMBEDDED, open_backbone
from medalist.backbones.backbone import cut_classifier
from medalist.backbones.cards import cards_folder, list_cards
from medalist.errors import BackboneError, near


def outline(name: str, *, cards: Path | None = None) -> Any:
    """The network of a card, of the embedded backbone, or of any timm architecture, on torch's `meta` device.

    Args:
        name: as `open_backbone` takes it; also names of timm's without pretrained weights, to plan offline.
        cards: folder of cards; None: the environment's `MEDALIST_CARDS`.

    Returns:
        A module without its classifier: names and shapes of its parameters, no values.

    Raises:
        BackboneError: unknown (with the near name), or a faulty card.
    """
    import timm
    import torch

    here = list_cards(cards_folder(cards))
    model, kwargs = name, {}
    if name.endswith(".json") or name in here or name == EMBEDDED:
        provenance = open_backbone(name, cards=cards).provenance
        model, kwargs = provenance["timm_model"], provenance["timm_kwargs"]
    elif not timm.is_model(name.partition(".")[0]):
        known = [*here, EMBEDDED, *timm.list_models()]
        raise BackboneError(
            f"unknown backbone {name!r}{near(name, known)}; expected a card, {EMBEDDED!r} or an architecture of timm's"
            " (`medalist backbones` lists recommended ones)"
        )
    with torch.device("meta"):
        network = timm.create_model(model, pretrained=False, **kwargs)
    cut_classifier(network)
    return network
