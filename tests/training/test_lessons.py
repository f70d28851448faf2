"""Lessons: each model of its own rows, labels and weights; what a fold is told never comes from its own labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import Ridge

from medalist.fitted import Fitted
from medalist.progress import ignore
from medalist.training import rows as rows_module
from medalist.training.choice import Task
from medalist.training.crossval import CrossValidated, crossval
from medalist.training.heads import heads, predict
from medalist.training.lessons import Lesson, elsewhere, ordinary, relearn
from medalist.training.rows import Part

NUM_ROWS, NUM_FOLDS = 96, 4
FOLD_N = np.where(np.arange(NUM_ROWS) < 84, np.arange(NUM_ROWS) // 3 % NUM_FOLDS, -1)
LIMITS = [2**28, 0]


def rows(tags: bool = False) -> tuple[np.ndarray, Any]:
    rng = np.random.default_rng(0)
    target = np.eye(3, dtype=bool)[np.arange(NUM_ROWS) % 3]
    x = (target @ rng.normal(size=(3, 16)) + rng.normal(size=(NUM_ROWS, 16))).astype(np.float32)
    return x, csr_array(target) if tags else target.argmax(axis=1).astype(np.int32)


def fitted_of(name: str, x: np.ndarray, y: Any) -> tuple[Task, Fitted, CrossValidated]:
    task = Task(heads.bind(name), y, FOLD_N, NUM_FOLDS, 3, 0, ignore)
    return task, *crossval(task.head, x, y, FOLD_N, x[:5], num_classes=3)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("name", list(heads))
def test_the_ordinary_lesson_makes_the_ordinary_model(name: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "LARGE", limit)
    x, y = rows()
    task, fitted, _ = fitted_of(name, x, y)
    again = relearn(task, fitted, x, [ordinary(task, k) for k in (*range(NUM_FOLDS), None)])
    for one, two in zip((*fitted.states, fitted.refit), (*again.states, again.refit), strict=True):
        # A penalty counts in units of the rows that are learnt from, which are fewer.
        assert np.abs(predict(name, one, x) - predict(name, two, x)).mean() < 3e-3


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("name", list(heads))
def test_what_is_told_of_other_folds_is_said_by_models_that_saw_neither(
    name: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels of fold 1 reach nothing that is told for fold 1's lesson; of fold 2's rows nothing tells their own."""
    monkeypatch.setattr(rows_module, "LARGE", limit)
    x, y = rows()
    told = list(elsewhere(*fitted_of(name, x, y)[:2], x))
    assert all((prob_NC[k == FOLD_N] == 0).all() for k, prob_NC in enumerate(told))
    assert all((prob_NC[(k != FOLD_N) & (FOLD_N >= 0)].sum(axis=1) > 0.99).all() for k, prob_NC in enumerate(told))
    other = np.where(FOLD_N == 1, (y + 1) % 3, y).astype(np.int32)
    for k, (one, two) in enumerate(zip(told, elsewhere(*fitted_of(name, x, other)[:2], x), strict=True)):
        assert (one.tobytes() == two.tobytes()) == (k == 1)
        if name in ("knn", "mlp"):  # a penalty, chosen for fold k on fold 1 too, tells a little of it
            assert one[FOLD_N == 1].tobytes() == two[FOLD_N == 1].tobytes()


def test_several_weighted_rows_are_one_of_a_soft_label() -> None:
    """Of class 0 by 0.7, of class 1 by 0.3, and that with a weight of 5: scikit-learn's ridge on the soft target."""
    x, y = rows()
    x -= np.average(x, axis=0, weights=[5.0] + [1.0] * (NUM_ROWS - 1))
    again = np.append(np.arange(NUM_ROWS), 0)
    labels, weight_n = np.append(y, 1).astype(np.int32), np.ones(NUM_ROWS + 1, np.float32)
    labels[0], weight_n[[0, -1]] = 0, (3.5, 1.5)
    state = heads.bind("ridge(penalty=0.5, temperature=1.0)")(x[again], labels, num_classes=3, weight_N=weight_n)
    target_NC, weight_N = np.eye(3)[y], np.ones(NUM_ROWS)
    target_NC[0], weight_N[0] = (0.7, 0.3, 0), 5
    alpha = 0.5 * np.average((x**2).sum(axis=1), weights=weight_N)
    theirs = Ridge(alpha=alpha).fit(x, target_NC, sample_weight=weight_N)
    np.testing.assert_allclose(state["weight_DC"], theirs.coef_.T, rtol=1e-4, atol=1e-6)


def test_shares_of_classes_are_kept_where_rows_have_soft_labels() -> None:
    """The optimum of a free intercept: mean probabilities are what the rows of each class weigh."""
    x, y = rows()
    task, fitted, _ = fitted_of("logistic", x, y)
    lesson = ordinary(task, None)
    weight_n = np.append(np.ones(NUM_ROWS), [300.0, 100.0]).astype(np.float32)
    soft = Lesson(np.append(lesson.rows, [0, 0]), np.append(lesson.y, [0, 1]).astype(np.int32), weight_n)
    refit = relearn(task, fitted, x, [lesson] * NUM_FOLDS + [soft]).refit
    mean_C = np.average(predict("logistic", refit, x[soft.rows]), axis=0, weights=weight_n)
    np.testing.assert_allclose(mean_C, np.bincount(soft.y, weights=weight_n) / weight_n.sum(), atol=1e-2)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("name", [name for name in heads if "tags" in heads.bind(name).facts["tasks"]])
def test_tags_may_be_shares(name: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "LARGE", limit)
    x, y = rows(tags=True)
    task, fitted, _ = fitted_of(name, x, y)
    share = 0.1 + 0.8 * y.toarray().astype(np.float32)
    every = np.arange(NUM_ROWS)
    again = relearn(task, fitted, x, [Lesson(every, share)] * (NUM_FOLDS + 1))
    one, two = (predict(name, made.refit, x) for made in (fitted, again))
    assert np.abs(two - 0.5).mean() < np.abs(one - 0.5).mean()


def test_a_part_of_a_source_reads_like_the_rows_themselves() -> None:
    x, index = rows()[0], np.array([3, 3, 0, 50])
    part = Part(x, index)
    assert part.shape == (4, 16) and len(part) == 4
    np.testing.assert_array_equal(part[1:3], x[index][1:3])
    np.testing.assert_array_equal(part[np.array([3, 0])], x[[50, 3]])
