"""Taps give what timm's own methods give, from one pass, and change no bit of each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medalist.backbones import open_backbone
from medalist.backbones.runtimes import open_runtime
from medalist.backbones.taps import TAPS, generalised_mean
from medalist.errors import BackboneError

MODELS = ("test_resnet", "test_efficientnet", "test_vit")


@pytest.mark.parametrize("name", MODELS)
def test_taps_are_what_timm_computes(card_folder: Path, name: str) -> None:
    import timm
    import torch
    from safetensors.torch import load_file

    reference = timm.create_model(name, pretrained=False, num_classes=10).eval()
    reference.load_state_dict(load_file(card_folder / f"{name}.safetensors"))
    side = 160 if name == "test_vit" else 64
    image = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        got = open_backbone(name, cards=card_folder).build(TAPS)(image).numpy()
        last = reference.forward_features(image)
        cells = last[:, 1:] if last.ndim == 3 else last.flatten(2).transpose(1, 2)
        maps = reference.forward_intermediates(image, intermediates_only=True, output_fmt="NCHW")
        sides = [one.shape[-1] for one in maps]
        middle = (
            maps[2 * len(maps) // 3]
            if name == "test_vit"
            else maps[max(i for i, s in enumerate(sides) if s > sides[-1])]
        )
        want = [
            reference.forward_head(last, pre_logits=True),
            cells.clamp(min=1e-6).pow(3).mean(1).pow(1 / 3),
            middle.mean((2, 3)),
            reference(image),
        ]
    np.testing.assert_allclose(got, np.concatenate([part.numpy() for part in want], axis=1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("runtime", ["torch_f32", "torch_bf16"])
@pytest.mark.parametrize("name", MODELS)
def test_a_tap_has_the_same_bits_beside_others(
    card_folder: Path, pixels_BHWC: np.ndarray, name: str, runtime: str
) -> None:
    pixels = pixels_BHWC if name != "test_vit" else np.resize(pixels_BHWC, (2, 160, 160, 3))
    backbone = open_backbone(name, cards=card_folder)
    together = open_runtime(backbone, runtime=runtime, taps=TAPS)(pixels)
    alone = [open_runtime(backbone, runtime=runtime, taps=(tap,))(pixels) for tap in TAPS]
    assert np.array_equal(together, np.concatenate(alone, axis=1))


def test_the_generalised_mean_lies_between_mean_and_maximum() -> None:
    import torch

    cells = torch.rand(3, 10, 4, generator=torch.Generator().manual_seed(0))
    gem = generalised_mean(cells)
    assert (gem > cells.mean(1)).all()
    assert (gem < cells.amax(1)).all()
    assert torch.allclose(generalised_mean(torch.full((1, 5, 2), 0.3)), torch.tensor(0.3))


def test_weights_without_a_classifier_have_no_logits(card_writer: object, tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="no logits"):
        open_backbone("embedded").build(("logits",))
