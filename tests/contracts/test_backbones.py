"""Every card at hand (embedded, shared): dimension, dtype, finite, the same twice in eval, frozen BatchNorm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medalist.backbones import EMBEDDED_FOLDER, open_backbone
from medalist.backbones.runtimes import open_runtime

SHARED_CARDS = ("mobilenetv2_100_coral", "mobilenetv1_100_coral", "mobilenet_edgetpu_075_coral")
CARDS = [*(str(path) for path in sorted(EMBEDDED_FOLDER.glob("*.json"))), *SHARED_CARDS]


@pytest.mark.parametrize("name", CARDS, ids=lambda name: Path(name).stem)
def test_a_backbone_keeps_the_contract(shared: Callable[[str], Path], name: str) -> None:
    import torch

    backbone = open_backbone(name, cards=shared("weights") if name in SHARED_CARDS else None)
    height, width = backbone.preprocessing["height"], backbone.preprocessing["width"]
    pixels = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    runtime = open_runtime(backbone, runtime="torch_f32", batch=2)
    features = runtime(pixels)
    assert features.shape == (2, backbone.num_features)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()
    assert np.array_equal(runtime(pixels), features)
    assert np.array_equal(runtime(pixels[::-1]), features[::-1])
    network = backbone.build()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    network(torch.zeros(2, 3, height, width))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_the_package_brings_a_backbone() -> None:
    if not EMBEDDED_FOLDER.is_dir():
        pytest.skip("the embedded weights are not built yet")
    backbone = open_backbone("embedded")
    assert backbone.source == "embedded"
    assert backbone.permissive
