"""Learners: which heads see what, under which names; and a run whose heads answer each view and backbone."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medalist.errors import RecipeError
from medalist.features.bank import Space
from medalist.pipeline import run
from medalist.pipeline.learners import learners_of, num_members
from medalist.pipeline.predict import predict
from medalist.predictions import Predictions
from medalist.recipe import load_recipe

SPACES = [
    Space({"name": name, "view": view, "tap": tap, "preprocessing": {"height": 64}}, 4)
    for name in ("big", "small")
    for view in ("center", "flip")
    for tap in ("pooled", "middle")
]


def columns(*overrides: str) -> dict[str, list[tuple[int, ...]]]:
    recipe = load_recipe(None, ["heads=[ridge, knn]", *overrides], metric="accuracy")
    return {one.name: [part for _, part in one.sight.views] for one in learners_of(recipe, SPACES)}


@pytest.mark.parametrize("members", ["fused", "each", "both"])
@pytest.mark.parametrize("fuse", ["features", "answers"])
@pytest.mark.parametrize("names", [("big",), ("big", "small")])
def test_members_are_counted_before_they_are_known(members: str, fuse: str, names: tuple[str, ...]) -> None:
    recipe = load_recipe(None, [f"members={members}", f"fuse={fuse}"], metric="accuracy", backbones=names)
    spaces = [space for space in SPACES if space.key["name"] in names]
    assert num_members(recipe) == sum(len(one.members) for one in learners_of(recipe, spaces))


def test_heads_see_everything_side_by_side() -> None:
    assert columns() == {"ridge": [tuple(range(8))], "knn": [tuple(range(8))]}


def test_a_head_a_backbone() -> None:
    small, big = [(4, 5, 6, 7)], [(0, 1, 2, 3)]
    each = {"ridge of big": big, "knn of big": big, "ridge of small": small, "knn of small": small}
    assert columns("members=each") == each
    assert columns("members=both") == columns() | each


def test_a_larger_input_is_a_member() -> None:
    larger = [replace(space, key={**space.key, "preprocessing": {"height": 96}}) for space in SPACES[:4]]
    recipe = load_recipe(None, ["heads=ridge", "members=each", "size=[64, 96]"], metric="accuracy", backbones=("big",))
    found = {one.name: one.sight.views[0][1] for one in learners_of(recipe, [*SPACES[:4], *larger])}
    assert found == {"ridge of big at 64 px": (0, 1, 2, 3), "ridge of big at 96 px": (4, 5, 6, 7)}
    assert num_members(recipe) == 2


def test_a_view_is_a_member() -> None:
    assert columns("fuse=answers", "members=each", "heads=ridge") == {
        "ridge of big": [(0, 1), (2, 3)],
        "ridge of small": [(4, 5), (6, 7)],
    }
    recipe = load_recipe(None, ["fuse=answers", "heads=ridge"], metric="accuracy")
    assert [one.members for one in learners_of(recipe, SPACES)] == [["ridge", "ridge on flip"]]


@pytest.fixture(scope="module")
def viewed(competition: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose heads answer three views."""
    out = tmp_path_factory.mktemp("viewed") / "out"
    keys = ["folds.k=3", "fuse=answers", "views=[center, flip, zoom]", "test_prior=tested"]
    run(load_recipe(None, keys, metric="log_loss", backbones=("embedded",)), competition, out, cache=cache)
    return out


def test_each_view_is_kept_and_differs(viewed: Path) -> None:
    found = {folder.name: Predictions.load(folder) for folder in (viewed / "predictions").iterdir()}
    assert found.keys() >= {"ridge", "ridge-on-flip", "ridge-on-zoom", "logistic", "blend"}
    assert np.abs(found["ridge"].oof_NC - found["ridge-on-zoom"].oof_NC).max() > 0.01


def test_predict_weighs_the_views_as_the_run_did(viewed: Path, competition: Path, tmp_path: Path) -> None:
    def rows(text: str) -> dict[str, list[str]]:
        return {Path(row[0]).stem: row[1:] for row in csv.reader(io.StringIO(text))}

    answers = rows(predict(viewed, [competition / "test"], cache=tmp_path))
    submitted = rows((viewed / "submission.csv").read_text(encoding="utf-8"))
    assert all(submitted[key] == value for key, value in answers.items() if key in submitted)
    assert len(answers.keys() & submitted.keys()) > 20


def test_classes_named_by_numbers_are_text() -> None:
    recipe = load_recipe(None, ["counts={0: 3, 007: 3}", "data.positive=1"], metric="accuracy")
    assert recipe.counts == {"0": 3, "007": 3}
    assert recipe.data.positive == "1"


def test_counts_that_do_not_fit_are_told(competition: Path, tmp_path: Path) -> None:
    recipe = load_recipe(None, ["counts={circle: 3}"], metric="accuracy", backbones=("embedded",))
    with pytest.raises(RecipeError, match="counts: needs each class once"):
        run(recipe, competition, tmp_path / "out", cache=tmp_path / "cache")
