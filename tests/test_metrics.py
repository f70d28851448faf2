"""The metrics against scikit-learn and cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.metrics import accuracy_score, f1_score
from sklearn.metrics import log_loss as sklearn_log_loss

from medalist.errors import MismatchError, RecipeError
from medalist.metrics import accuracy, f1_samples, log_loss, metrics

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


@given(seeds, st.integers(1, 60), st.integers(1, 9), st.floats(0, 1))
def test_f1_samples_is_scikit_learns(seed: int, num_rows: int, num_tags: int, density: float) -> None:
    y_NC, set_NC = np.random.default_rng(seed).random((2, num_rows, num_tags)) < density
    if num_tags == 1:  # scikit-learn takes one column for binary labels
        y_NC, set_NC = np.repeat(y_NC, 2, axis=1), np.repeat(set_NC, 2, axis=1)
    expected = f1_score(y_NC, set_NC, average="samples", zero_division=1.0)
    assert f1_samples(y_NC, set_NC) == pytest.approx(expected)
    assert f1_samples(csr_array(y_NC), set_NC) == pytest.approx(expected)


def test_log_loss_rescales_rows_and_bounds_a_certain_mistake() -> None:
    prob_NC = np.array([[2.0, 6.0], [1.0, 0.0]], np.float32)
    assert log_loss(np.array([1, 0]), prob_NC) == pytest.approx(-np.log(0.75) / 2)
    assert log_loss(np.array([1]), prob_NC[1:]) == pytest.approx(-np.log(1e-15))


def test_f1_of_one_image_by_hand() -> None:
    y_NC = np.array([[True, True, True, False, False]])
    set_NC = np.array([[True, True, False, True, False]])
    assert f1_samples(y_NC, set_NC) == pytest.approx(2 * 2 / (3 + 3))


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
    with pytest.raises(MismatchError, match="shape"):
        f1_samples(np.ones((2, 3), bool), np.ones((2, 4), bool))


@pytest.mark.parametrize("slip", ["logloss", "log-loss", "log loss", "Log_Loss"])
def test_a_slip_is_answered_with_the_near_name(slip: str) -> None:
    with pytest.raises(RecipeError, match="did you mean 'log_loss'"):
        metrics.bind(slip)
