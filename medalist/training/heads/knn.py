"""Nearest neighbours by cosine: the k most similar training images vote, each with weight exp(cosine / temperature)
times its own.

Axes: N training images, M images asked about, D features, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.fitted import State
from medalist.training.heads.contract import EVERY_TASK, heads, product, targets
from medalist.training.weights import mean_row, present

PRIOR_VOTES = 0.1  # of the nearest neighbour's vote, spread by the class shares: no class is impossible


def predict(state: State, x_MD: np.ndarray) -> np.ndarray:
    """Probabilities float32 (M, C)."""
    cosine_MN = product(_unit(x_MD), state["row_ND"].T)
    k = min(int(state["k"]), cosine_MN.shape[1])
    near_MK = np.argpartition(-cosine_MN, k - 1, axis=1)[:, :k]
    top_MK = np.take_along_axis(cosine_MN, near_MK, axis=1)
    weight_MK = np.exp((top_MK - top_MK.max(axis=1, keepdims=True)) / state["temperature"])
    if "weight_N" in state:
        weight_MK *= state["weight_N"][near_MK]
    prior_C = mean_row(state["target_NC"], state.get("weight_N"))
    vote_MC = (weight_MK[:, :, None] * state["target_NC"][near_MK]).sum(axis=1)
    total_M1 = weight_MK.sum(axis=1, keepdims=True)
    return np.asarray((vote_MC + PRIOR_VOTES * prior_C) / (total_M1 + PRIOR_VOTES), np.float32)


def _unit(x_ND: np.ndarray) -> np.ndarray:
    return np.asarray(x_ND / np.maximum(np.linalg.norm(x_ND, axis=1, keepdims=True), 1e-12), np.float32)


@heads(predict=predict, tasks=EVERY_TASK)
def knn(
    x_ND: np.ndarray,
    y: Any,
    *,
    num_classes: int,
    seed: int = 0,
    weight_N: np.ndarray | None = None,
    k: int = 10,
    temperature: float = 0.1,
) -> State:
    """Remember the rows.

    Args:
        x_ND: float32 (N, D), standardised.
        y: class indices (N,), or tags (N, C).
        num_classes: C.
        seed: unused.
        weight_N: of the rows, times which they vote; None: all the same.
        k: neighbours that vote, whatever they weigh.
        temperature: of the cosine; a small one lets the nearest decide alone.
    """
    rows = present(np.arange(len(x_ND)), weight_N)
    target_NC = targets(y[rows], num_classes)
    state = {
        "row_ND": _unit(x_ND[rows]),
        "target_NC": target_NC if y.dtype.kind == "f" else target_NC.astype(np.uint8),
        "k": np.array(k, np.int64),
        "temperature": np.array(temperature, np.float32),
    }
    return state if weight_N is None else {**state, "weight_N": weight_N[rows].astype(np.float32)}
