"""A backbone's weights after fine-tuning -> a card of their own, so that whatever takes a backbone takes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from medalist.backbones.backbone import Backbone, Timm
from medalist.backbones.cards import Card
from medalist.store import hash_bytes, write_atomic


def write_trained(parent: Backbone, state: Mapping[str, np.ndarray], card: Path) -> Path:
    """Write `state` and a card for it; same state, same bytes.

    Args:
        parent: what was trained; architecture, preprocessing and licence are taken over.
        state: every array of its network without the classifier, by timm's names.
        card: the JSON file to write; the weights go beside it.

    Returns:
        `card`, for `cards.open_card`.
    """
    from safetensors.numpy import save

    source: Timm = parent.build.keywords["source"]  # type: ignore[attr-defined]  # a partial of build_timm
    data = save({name: np.asarray(state[name], order="C") for name in sorted(state)})
    how = parent.preprocessing
    described = Card(
        weights=card.with_suffix(".safetensors").name,
        sha256=hash_bytes(data),
        name=f"{parent.name}, {card.stem}",
        timm_model=source.model.partition(".")[0],
        timm_kwargs=source.kwargs,
        input_size=(3, how["height"], how["width"]),
        mean=how["mean"],
        std=how["std"],
        interpolation=how["interpolation"],
        crop_pct=how["crop_pct"],
        resize=how["resize"],
        num_classes=0,
        num_features=parent.num_features,
        params=sum(int(array.size) for array in state.values()),
        licence=parent.licence,
    )
    facts = {
        **described.model_dump(mode="json"),
        "fine_tuned_from": {"name": parent.name, "sha256": parent.file_hash},
    }
    card.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(card.with_suffix(".safetensors"), data)
    write_atomic(card, (json.dumps(facts, indent=1, sort_keys=True) + "\n").encode())
    return card
