"""Heads: standardised features and labels in, a state of arrays out; `predict` turns raw features into probabilities.

A new head is one decorated function in a file here, named in the import below; `contract` says what it keeps to.
"""

from __future__ import annotations

import numpy as np

from medalist.fitted import State
from medalist.training.heads import knn, logistic, mlp, ridge
from medalist.training.heads.contract import heads
from medalist.training.reduce import Standard

__all__ = ["heads", "knn", "logistic", "mlp", "predict", "ridge"]

BLOCK = 256


def predict(name: str, state: State, x_ND: np.ndarray) -> np.ndarray:
    """Probabilities of raw features under a state that `crossval` made.

    Rows go through in blocks of one shape, the last one padded, on one thread: a row's bits do not depend on its
    batch-mates.

    Args:
        name: the head as a recipe calls it (`Fitted.name`), such as `ridge` or `knn(k=5)`.
        state: one of the `Fitted`'s states.
        x_ND: float32 (N, D) raw features, columns as in training.

    Returns:
        float32 (N, C); rows sum to 1, or for tags each lies in [0, 1].
    """
    from medalist.training.blas import one_thread

    scaling, head_predict = Standard.from_state(state), heads.bind(name).facts["predict"]
    num_rows = len(x_ND)
    padded_ND = np.zeros((max(1, -(-num_rows // BLOCK)) * BLOCK, x_ND.shape[1]), np.float32)
    padded_ND[:num_rows] = x_ND
    with one_thread():
        blocks = [head_predict(state, scaling(padded_ND[i : i + BLOCK])) for i in range(0, len(padded_ND), BLOCK)]
    return np.concatenate(blocks)[:num_rows].astype(np.float32, copy=False)
