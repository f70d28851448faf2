"""Heads: standardised features and labels in, a state of arrays out; `predict` turns raw features into probabilities.

A new head is one decorated function in a file here, named in the import below; `contract` says what it keeps to.
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from medalist.fitted import State
from medalist.training.heads import knn, lda, logistic, mlp, ridge
from medalist.training.heads.contract import heads
from medalist.training.reduce import Standard
from medalist.training.rows import Source, in_order

__all__ = ["heads", "knn", "lda", "logistic", "mlp", "predict", "ridge"]

BLOCK = 256


def predict(name: str, state: State, x_ND: Source, rows: np.ndarray | None = None) -> np.ndarray:
    """Probabilities of raw features under a state that `crossval` made.

    Rows go through in blocks of one shape, the last one padded, each on one thread: a row's bits do not depend on its
    batch-mates, nor on the number of cores.

    Args:
        name: the head as a recipe calls it (`Fitted.name`), such as `ridge` or `knn(k=5)`.
        state: one of the `Fitted`'s states.
        x_ND: raw features (N, D), columns as in training; read block by block.
        rows: indices of the rows to answer; all by default.

    Returns:
        float32 (N, C), or a row for each of `rows`; rows sum to 1, or for tags each lies in [0, 1].
    """
    from medalist.training.blas import one_thread

    scaling, head_predict = Standard.from_state(state), heads.bind(name).facts["predict"]
    rows = np.arange(len(x_ND)) if rows is None else rows
    # Matrices are multiplied in float64 (`contract.product`): widened once, not once a block.
    state = {key: array.astype(np.float64) if _is_matrix(array) else array for key, array in state.items()}

    def block(start: int) -> np.ndarray:
        padded_BD = np.zeros((BLOCK, x_ND.shape[1]), np.float32)
        inside = rows[start : start + BLOCK]
        padded_BD[: len(inside)] = x_ND[inside]
        return np.asarray(head_predict(state, scaling(padded_BD))[: len(inside)], np.float32)

    with one_thread():
        blocks = in_order(block, range(0, max(1, len(rows)), BLOCK))
        first = next(blocks)
        prob_NC = np.empty((len(rows), first.shape[1]), np.float32)
        for start, prob_BC in zip(range(0, max(1, len(rows)), BLOCK), chain([first], blocks), strict=True):
            prob_NC[start : start + BLOCK] = prob_BC
    return prob_NC


def _is_matrix(array: np.ndarray) -> bool:
    return array.ndim == 2 and array.dtype == np.float32
