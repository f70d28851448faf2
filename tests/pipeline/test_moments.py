"""`medalist stats`: the numbers of the labelled images, a sample's with their interval, and the advice beside them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medalist.errors import DataError
from medalist.pipeline.moments import advice, stats
from medalist.recipe import load_recipe

RECIPE = load_recipe(metric="accuracy", backbones=("embedded",))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twenty dark training images, one that is none, and one white test image that must not count."""
    rng = np.random.default_rng(0)
    for i in range(20):
        folder = tmp_path / "data" / "train" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 100 + i, (8, 9, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    (folder / "broken.png").write_bytes(b"none")
    (tmp_path / "data" / "test").mkdir()
    Image.new("RGB", (8, 9), "white").save(tmp_path / "data" / "test" / "1.png")
    return tmp_path / "data"


def numbers(text: str, begin: str) -> list[float]:
    (line,) = [line for line in text.splitlines() if line.startswith(begin)]
    return [float(value) for value in re.findall(r"\d\.\d+", line)]


def test_all_labelled_images_are_measured_exactly(root: Path, tmp_path: Path) -> None:
    text = stats(RECIPE, root, cache=tmp_path / "cache")
    value_PC = (
        np.concatenate([np.asarray(Image.open(path)).reshape(-1, 3) for path in root.glob("train/*/[0-9]*")]) / 255
    )
    assert "all 21 labelled images, 1 that could not be decoded left out: exact" in text
    np.testing.assert_allclose(numbers(text, "mean, each image"), value_PC.mean(axis=0), atol=6e-5)
    np.testing.assert_allclose(numbers(text, "std, each image"), value_PC.std(axis=0), atol=6e-5)
    assert numbers(text, "  std") == [0.25] * 3
    assert "keep it" in text


def test_a_sample_names_its_interval_and_is_the_same_again(root: Path, tmp_path: Path) -> None:
    first, again = (stats(RECIPE, root, sample=15, cache=tmp_path / name) for name in "ab")
    assert first == again
    assert "a sample of 15 of 21 labelled images" in first
    assert len(numbers(first, "mean, each image")) == 6
    with pytest.raises(DataError, match="at least 2"):
        stats(RECIPE, root, sample=1, cache=tmp_path / "a")


def test_near_moments_are_told_from_far_ones() -> None:
    assert advice(0.05).startswith("near")
    assert "93%" in advice(0.93)
