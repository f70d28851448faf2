"""Small cards, written here from timm's test architectures with random weights: they need no download."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.store import hash_bytes

SIZE = 64


def write_card(folder: Path, model: str, **changes: Any) -> Path:
    """A card of `model` with random weights; `changes` overwrite its keys."""
    import timm
    import torch
    from safetensors.torch import save

    torch.manual_seed(0)
    network = timm.create_model(model, pretrained=False, num_classes=10)
    _age(network)
    data = save(network.state_dict())
    (folder / f"{model}.safetensors").write_bytes(data)
    card = {
        "weights": f"{model}.safetensors",
        "sha256": hash_bytes(data),
        "name": model,
        "timm_model": model,
        "input_size": [3, SIZE, SIZE],
        "mean": [0.4, 0.5, 0.6],
        "std": [0.2, 0.25, 0.3],
        "interpolation": "bilinear",
        "crop_pct": 0.9,
        "num_classes": 10,
        "num_features": network.num_features,
        "params": sum(parameter.numel() for parameter in network.parameters()),
        "licence": "Apache-2.0 (made for a test)",
        "origin": "random",
        **changes,
    }
    path = folder / f"{model}.json"
    path.write_text(json.dumps({key: value for key, value in card.items() if value is not None}))
    return path


def _age(network: Any) -> None:
    """BatchNorm statistics as training would leave them: fresh ones hide faults of folding."""
    import torch

    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2.0)


@pytest.fixture(scope="session")
def card_writer() -> Callable[..., Path]:
    return write_card


@pytest.fixture(scope="session")
def card_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cards: a plain residual network, an inverted-residual one, a transformer without BatchNorm."""
    folder = tmp_path_factory.mktemp("cards")
    write_card(folder, "test_resnet")
    write_card(folder, "test_efficientnet")
    write_card(folder, "test_vit", input_size=[3, 160, 160])
    return folder


@pytest.fixture(scope="session")
def pixels_BHWC() -> np.ndarray:
    """Eight smooth random images, SIZE pixels a side."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (8, SIZE // 8, SIZE // 8, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)
