"""The fold file: the very folds of a run, with the labels, and read back as they were."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.errors import DataError, MismatchError
from medalist.metrics import dense
from medalist.pipeline.folds import Field, against_data, folds_csv, read_field
from medalist.pipeline.way import embed, read, split
from medalist.recipe import load_recipe


@pytest.mark.parametrize("override", ["folds.k=3", "folds.duplicates=false"])
def test_they_are_the_folds_of_a_run(competition: Path, cache: Path, tmp_path: Path, override: str) -> None:
    recipe = load_recipe(None, [override], metric="accuracy", backbones=("embedded",))
    file = tmp_path / "folds.csv"
    file.write_text(folds_csv(recipe, competition, cache=cache), encoding="utf-8")
    field = read_field(file)
    features = embed(recipe, read(recipe, competition), cache=cache)
    assert field.folds.hash == split(recipe, features).hash
    assert field.table.class_hash == features.train.class_hash
    np.testing.assert_array_equal(field.truth.group_N, features.group_N)
    np.testing.assert_array_equal(field.table.labels, features.train.labels)
    against = against_data(field, read(recipe, competition))
    assert against.test_ids == tuple(features.test.ids) and against.table.sample is not None


def test_tags_come_back_as_they_were(tag_contest: Any) -> None:
    field = read_field(tag_contest.folds())
    np.testing.assert_array_equal(dense(field.truth.labels), tag_contest.y)
    assert field.table.task == "tags" and field.table.classes == tag_contest.classes
    assert field.test_ids is None


def table_of(field: Field, **changes: Any) -> Any:
    return replace(field.table, **changes)


def test_another_dataset_is_refused(contest: Any) -> None:
    field = read_field(contest.folds())
    assert against_data(field, field.table).test_ids == ()
    with pytest.raises(MismatchError, match="1 ids are not in DATA, such as '000'"):
        against_data(field, field.table.take(np.arange(1, 160)))
    with pytest.raises(MismatchError, match="other classes"):
        against_data(field, table_of(field, classes=("cat", "cow", "NA")))
    with pytest.raises(MismatchError, match="160 images have other labels"):
        against_data(field, table_of(field, labels=(field.table.labels + 1) % 3))


def test_a_file_that_is_none_is_refused(contest: Any, tmp_path: Path) -> None:
    file = contest.folds()
    with file.open(newline="", encoding="utf-8") as lines:
        header, *rows = csv.reader(lines)
    for cells, message in (
        ([["id", "fold"], ["a", "1"]], "expected those of `medalist folds`"),
        ([header, ["a", "x", *rows[0][2:]]], "no number"),
        ([header, ["a", "300", *rows[0][2:]]], "fold outside"),
        ([header, rows[0], rows[0]], "repeats an id"),
        ([header, [*rows[0][:4], "1", "1", "0"]], "without exactly one class"),
        ([header], "no rows"),
    ):
        (tmp_path / "slip.csv").write_text("\n".join(map(",".join, cells)), encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read_field(tmp_path / "slip.csv")


def test_a_run_takes_the_folds_of_another(competition: Path, cache: Path, tmp_path: Path) -> None:
    """So that heads of other seeds can be blended: the file's folds, whatever the seed."""
    recipe = load_recipe(None, ["folds.k=3"], metric="accuracy", backbones=("embedded",))
    features = embed(recipe, read(recipe, competition), cache=cache)
    drawn = split(recipe, features)
    drawn.save(tmp_path / "folds.csv")
    given = load_recipe(
        None, [f"folds.file={tmp_path / 'folds.csv'}", "folds.seed=7"], metric="accuracy", backbones=("embedded",)
    )
    assert split(given, features).hash == drawn.hash
    fewer = replace(features, train=features.train.take(np.arange(10)))
    with pytest.raises(MismatchError, match="folds of other images"):
        split(given, fewer)
