"""The power mean of the runs' probabilities, (mean_r p_r^e)^(1/e), rescaled: e = 1 the mean, e = 0 the geometric one.

A negative exponent listens to whoever doubts, a large one to whoever is sure. For tags p and 1 - p are averaged alike
and rescaled to sum to 1. Axes: R runs, N training images, M images to answer, C classes or tags.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.ensembles.contract import State, ensembles
from medalist.ensembles.members import as_members
from medalist.ensembles.pool import FLOOR, pooled, right, targets
from medalist.metrics.contract import is_tags

FARTHEST = 4.0
NEAR_ZERO = 1e-3
MOST = 2**22  # numbers from which one exponent is learnt


def apply(state: State, prob_MRC: Any) -> np.ndarray:
    """Power mean over runs, float32 (M, C)."""
    return _power_mean(prob_MRC, float(state["p"]), bool(state["tags"]))


@ensembles(apply=apply)
def power(prob_NRC: Any, y: Any, *, p: float | None = None) -> State:
    """Learn the exponent with the least log-loss, between -4 and 4.

    Args:
        prob_NRC: out-of-fold probabilities of R runs.
        y: class indices (N,), or tags (N, C), dense or CSR.
        p: the exponent, if it is not to be learnt.
    """
    tags, members = is_tags(y), as_members(prob_NRC)
    if p is None:
        p = 1.0 if members.shape[1] == 1 else _least_loss(members.sample(MOST), y, tags)
    return {"p": float(p), "tags": tags}


def _least_loss(sample: tuple[np.ndarray, np.ndarray], y: Any, tags: bool) -> float:
    from scipy.optimize import minimize_scalar

    dense_NRC, rows = sample
    target_NC = targets(y[rows], dense_NRC.shape[2])

    def loss(exponent: float) -> float:
        given = right(_power_mean(dense_NRC, exponent, tags), target_NC, tags)
        return float(-np.log(np.maximum(given, FLOOR)).mean())

    found = minimize_scalar(loss, bounds=(-FARTHEST, FARTHEST), method="bounded", options={"xatol": 0.01})
    return float(found.x)


def _power_mean(prob_MRC: Any, exponent: float, tags: bool) -> np.ndarray:
    members = as_members(prob_MRC)
    num_rows, num_runs, num_classes = members.shape
    if num_runs == 1:
        return members.member(0)
    if abs(exponent) < NEAR_ZERO:
        return pooled(np.full(num_runs, 1 / num_runs), members, tags)
    total_MC, other_MC = np.zeros((num_rows, num_classes)), np.zeros((num_rows, num_classes) if tags else (1, 1))
    for r in range(num_runs):
        prob_MC = np.clip(members.member(r).astype(np.float64), FLOOR, 1 - FLOOR)
        total_MC += prob_MC**exponent
        other_MC += (1 - prob_MC) ** exponent if tags else 0
    mean_MC = (total_MC / num_runs) ** (1 / exponent)
    rest = (other_MC / num_runs) ** (1 / exponent) + mean_MC if tags else mean_MC.sum(axis=1, keepdims=True)
    return np.asarray(mean_MC / rest, np.float32)
