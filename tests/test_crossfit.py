"""Cross-fitting: each row answered by what never saw it."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from medalist.crossfit import crossfit


@given(st.lists(st.integers(0, 4), min_size=2, max_size=40).filter(lambda folds: len(set(folds)) > 1))
def test_no_row_is_answered_by_a_state_that_saw_it(folds: list[int]) -> None:
    fold_N, row_N = np.array(folds), np.arange(len(folds))
    seen: list[set[int]] = []

    def fit(x: np.ndarray, y: np.ndarray) -> set[int]:
        np.testing.assert_array_equal(x, y)
        seen.append(set(x.tolist()))
        return seen[-1]

    def apply(state: set[int], x: np.ndarray) -> np.ndarray:
        return np.array([[row, row in state, len(state)] for row in x.tolist()])

    answers, state = crossfit(fit, apply, row_N, row_N, fold_N)
    np.testing.assert_array_equal(answers[:, 0], row_N)
    assert not answers[:, 1].any()
    np.testing.assert_array_equal(answers[:, 2], [np.sum(fold_N != fold) for fold in folds])
    assert state == set(row_N.tolist())


def test_sparse_truth_and_wide_inputs() -> None:
    x_NC, fold_N = np.arange(12.0, dtype=np.float32).reshape(6, 2), np.array([2, 0, 2, 0, 7, 7])
    y_NC = csr_array(x_NC > 5)

    def fit(x: np.ndarray, y: Any) -> int:
        return int(y.sum())

    answers, state = crossfit(fit, lambda total, x: x + total, x_NC, y_NC, fold_N)
    total = np.array([(x_NC > 5)[fold_N != fold].sum() for fold in fold_N])
    np.testing.assert_array_equal(answers, x_NC + total[:, None])
    assert answers.dtype == np.float32
    assert state == 6
