"""Metrics of rankings against scikit-learn and cases worked by hand; ties are drawn often."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.metrics import average_precision_score, roc_auc_score

from medalist.errors import MismatchError
from medalist.metrics import average_precision, metrics, roc_auc

seeds = st.integers(0, 2**32 - 1)


def ranked(seed: int, num_rows: int, num_columns: int) -> np.ndarray:
    """Probabilities of few distinct values."""
    return np.random.default_rng(seed).integers(1, 8, size=(num_rows, num_columns)) / 8


@given(seeds, st.integers(2, 60))
def test_two_classes_are_scikit_learns(seed: int, num_rows: int) -> None:
    y_N = np.random.default_rng(seed).integers(2, size=num_rows)
    y_N[:2] = 0, 1
    prob_N = ranked(seed, num_rows, 1)[:, 0].astype(np.float32)
    prob_NC = np.stack([1 - prob_N, prob_N], axis=1)
    assert roc_auc(y_N, prob_NC) == pytest.approx(roc_auc_score(y_N, prob_N))
    assert average_precision(y_N, prob_NC) == pytest.approx(average_precision_score(y_N, prob_N))


@given(seeds, st.integers(2, 40), st.integers(2, 6), st.floats(0.05, 0.95))
def test_tags_are_scikit_learns(seed: int, num_rows: int, num_tags: int, density: float) -> None:
    y_NC = np.random.default_rng(seed).random((num_rows, num_tags)) < density
    y_NC[0], y_NC[1] = True, False
    prob_NC = ranked(seed, num_rows, num_tags)
    for average in ("macro", "micro"):
        area = metrics.bind(f"roc_auc_{average}")(csr_array(y_NC), prob_NC)
        assert area == pytest.approx(roc_auc_score(y_NC, prob_NC, average=average))
        precision = metrics.bind(f"average_precision_{average}")(y_NC, prob_NC)
        assert precision == pytest.approx(average_precision_score(y_NC, prob_NC, average=average))
    has_N = y_NC.any(axis=1)  # scikit-learn warns of the others, and counts 0
    expected = average_precision_score(y_NC[has_N], prob_NC[has_N], average="samples") * has_N.mean()
    assert metrics.bind("average_precision_samples")(y_NC, prob_NC) == pytest.approx(expected)


@given(seeds, st.integers(3, 60), st.integers(3, 5))
def test_several_classes_are_scikit_learns(seed: int, num_rows: int, num_classes: int) -> None:
    rng = np.random.default_rng(seed)
    y_N = np.append(np.arange(num_classes), rng.integers(num_classes, size=num_rows))
    prob_NC = rng.dirichlet(np.ones(num_classes), len(y_N))
    for average in ("macro", "micro"):
        expected = roc_auc_score(y_N, prob_NC, multi_class="ovr", average=average)
        assert metrics.bind(f"roc_auc_{average}")(y_N, prob_NC) == pytest.approx(expected)
        expected = average_precision_score(y_N, prob_NC, average=average)
        assert metrics.bind(f"average_precision_{average}")(y_N, prob_NC) == pytest.approx(expected)


def test_by_hand() -> None:
    y_N, prob_N = np.array([1, 0, 1, 0]), np.array([0.9, 0.5, 0.5, 0.1])
    prob_NC = np.stack([1 - prob_N, prob_N], axis=1)
    assert roc_auc(y_N, prob_NC) == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert average_precision(y_N, prob_NC) == pytest.approx((1 + 2 / 3) / 2)


def test_a_tag_without_positives_is_left_out() -> None:
    y_NC = np.array([[True, False], [False, False], [True, False]])
    prob_NC = np.array([[0.9, 0.2], [0.3, 0.4], [0.2, 0.6]])
    assert metrics.bind("roc_auc_macro")(y_NC, prob_NC) == pytest.approx(0.5)
    assert metrics.bind("average_precision_macro")(y_NC, prob_NC) == pytest.approx((1 + 2 / 3) / 2)
    assert np.isnan(metrics.bind("average_precision_macro")(y_NC[:, 1:], prob_NC[:, 1:]))


def test_one_class_has_no_area() -> None:
    assert np.isnan(roc_auc(np.ones(3, int), np.full((3, 2), 0.5)))
    assert np.isnan(average_precision(np.zeros(3, int), np.full((3, 2), 0.5)))


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(MismatchError, match="two classes; try its _macro"):
        roc_auc(np.zeros(3, int), np.full((3, 3), 0.3))
    with pytest.raises(MismatchError, match="no numbers"):
        roc_auc(np.array([0, 1]), np.full((2, 2), np.nan))
    with pytest.raises(MismatchError, match="for tags of shape"):
        metrics.bind("roc_auc_macro")(np.ones((2, 3), bool), np.ones((2, 4)))
