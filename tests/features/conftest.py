"""Two small backbones and a folder of drawn images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medalist.backbones import Backbone, open_backbone
from medalist.store import hash_bytes


@pytest.fixture(scope="session")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cards of timm's test architectures with random weights, 32 and 48 pixels."""
    import timm
    import torch
    from safetensors.torch import save

    folder = tmp_path_factory.mktemp("cards")
    for model, size in (("test_resnet", 32), ("test_efficientnet", 48)):
        torch.manual_seed(0)
        network = timm.create_model(model, pretrained=False, num_classes=0)
        data = save(network.state_dict())
        (folder / f"{model}.safetensors").write_bytes(data)
        card = {
            "weights": f"{model}.safetensors",
            "sha256": hash_bytes(data),
            "name": model,
            "timm_model": model,
            "input_size": [3, size, size],
            "mean": [0.5, 0.5, 0.5],
            "std": [0.5, 0.5, 0.5],
            "interpolation": "bilinear",
            "crop_pct": 0.875,
            "num_classes": 0,
            "num_features": network.num_features,
            "params": 1,
            "licence": "Apache-2.0",
        }
        (folder / f"{model}.json").write_text(json.dumps(card))
    return folder


@pytest.fixture(scope="session")
def backbones(cards: Path) -> list[Backbone]:
    return [open_backbone(name, cards=cards) for name in ("test_resnet", "test_efficientnet")]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twenty drawn images, a copy of the first, a broken one."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(20):
        pixels = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8).repeat(10, axis=0).repeat(10, axis=1)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    (folder / "20.png").write_bytes((folder / "00.png").read_bytes())
    (folder / "21.png").write_bytes(b"no image")
    return folder
