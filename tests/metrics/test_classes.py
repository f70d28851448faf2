"""Metrics of class labels against scikit-learn and cases worked by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    balanced_accuracy_score,
    cohen_kappa_score,
    fbeta_score,
    matthews_corrcoef,
    precision_score,
)

from medalist.errors import MismatchError, RecipeError
from medalist.metrics import balanced_accuracy, f1_macro_classes, matthews, metrics, quadratic_kappa

seeds = st.integers(0, 2**32 - 1)
sizes = st.integers(1, 60), st.integers(1, 6)


def drawn(seed: int, num_rows: int, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """A truth, and labels that are right half the time."""
    rng = np.random.default_rng(seed)
    y_N, label_N = rng.integers(num_classes, size=(2, num_rows))
    return y_N, np.where(rng.random(num_rows) < 0.5, y_N, label_N)


@given(seeds, *sizes)
def test_macro_averages_are_scikit_learns(seed: int, num_rows: int, num_classes: int) -> None:
    y_N, label_N = drawn(seed, num_rows, num_classes)
    for beta in (0.5, 1.0, 2.0):
        expected = fbeta_score(y_N, label_N, beta=beta, average="macro", zero_division=0)
        assert metrics.bind(f"fbeta_macro_classes(beta={beta})")(y_N, label_N) == pytest.approx(expected)
    assert f1_macro_classes(y_N, label_N) == metrics.bind("fbeta_macro_classes")(y_N, label_N)
    expected = precision_score(y_N, label_N, average="macro", zero_division=0)
    assert metrics.bind("precision_macro_classes")(y_N, label_N) == pytest.approx(expected)


@given(seeds, *sizes)
def test_balanced_accuracy_matthews_and_kappa_are_scikit_learns(seed: int, num_rows: int, num_classes: int) -> None:
    y_N, label_N = drawn(seed, num_rows, num_classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes without rows, and of 0 / 0
        assert balanced_accuracy(y_N, label_N) == pytest.approx(balanced_accuracy_score(y_N, label_N))
        assert matthews(y_N, label_N) == pytest.approx(matthews_corrcoef(y_N, label_N), abs=1e-12)
        if len({*y_N, *label_N}) > 1:
            expected = cohen_kappa_score(y_N, label_N, weights="quadratic", labels=np.arange(num_classes))
            assert quadratic_kappa(y_N, label_N) == pytest.approx(expected, abs=1e-12)


def test_by_hand() -> None:
    y_N, label_N = np.array([0, 0, 0, 2]), np.array([0, 0, 2, 2])
    assert balanced_accuracy(y_N, label_N) == pytest.approx((2 / 3 + 1) / 2)
    assert f1_macro_classes(y_N, label_N) == pytest.approx((4 / 5 + 2 / 3) / 2)
    # Squared differences: 4 in one of 4 rows; under independence 4 (3/4 1/2 + 1/4 1/2).
    assert quadratic_kappa(y_N, label_N) == pytest.approx(1 - 1 / 2)


def test_one_class_is_no_agreement_beyond_chance() -> None:
    ones_N = np.ones(5, int)
    assert quadratic_kappa(ones_N, ones_N) == 0.0
    assert matthews(ones_N, ones_N) == 0.0
    assert balanced_accuracy(ones_N, ones_N) == f1_macro_classes(ones_N, ones_N) == 1.0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(MismatchError, match="shape"):
        balanced_accuracy(np.zeros(3, int), np.zeros(4, int))
    with pytest.raises(RecipeError, match="beta must be above 0"):
        metrics.bind("fbeta_macro_classes(beta=0)")(np.zeros(3, int), np.zeros(3, int))
