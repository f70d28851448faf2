"""`medalist check`: broken files by name, duplicates with different labels before all others."""

from __future__ import annotations

import shutil
from pathlib import Path

from medalist.pipeline.audit import audit
from medalist.recipe import load_recipe


def test_conflicts_and_leaks_come_first(competition: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(competition, data)
    image, other = sorted((data / "train" / "fish").glob("00*.jpg"))[-2:]
    shutil.copy(image, data / "train" / "boat" / "fish_too.jpg")
    leaked = next(path for path in sorted((data / "test").iterdir()) if path.stat().st_size > 1000)
    shutil.copy(other, leaked)
    text = audit(load_recipe(metric="accuracy"), data, cache=tmp_path / "cache")
    assert "1 have different labels, 1 lie in training and test" in text
    first, second = [line for line in text.splitlines() if line.startswith("  bytes:")][:2]
    assert f"train/fish/{image.name}" in first
    assert "train/boat/fish_too.jpg" in first
    assert f"test/{leaked.name}" in second


def test_broken_files_are_named_with_their_reason(competition: Path, tmp_path: Path) -> None:
    text = audit(load_recipe(metric="accuracy"), competition, cache=tmp_path)
    assert "images cannot be used" in text
    assert "the file is empty" in text
