"""Row weights: a row of weight 2 is the row twice, one of weight 0 is none; rows of fold -1 are learnt from alone."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression, Ridge

from medalist.errors import DataError
from medalist.training import rows as rows_module
from medalist.training.crossval import crossval
from medalist.training.heads import heads
from medalist.training.heads.contract import counts, log_loss, row_scale
from medalist.training.reduce import standard
from medalist.training.rows import measure

EXACT = ["ridge", "logistic", "lda", "lda(shrinkage='auto')"]
NUM_ROWS, NUM_FOLDS = 90, 3


@pytest.fixture
def _to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logistic regression is minimised as far as float32 goes."""
    for name, constant in (("logistic", "TOLERANCE"), ("passes", "TOLERANCE"), ("passes", "TRIAL_TOLERANCE")):
        monkeypatch.setattr(import_module(f"medalist.training.heads.{name}"), constant, 1e-11)
    for constant in ("MAX_PASSES", "TRIAL_PASSES"):
        monkeypatch.setattr(import_module("medalist.training.heads.passes"), constant, 500)


def drawn(task: str, seed: int = 0) -> tuple[np.ndarray, Any, int]:
    """Rows that their labels move a little."""
    rng = np.random.default_rng(seed)
    num_classes = 2 if task == "binary" else 3
    target = np.eye(num_classes, dtype=bool)[np.arange(NUM_ROWS) % num_classes]
    if task == "tags":
        target |= rng.random(target.shape) < 0.3
    x = target @ rng.normal(size=(num_classes, 20)) + rng.normal(size=(NUM_ROWS, 20))
    y = csr_array(target) if task == "tags" else target.argmax(axis=1).astype(np.int32)
    return x.astype(np.float32), y, num_classes


def cases(names: list[str]) -> list[tuple[str, str]]:
    tasks = ("binary", "multiclass", "tags")
    return [(name, task) for name in names for task in tasks if task in heads.bind(name).facts["tasks"]]


@pytest.mark.usefixtures("_to_the_end")
@pytest.mark.parametrize(("name", "task"), cases(EXACT))
def test_a_head_takes_a_row_of_weight_two_for_two_rows(name: str, task: str) -> None:
    x, y, num_classes = drawn(task)
    times = np.random.default_rng(1).integers(0, 4, NUM_ROWS)
    again = np.repeat(np.arange(NUM_ROWS), times)
    one = heads.bind(name)(x, y, num_classes=num_classes, weight_N=times.astype(np.float32))
    two = heads.bind(name)(x[again], y[again], num_classes=num_classes)
    np.testing.assert_allclose(one["weight_DC"], two["weight_DC"], rtol=2e-4, atol=4e-4)
    np.testing.assert_allclose(one["bias_C"], two["bias_C"], rtol=2e-4, atol=4e-4)


@pytest.mark.usefixtures("_to_the_end")
@pytest.mark.parametrize("limit", [2**28, 0])
@pytest.mark.parametrize(("name", "task"), cases(EXACT))
def test_so_does_a_cross_validation(name: str, task: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "LARGE", limit)
    x, y, num_classes = drawn(task)
    fold_N = np.arange(NUM_ROWS) // 3 % NUM_FOLDS
    times = np.random.default_rng(2).integers(0, 3, NUM_ROWS)
    again = np.repeat(np.arange(NUM_ROWS), times)
    weight_N = times.astype(np.float32)
    _, one = crossval(heads.bind(name), x, y, fold_N, x, num_classes=num_classes, weight_N=weight_N)
    _, two = crossval(heads.bind(name), x[again], y[again], fold_N[again], x, num_classes=num_classes)
    assert one.meta["penalties"] == two.meta["penalties"]
    np.testing.assert_allclose(one.oof_NC[again], two.oof_NC, atol=1e-3)
    np.testing.assert_allclose(one.test_KMC, two.test_KMC, atol=1e-3)
    assert one.oof_NC.shape == (NUM_ROWS, num_classes)  # rows of weight 0 are answered all the same


@pytest.mark.usefixtures("_to_the_end")
@pytest.mark.parametrize("limit", [2**28, 0])
@pytest.mark.parametrize(("name", "task"), cases(list(heads)))
def test_rows_of_weight_zero_might_as_well_be_absent(
    name: str, task: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "LARGE", limit)
    x, y, num_classes = drawn(task)
    fold_N, kept = np.arange(NUM_ROWS) // 3 % NUM_FOLDS, np.arange(NUM_ROWS) % 7 != 0
    odd = x.copy()
    odd[~kept] = 50
    weight_N = kept.astype(np.float32)
    _, one = crossval(heads.bind(name), odd, y, fold_N, x, num_classes=num_classes, weight_N=weight_N)
    _, two = crossval(heads.bind(name), x[kept], y[kept], fold_N[kept], x, num_classes=num_classes)
    np.testing.assert_allclose(one.oof_NC[kept], two.oof_NC, atol=1e-3)
    np.testing.assert_allclose(one.test_KMC, two.test_KMC, atol=1e-3)


@pytest.mark.parametrize("limit", [2**28, 0])
@pytest.mark.parametrize(("name", "task"), cases(list(heads)))
def test_rows_of_no_fold_are_learnt_from_and_not_answered(
    name: str, task: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the rows lie in folds; the others, of fold -1, name a corner that the former do not know."""
    monkeypatch.setattr(rows_module, "LARGE", limit)
    x, y, num_classes = drawn(task)
    fold_N = np.where(np.arange(NUM_ROWS) < 45, np.arange(NUM_ROWS) // 3 % NUM_FOLDS, -1)
    own = np.flatnonzero(fold_N >= 0)
    bound = heads.bind(name)
    _, one = crossval(bound, x, y, fold_N, x, num_classes=num_classes)
    _, two = crossval(bound, x[own], y[own], fold_N[own], x, num_classes=num_classes)
    assert one.oof_NC.shape == one.fit_NC.shape == (45, num_classes)
    assert np.abs(one.oof_NC - two.oof_NC).max() > 1e-3
    # Every fold's model has learnt from them: their labels move all of them.
    moved = np.concatenate([np.arange(45), np.roll(np.arange(45, NUM_ROWS), 1)])
    _, three = crossval(bound, x, y[moved], fold_N, x, num_classes=num_classes)
    assert all((a != b).any() for a, b in zip(one.test_KMC, three.test_KMC, strict=True))


@pytest.mark.parametrize("name", list(heads))
def test_labels_of_a_fold_do_not_reach_its_rows_by_way_of_weights_or_extra_rows(name: str) -> None:
    x, y, num_classes = drawn("binary")
    fold_N = np.where(np.arange(NUM_ROWS) < 60, np.arange(NUM_ROWS) // 3 % NUM_FOLDS, -1)
    flipped = np.where(fold_N == 1, 1 - y, y).astype(np.int32)
    weight_N = np.random.default_rng(3).random(NUM_ROWS).astype(np.float32) + 0.5
    one, two = (
        crossval(heads.bind(name), x, labels, fold_N, x[:1], num_classes=num_classes, weight_N=weight_N)[1].oof_NC
        for labels in (y, flipped)
    )
    assert one[fold_N[:60] == 1].tobytes() == two[fold_N[:60] == 1].tobytes()
    assert one[fold_N[:60] != 1].tobytes() != two[fold_N[:60] != 1].tobytes()


@pytest.mark.usefixtures("_to_the_end")
def test_ridge_and_logistic_are_scikit_learns() -> None:
    x, y, _ = drawn("binary")
    x -= x.mean(axis=0)
    weight_N = np.random.default_rng(4).random(NUM_ROWS).astype(np.float32) * 3
    unit = row_scale(x, weight_N)
    assert unit == pytest.approx(np.average((x**2).sum(axis=1), weights=weight_N), rel=1e-6)
    state = heads.bind("ridge(penalty=0.5, temperature=1.0)")(x, y, num_classes=2, weight_N=weight_N)
    theirs = Ridge(alpha=0.5 * unit).fit(x, y, sample_weight=weight_N)
    np.testing.assert_allclose(state["weight_DC"][:, 1], theirs.coef_, rtol=1e-4, atol=1e-6)
    state = heads.bind("logistic(penalty=0.05)")(x, y, num_classes=2, weight_N=weight_N)
    told = LogisticRegression(C=1 / (0.05 * unit), tol=1e-10, max_iter=10_000).fit(x, y, sample_weight=weight_N)
    both = state["weight_DC"][:, 1] - state["weight_DC"][:, 0]
    np.testing.assert_allclose(both, told.coef_[0], rtol=5e-3, atol=5e-4)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 3), min_size=20, max_size=20).filter(lambda times: sum(times) > 1))
def test_losses_counts_and_standards_of_weighted_rows_are_those_of_repeated_ones(times: list[int]) -> None:
    rng, again = np.random.default_rng(0), np.repeat(np.arange(20), times)
    weight_N, x = np.array(times, np.float32), np.abs(rng.normal(size=(20, 3))).astype(np.float32)
    y, logit = rng.integers(0, 4, 20).astype(np.int32), rng.normal(size=(20, 4)).astype(np.float32)
    assert log_loss(logit, y, weight_N) == pytest.approx(log_loss(logit[again], y[again]), rel=1e-5)
    tags = rng.random((20, 4)) < 0.5
    assert log_loss(logit, tags, weight_N) == pytest.approx(log_loss(logit[again], tags[again]), rel=1e-5)
    for labels in (y, tags, csr_array(tags)):
        np.testing.assert_allclose(counts(labels, 4, weight_N), counts(labels[again], 4))
    for way in (standard, measure):
        one, two = way(x, weight_N=weight_N), standard(x[again])
        np.testing.assert_allclose(one.mean_D, two.mean_D, rtol=1e-5)
        np.testing.assert_allclose(one.scale_D, two.scale_D, rtol=1e-4)
        assert one.root_D.all()


def test_a_neighbour_votes_by_its_weight() -> None:
    """Two neighbours at the same place: the vote is split as their weights are."""
    x = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    bound = heads.bind("knn(k=2)")
    state = bound(x, np.array([0, 1, 1]), num_classes=2, weight_N=np.array([3, 1, 1], np.float32))
    prob_MC = bound.facts["predict"](state, x[:1])
    # Votes 3 : 1, and a tenth of a vote by the class shares 3 : 2.
    np.testing.assert_allclose(prob_MC[0], [(3 + 0.06) / 4.1, (1 + 0.04) / 4.1], rtol=1e-5)


@pytest.mark.parametrize("limit", [2**28, 0])
def test_a_fold_without_weight_is_refused_where_it_chooses(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its loss would be 0 under the strongest penalty already, which ends the path for the fold beside it too."""
    monkeypatch.setattr(rows_module, "LARGE", limit)
    x, y, num_classes = drawn("multiclass")
    fold_N = np.arange(NUM_ROWS) % 4
    weight_N = (fold_N != 1).astype(np.float32)
    with pytest.raises(DataError, match="the rows of fold 1 all weigh 0: nothing to choose a penalty on"):
        crossval(heads.bind("ridge"), x, y, fold_N, x, num_classes=num_classes, weight_N=weight_N)
    crossval(heads.bind("knn"), x, y, fold_N, x, num_classes=num_classes, weight_N=weight_N)  # chooses nothing


def test_nothing_to_learn_is_refused() -> None:
    x, y, _ = drawn("binary")
    fold_N, weight_N = np.arange(NUM_ROWS) % 3, np.zeros(NUM_ROWS, np.float32)
    with pytest.raises(DataError, match="weigh 0"):
        crossval(heads.bind("ridge"), x, y, fold_N, x, num_classes=2, weight_N=weight_N)
    weight_N[y == 1] = 1
    with pytest.raises(DataError, match="one class"):
        crossval(heads.bind("ridge"), x, y, fold_N, x, num_classes=2, weight_N=weight_N)
