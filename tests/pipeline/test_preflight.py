"""`--preflight`: the whole chain on a few images, faults of any later phase found, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from medalist.data.layouts import read
from medalist.data.table import TEST
from medalist.errors import MedalistError
from medalist.pipeline.preflight import preflight, sample_of
from medalist.recipe import load_recipe


def test_it_passes_and_forecasts_and_leaves_nothing(competition: Path, tmp_path: Path) -> None:
    recipe = load_recipe(None, ["heads=ridge"], metric="accuracy", backbones=("embedded",))
    text = preflight(recipe, competition, tmp_path / "out")
    assert "preflight passed" in text
    assert "forecast for 120 images" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("override", "message"),
    [("decide=treshold", "did you mean 'threshold'"), ("data.sample=nowhere.csv", "nowhere"), ("heads=ridg", "ridge")],
)
def test_a_fault_of_a_later_phase_is_found(competition: Path, tmp_path: Path, override: str, message: str) -> None:
    recipe = load_recipe(None, [override], metric="accuracy", backbones=("embedded",))
    with pytest.raises(MedalistError, match=message):
        preflight(recipe, competition, tmp_path / "out")


def test_an_unwritable_output_is_found(competition: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    recipe = load_recipe(metric="accuracy", backbones=("embedded",))
    with pytest.raises(MedalistError, match="choose another folder"):
        preflight(recipe, competition, tmp_path / "file" / "out")


def test_the_sample_keeps_classes_whole_enough_to_learn(competition: Path) -> None:
    few = sample_of(read(competition), 64, seed=0)
    assert len(few) == 64
    assert (few.split == TEST).sum() == 16
    counts = [int((few.labels == c).sum()) for c in set(few.labels[few.split != TEST].tolist())]
    assert min(counts) >= 2
