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


def test_a_file_with_folds_of_all_rows_is_no_fault(competition: Path, tmp_path: Path) -> None:
    """The rehearsal is of 64 images; the forecast is of the file's folds."""
    ids, file = read(competition).labelled().ids.tolist(), tmp_path / "folds.csv"
    assert len(ids) > 64
    file.write_text("id,fold\n" + "".join(f"{name},{row % 4}\n" for row, name in enumerate(ids)), encoding="utf-8")
    recipe = load_recipe(None, ["heads=ridge", f"folds.file={file}"], metric="accuracy", backbones=("embedded",))
    assert "preflight passed" in preflight(recipe, competition, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fine_tuning_is_forecast_with_the_disk_it_takes(competition: Path, tmp_path: Path) -> None:
    """90 rows less the broken ones; 2 of 3 folds' rows in one training, then all."""
    keys = ["heads=ridge", "views=center", "folds.k=3", "finetune.size=32", "finetune.holdout=true"]
    keys += ["finetune.workers=0", "finetune.phases=[{train: head, epochs: 3}]"]
    recipe = load_recipe(None, keys, metric="accuracy", backbones=("embedded",))
    text = preflight(recipe, competition, tmp_path / "out")
    num_rows = len(read(competition).labelled())
    assert f"fine-tuning shows {num_rows * 3 * 2 / 3 + num_rows * 3:.0f} images" in text
    assert "at most, as layers that never train run once" in text
    assert "GB for the weights of all epochs" in text
    assert "answer the held-out rows" not in text  # that is of the rehearsal
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
