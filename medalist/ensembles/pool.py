"""The log-linear pool: softmax(sum_r w_r log p_r), or for tags sigmoid(sum_r w_r logit p_r) (Genest & Zidek 1986).

Axes: R runs, N training images, M images to answer, C classes or tags.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.ensembles.members import as_members
from medalist.metrics.contract import is_tags

FLOOR = 1e-9  # no run rules a class out: below it, a probability counts as this much
MOST = 2**25  # numbers of which weights are learnt; more rows are sampled


def logits(prob: np.ndarray, tags: bool) -> np.ndarray:
    """log p, or for tags log p / (1 - p), float64."""
    prob = np.clip(prob.astype(np.float64), FLOOR, 1 - FLOOR)
    return np.asarray(np.log(prob / (1 - prob)) if tags else np.log(prob))


def squash(logit_NC: np.ndarray, tags: bool) -> np.ndarray:
    """Probabilities of pooled logits (N, C), as precise as those."""
    if tags:
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logit_NC))
    power_NC = np.exp(logit_NC - logit_NC.max(axis=1, keepdims=True))
    return np.asarray(power_NC / power_NC.sum(axis=1, keepdims=True))


def pooled(weight_R: np.ndarray, prob_MRC: Any, tags: bool) -> np.ndarray:
    """The pool of runs, float32 (M, C), read one run after the other; one run as it came."""
    members = as_members(prob_MRC)
    if members.shape[1] == 1:
        return members.member(0)
    logit_MC = np.zeros((len(members), members.shape[2]))
    for r in np.flatnonzero(weight_R):
        logit_MC += weight_R[r] * logits(members.member(int(r)), tags)
    return np.asarray(squash(logit_MC, tags), np.float32)


def targets(y: Any, num_classes: int) -> np.ndarray:
    """The truth as 0 and 1, float32 (N, C)."""
    if is_tags(y):
        return np.asarray(y if isinstance(y, np.ndarray) else y.toarray(), np.float32)
    return np.asarray(np.asarray(y)[:, None] == np.arange(num_classes), np.float32)


def least_loss(
    logit_NRC: np.ndarray, target_NC: np.ndarray, tags: bool, pull: float, start_R: np.ndarray | None = None
) -> np.ndarray:
    """Weights at or above 0 with the least log-loss plus pull |w - 1 / R|^2, float64 (R,).

    With P the pooled probabilities, the gradient is sum_nc logit_nrc (P - Y)_nc, for softmax and sigmoid alike. Logits
    are pooled as precisely as they come; float32 halves the time.
    """
    from scipy.optimize import minimize

    num_rows, num_runs, _ = logit_NRC.shape
    equal_R = np.full(num_runs, 1 / num_runs)

    def cost(weight_R: np.ndarray) -> tuple[float, np.ndarray]:
        prob_NC = squash(np.einsum("r,nrc->nc", weight_R.astype(logit_NRC.dtype), logit_NRC), tags)
        loss = -np.log(np.maximum(right(prob_NC, target_NC, tags), FLOOR)).sum(dtype=np.float64)
        loss += pull * ((weight_R - equal_R) ** 2).sum()
        slope_R = np.einsum("nrc,nc->nr", logit_NRC, prob_NC - target_NC).sum(axis=0, dtype=np.float64)
        slope_R += 2 * pull * (weight_R - equal_R)
        return loss / num_rows, slope_R / num_rows

    start_R = equal_R if start_R is None else start_R
    # A loss of float32 is not followed into its rounding; the first limit is scipy's own, for float64.
    least_step = max(1e7 * float(np.finfo(np.float64).eps), 10 * float(np.finfo(logit_NRC.dtype).eps))
    bounds, options = [(0, None)] * num_runs, {"ftol": least_step}
    best = minimize(cost, start_R, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(best.x)


def right(prob_NC: np.ndarray, target_NC: np.ndarray, tags: bool) -> np.ndarray:
    """What was given to the truth: (N,) of the true class, or (N, C) of what was true of each tag."""
    return np.asarray(np.where(target_NC > 0, prob_NC, 1 - prob_NC) if tags else prob_NC[target_NC > 0])
