"""Means over images against scikit-learn and cases worked by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.metrics import accuracy_score, brier_score_loss, top_k_accuracy_score
from sklearn.metrics import log_loss as sklearn_log_loss

from medalist.errors import MismatchError, RecipeError
from medalist.metrics import accuracy, brier, log_loss, map_at_k, metrics, tasks_of, top_k_accuracy

seeds = st.integers(0, 2**32 - 1)


@given(seeds, st.integers(1, 60), st.integers(2, 9))
def test_accuracy_is_scikit_learns(seed: int, num_rows: int, num_classes: int) -> None:
    y_N, label_N = np.random.default_rng(seed).integers(num_classes, size=(2, num_rows))
    assert accuracy(y_N, label_N) == pytest.approx(accuracy_score(y_N, label_N))


@given(seeds, st.integers(1, 60), st.integers(2, 9))
def test_log_loss_is_scikit_learns(seed: int, num_rows: int, num_classes: int) -> None:
    rng = np.random.default_rng(seed)
    y_N = rng.integers(num_classes, size=num_rows)
    prob_NC = rng.dirichlet(np.full(num_classes, 0.5), num_rows)
    expected = sklearn_log_loss(y_N, prob_NC, labels=np.arange(num_classes))
    assert log_loss(y_N, prob_NC) == pytest.approx(expected, rel=1e-9)


@given(seeds, st.integers(1, 40), st.integers(2, 6))
def test_log_loss_of_tags_is_the_mean_of_scikit_learns(seed: int, num_rows: int, num_tags: int) -> None:
    rng = np.random.default_rng(seed)
    y_NC, prob_NC = rng.random((num_rows, num_tags)) < 0.3, rng.random((num_rows, num_tags))
    expected = np.mean([sklearn_log_loss(y_N, p_N, labels=[0, 1]) for y_N, p_N in zip(y_NC.T, prob_NC.T, strict=True)])
    assert log_loss(csr_array(y_NC), prob_NC) == pytest.approx(expected, rel=1e-9)


@given(seeds, st.integers(1, 40), st.integers(2, 6))
def test_brier_is_scikit_learns(seed: int, num_rows: int, num_classes: int) -> None:
    rng = np.random.default_rng(seed)
    y_N, prob_NC = rng.integers(num_classes, size=num_rows), rng.dirichlet(np.ones(num_classes), num_rows)
    assert brier(y_N, prob_NC) == pytest.approx(brier_score_loss(y_N, prob_NC, labels=np.arange(num_classes)))
    y_NC = rng.random(prob_NC.shape) < 0.3
    each = [brier_score_loss(y_NC[:, c], prob_NC[:, c], labels=[False, True]) for c in range(num_classes)]
    assert brier(y_NC, prob_NC) == pytest.approx(np.mean(each))


@given(seeds, st.integers(1, 40), st.integers(3, 8), st.integers(1, 8))
def test_top_k_accuracy_is_scikit_learns(seed: int, num_rows: int, num_classes: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    y_N, prob_NC = rng.integers(num_classes, size=num_rows), rng.dirichlet(np.ones(num_classes), num_rows)
    k = min(k, num_classes - 1)
    expected = top_k_accuracy_score(y_N, prob_NC, k=k, labels=np.arange(num_classes))
    assert top_k_accuracy(y_N, prob_NC, k=k) == pytest.approx(expected)
    assert top_k_accuracy(y_N, prob_NC, k=num_classes) == 1.0


def test_equal_probabilities_rank_by_column() -> None:
    y_N, prob_NC = np.arange(3), np.full((3, 3), 1 / 3)
    assert [top_k_accuracy(y_N, prob_NC, k=k) for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 1])
    assert map_at_k(y_N, prob_NC, k=2) == pytest.approx((1 + 1 / 2 + 0) / 3)


def test_map_at_k_by_hand() -> None:
    prob_NC = np.array([[0.4, 0.3, 0.2, 0.1]] * 3)
    y_NC = np.array([[True, False, True, True], [False, False, False, True], [False] * 4])
    # The first image has hits at ranks 1 and 3 of at most 3; the second none; the third asks for none.
    assert map_at_k(y_NC, prob_NC, k=3) == pytest.approx((1 + 2 / 3) / 3 / 3)
    assert map_at_k(y_NC[:1], prob_NC[:1], k=2) == pytest.approx(1 / 2)
    assert map_at_k(np.array([2]), prob_NC[:1], k=3) == pytest.approx(1 / 3)
    assert map_at_k(np.array([2]), prob_NC[:1], k=2) == 0.0


@given(seeds, st.integers(1, 20), st.integers(1, 7), st.integers(1, 8))
def test_map_at_k_is_the_plain_loop(seed: int, num_rows: int, num_tags: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    y_NC, prob_NC = rng.random((num_rows, num_tags)) < 0.4, rng.integers(4, size=(num_rows, num_tags)) / 4
    total = 0.0
    for y_C, prob_C in zip(y_NC, prob_NC, strict=True):
        hits, found = 0, 0.0
        for rank, column in enumerate(sorted(range(num_tags), key=lambda c: -prob_C[c])[:k], start=1):
            if y_C[column]:
                hits += 1
                found += hits / rank
        total += found / max(1, min(int(y_C.sum()), k))
    assert map_at_k(y_NC, prob_NC, k=k) == pytest.approx(total / num_rows)


def test_log_loss_rescales_rows_and_bounds_a_certain_mistake() -> None:
    prob_NC = np.array([[2.0, 6.0], [1.0, 0.0]], np.float32)
    assert log_loss(np.array([1, 0]), prob_NC) == pytest.approx(-np.log(0.75) / 2)
    assert log_loss(np.array([1]), prob_NC[1:]) == pytest.approx(-np.log(1e-15))


def test_rows_and_classes_must_match() -> None:
    half_NC = np.full((3, 2), 0.5)
    with pytest.raises(MismatchError, match="shape"):
        accuracy(np.zeros(3, int), np.zeros(4, int))
    with pytest.raises(MismatchError, match="for 4 true classes"):
        log_loss(np.zeros(4, int), half_NC)
    with pytest.raises(MismatchError, match="from -1 to 1"):
        log_loss(np.array([0, 1, -1]), half_NC)
    with pytest.raises(MismatchError, match="from 0 to 2"):
        log_loss(np.array([0, 1, 2]), half_NC)
    with pytest.raises(MismatchError, match="for tags of shape"):
        brier(np.ones((2, 3), bool), np.ones((2, 4)))
    with pytest.raises(MismatchError, match="no numbers"):
        top_k_accuracy(np.zeros(3, int), np.full((3, 2), np.nan), k=1)
    with pytest.raises(RecipeError, match="k must be above 0"):
        map_at_k(np.zeros(3, int), half_NC, k=0)


@pytest.mark.parametrize("slip", ["logloss", "log-loss", "log loss", "Log_Loss"])
def test_a_slip_is_answered_with_the_near_name(slip: str) -> None:
    with pytest.raises(RecipeError, match="did you mean 'log_loss'"):
        metrics.bind(slip)


def test_an_own_metric_is_known_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_metric_of_a_test.py").write_text(
        "from medalist.metrics import metrics\n"
        "@metrics(eats='labels', better='higher')\n"
        "def worst_class(y, labels):\n"
        "    return float(min((labels[y == c] == c).mean() for c in set(y)))\n"
        "def undecorated(y, labels): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(metrics, "_entries", dict(metrics._entries))
    y_N, label_N = np.array([0, 0, 1]), np.array([0, 1, 1])
    adopted = metrics.adopt("own_metric_of_a_test:worst_class")
    assert adopted(y_N, label_N) == metrics.bind("worst_class")(y_N, label_N) == 0.5
    assert tasks_of(adopted) == ("binary", "multiclass")
    for slip in ("own_metric_of_a_test:undecorated", "own_metric_of_a_test:absent", "no_such_module:f", "accuracy"):
        with pytest.raises(RecipeError, match="module:function"):
            metrics.adopt(slip)
    with pytest.raises(RecipeError, match="is not a name or a call"):  # a recipe's way in
        metrics.bind("own_metric_of_a_test:worst_class")
