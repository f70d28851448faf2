"""Cross-fitting: post-processing that learns from labels, scored on rows it did not learn from.

Axes: N images.
"""

from __future__ import annotations

from collections.abc import Callable
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
    parts = []
    for fold in np.unique(fold_N):
        held_N = fold_N == fold
        state = fit(inputs_N[~held_N], y[~held_N])
        parts.append((held_N, apply(state, inputs_N[held_N])))
    first = parts[0][1]
    answers_N = np.empty((len(fold_N), *first.shape[1:]), first.dtype)
    for held_N, part in parts:
        answers_N[held_N] = part
    return answers_N, fit(inputs_N, y)
