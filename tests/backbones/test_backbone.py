"""Licences are read from text; overrides change the preprocessing alone."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from medalist.backbones import open_backbone, override
from medalist.backbones.backbone import is_non_commercial, is_permissive, read_weights
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


def test_a_torch_checkpoint_is_read_with_weights_only(tmp_path: Path) -> None:
    import torch

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
