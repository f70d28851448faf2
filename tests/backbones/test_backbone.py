"""Licences are read from text; overrides change the preprocessing alone."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medalist.backbones import open_backbone, override
from medalist.backbones.backbone import is_non_commercial, is_permissive, read_weights
from medalist.backbones.cards import open_card
from medalist.backbones.trained import write_trained
from medalist.errors import BackboneError
from medalist.store import hash_bytes


@pytest.mark.parametrize(
    ("licence", "permissive", "non_commercial"),
    [
        ("apache-2.0", True, False),
        ("Apache-2.0 (LICENSE file of google-coral/edgetpu)", True, False),
        ("mit", True, False),
        ("bsd-3-clause", True, False),
        ("cc-by-4.0", True, False),
        ("cc-by-nc-4.0", False, True),
        ("CC-BY-NC-SA-4.0", False, True),
        ("fair-noncommercial-research-license", False, True),
        ("apple-amlr", False, True),
        ("dinov3-license", False, False),
        ("gemma", False, False),
        ("not stated", False, False),
        ("mitigated", False, False),
    ],
)
def test_licences(licence: str, permissive: bool, non_commercial: bool) -> None:
    assert is_permissive(licence) is permissive
    assert is_non_commercial(licence) is non_commercial


def test_override_changes_preprocessing_and_nothing_else(card_folder: Path) -> None:
    plain = open_backbone("test_resnet", cards=card_folder)
    changed = override(plain, size=96, resize="squash")
    assert changed.preprocessing == {
        **plain.preprocessing,
        "height": 96,
        "width": 96,
        "resize": "squash",
        "crop_pct": 1.0,
    }
    assert changed.weights_hash == plain.weights_hash
    assert override(plain) == plain
    with pytest.raises(BackboneError, match="did you mean 'squash'"):
        override(plain, resize="sqash")
    with pytest.raises(BackboneError, match="too small"):
        override(plain, size=8)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_vit"])
def test_blue_first_is_the_image_turned(card_folder: Path, name: str) -> None:
    """What weights that want blue first get of an image, by hand: turned, then normalised in their order."""
    plain = open_backbone(name, cards=card_folder)
    turned = override(plain, channels="bgr")
    rng = np.random.default_rng(0)
    image_B3HW = torch.from_numpy(rng.random((2, 3, 64, 64), np.float32))

    def normalised(image: torch.Tensor, how: dict[str, Any]) -> torch.Tensor:
        return (image - torch.tensor(how["mean"])[:, None, None]) / torch.tensor(how["std"])[:, None, None]

    with torch.no_grad():
        want = plain.build()(normalised(image_B3HW.flip(1), plain.preprocessing))
        got = turned.build()(normalised(image_B3HW, turned.preprocessing))
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)
    assert turned.weights_hash != plain.weights_hash, "their features are not to be mistaken for each other"
    assert override(turned, channels="rgb").build.keywords == plain.build.keywords
    assert override(turned, channels="bgr") == turned


def test_a_card_tells_the_order_of_its_channels(
    card_folder: Path, card_writer: Callable[..., Path], tmp_path: Path
) -> None:
    """And what is fine-tuned from it is a card that computes the same without that key."""
    caffe = open_card(card_writer(tmp_path, "test_resnet", channels="bgr"))
    by_hand = override(open_backbone("test_resnet", cards=card_folder), channels="bgr")
    assert (caffe.preprocessing, caffe.weights_hash) == (by_hand.preprocessing, by_hand.weights_hash)
    network = caffe.build()
    state = {key: value.numpy() for key, value in network.state_dict().items()}
    trained = open_card(write_trained(caffe, state, tmp_path / "fold0.json"))
    image_B3HW = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(trained.build()(image_B3HW), network(image_B3HW))
    assert trained.preprocessing == caffe.preprocessing
    assert trained.provenance["fine_tuned_from"]["sha256"] == hash_bytes(
        (tmp_path / "test_resnet.safetensors").read_bytes()
    )


def test_other_moments_change_preprocessing_and_nothing_else(card_folder: Path) -> None:
    plain = open_backbone("test_resnet", cards=card_folder)
    changed = override(plain, mean=(0, 0, 0), std=(1, 1, 1))
    assert changed.preprocessing == {**plain.preprocessing, "mean": [0, 0, 0], "std": [1, 1, 1]}
    assert changed.weights_hash == plain.weights_hash


def test_a_torch_checkpoint_is_read_with_weights_only(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    for name, content in (("good", {"a": torch.ones(2)}), ("evil", {"a": Evil()})):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        (tmp_path / f"{name}.bin").write_bytes(buffer.getvalue())
    good = tmp_path / "good.bin"
    assert read_weights(good, hash_bytes(good.read_bytes()))["a"].tolist() == [1, 1]
    evil = tmp_path / "evil.bin"
    with pytest.raises(BackboneError, match="safely"):
        read_weights(evil, hash_bytes(evil.read_bytes()))
    assert not (tmp_path / "ran").exists()
