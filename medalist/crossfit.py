"""Cross-fitting: post-processing that learns from labels, scored on rows it did not learn from.

Axes: N images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np

S = TypeVar("S")


def crossfit(
    fit: Callable[[Any, Any], S], apply: Callable[[S, Any], np.ndarray], inputs_N: Any, y: Any, fold_N: np.ndarray
) -> tuple[np.ndarray, S]:
    """Answer each fold with what was fitted on the others; keep what is fitted on all rows for new images.

    Args:
        fit: `(inputs, y) -> state`, the whole chain of choices.
        apply: `(state, inputs) -> answers`, a row an input row.
        inputs_N: array or CSR array with N rows, such as out-of-fold probabilities.
        y: the truth, N rows, array or CSR array.
        fold_N: (N,) fold of each row.

    Returns:
        The honest answers, N rows in the order of the inputs, and the state fitted on all rows.

    >>> crossfit(lambda x, y: y.mean(), lambda mean, x: x * mean, np.ones(2), np.array([1, 3]), np.array([0, 1]))
    (array([3., 1.]), np.float64(2.0))
    """
    states = fit_outside(fit, inputs_N, y, fold_N)
    return apply_inside(states, apply, inputs_N, fold_N), fit(inputs_N, y)


def fit_outside(fit: Callable[[Any, Any], S], inputs_N: Any, y: Any, fold_N: np.ndarray) -> list[S]:
    """A state a fold, of the rows outside it; arguments as for `crossfit`."""
    return [fit(inputs_N[fold_N != fold], y[fold_N != fold]) for fold in np.unique(fold_N)]


def apply_inside(
    states: Sequence[S], apply: Callable[[S, Any], np.ndarray], inputs_N: Any, fold_N: np.ndarray
) -> np.ndarray:
    """The rows of each fold answered by its state, N rows in the order of the inputs."""
    folds = [np.flatnonzero(fold_N == fold) for fold in np.unique(fold_N)]
    parts = [apply(state, inputs_N[rows]) for state, rows in zip(states, folds, strict=True)]
    answers_N = np.empty((len(fold_N), *parts[0].shape[1:]), parts[0].dtype)
    for rows, part in zip(folds, parts, strict=True):
        answers_N[rows] = part
    return answers_N
