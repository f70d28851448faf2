"""`suspects: complete(share=...)`: no fold's tags reach its own model, and models come closer to the complete tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import expit

from medalist.errors import RecipeError
from medalist.features.rows import Block, Rows
from medalist.fitted import Fitted
from medalist.pipeline.checks import check
from medalist.pipeline.lessons import relearnt, told
from medalist.progress import ignore
from medalist.recipe import Recipe, load_recipe
from medalist.training.choice import Task
from medalist.training.crossval import answer_view, crossval
from medalist.training.heads import heads

NUM_FOLDS, NUM_TAGS = 5, 6


def recipe_of(*overrides: str) -> Recipe:
    return load_recipe(None, overrides, metric="f1_samples", backbones=("embedded",))


def rows_in(folder: Path, x_ND: np.ndarray) -> Rows:
    """Features on disk, as a run reads them."""
    np.save(folder / "x.npy", x_ND)
    place_N2 = np.stack([np.zeros(len(x_ND), np.int64), np.arange(len(x_ND))], axis=1)
    return Rows([Block([folder / "x.npy"], place_N2, x_ND.shape[1])], num_rows=len(x_ND))


def drawn(seed: int, num_rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, complete tags that come together by what no feature shows, and what is set of them."""
    rng = np.random.default_rng(seed)
    x_ND, hidden_N1 = rng.normal(size=(num_rows, 12)), 2 * rng.normal(size=(num_rows, 1))
    y_NC = rng.random((num_rows, NUM_TAGS)) < expit(
        2 * x_ND[:, :NUM_TAGS] + hidden_N1 * (-1) ** np.arange(NUM_TAGS) - 1
    )
    return x_ND.astype("f4"), y_NC, y_NC & (rng.random(y_NC.shape) >= 0.4)


def taught(name: str, x: Rows, set_NC: np.ndarray, call: str) -> tuple[Fitted, Fitted, list[Any], np.ndarray]:
    fold_N = np.arange(len(x)) % NUM_FOLDS
    task = Task(heads.bind(name), csr_array(set_NC), fold_N, NUM_FOLDS, NUM_TAGS, 0, ignore)
    plain, first = crossval(task.head, x, task.y, fold_N, x, num_classes=NUM_TAGS)
    fitted, found = relearnt(recipe_of(f"suspects={call}"), task, plain, first.oof_NC, x, x)
    return plain, fitted, found, fold_N


@pytest.mark.parametrize("name", ["ridge", "logistic", "knn"])
def test_tags_of_a_fold_never_reach_its_model(name: str, tmp_path: Path) -> None:
    """To the bit."""
    x_ND, _, set_NC = drawn(0, 150)
    x, fold_N = rows_in(tmp_path, x_ND), np.arange(150) % NUM_FOLDS
    other_NC = np.where((fold_N == 2)[:, None], ~set_NC, set_NC)
    one, two = (taught(name, x, tags, "complete(share=0.4)")[1] for tags in (set_NC, other_NC))
    for k, (a, b) in enumerate(zip(one.states, two.states, strict=True)):
        assert all(a[key].tobytes() == b[key].tobytes() for key in a) == (k == 2)


@pytest.mark.parametrize("name", ["ridge", "logistic"])
def test_models_come_closer_to_the_complete_tags(name: str, tmp_path: Path) -> None:
    x_ND, y_NC, set_NC = drawn(1, 1500)
    x = rows_in(tmp_path, x_ND)
    plain, fitted, found, fold_N = taught(name, x, set_NC, "complete(share=0.4)")
    before, after = (((answer_view(one, x, fold_N, x).oof_NC - y_NC) ** 2).mean() for one in (plain, fitted))
    assert after < before
    assert 0 < len(found) < len(x) / 2
    ids, classes = np.arange(len(x)).astype(str), [f"tag{c}" for c in range(NUM_TAGS)]
    rows = told(found, recipe_of("suspects=complete(share=0.4)"), ids, classes, csr_array(set_NC))
    assert {done for _, _, done, _ in rows} == {"complete"}
    # Of what is listed some tag is more likely missing than not: most of these rows do lack one.
    lacking_N = (y_NC & ~set_NC).any(axis=1)
    assert lacking_N[[one.row for one in found]].mean() > lacking_N.mean() + 0.1


def test_no_share_is_told_before_the_first_image(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for call, slip in (("complete", r"such as complete\(share=0.3\)"), ("complete(share=1)", "below 1, got 1")):
        with pytest.raises(RecipeError, match=f"suspects: complete .*{slip}"):
            check(recipe_of(f"suspects={call}"), tmp_path / "data", tmp_path / "out")
    check(recipe_of("suspects=complete(share=0.3)"), tmp_path / "data", tmp_path / "out")
