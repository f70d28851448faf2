"""A weighted geometric mean of the runs' probabilities, its weights learnt out of fold.

softmax(sum_r w_r log p_r), or for tags sigmoid(sum_r w_r logit p_r): a log-linear pool (Genest & Zidek 1986). Its
weights need not sum to 1, so that a temperature is among them. The log-loss is convex in w, with as many parameters as
runs, which is little enough to learn on a thousand images; what lowers it also raised accuracy and mean F1 on all
sets of `benchmarks/baseline.py`, more than weights fitted on those step functions of few distinct values could.

Axes: R runs, N training images, M images to answer, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medalist.crossfit import crossfit
from medalist.ensembles.contract import check, combine, ensembles
from medalist.predictions import Predictions

FLOOR = 1e-9  # no run rules a class out: below it, a probability counts as this much
PULL = 10.0  # towards equal weights 1 / R, in units of log-loss summed over images: decides where few are mistaken


def apply(meta: dict[str, Any], prob_RMC: np.ndarray) -> np.ndarray:
    """Pool with `meta["weights"]`, float32 (M, C)."""
    tags = bool(meta["tags"])
    return _pool(np.asarray(meta["weights"]), _logits(prob_RMC, tags), tags).astype(np.float32)


@ensembles(apply=apply)
def blend(runs: Sequence[Predictions], y_true: Any, metric: str, *, fold_N: np.ndarray, seed: int = 0) -> Predictions:
    """Pool the runs with the weights of least log-loss; fold k's rows with weights learnt on the other folds.

    Args:
        runs: predictions of the same rows, classes and folds.
        y_true: class indices (N,), or tags (N, C), dense or CSR.
        metric: unused; see the top of the file.
        fold_N: (N,) fold of each row.
        seed: unused; the problem is convex.

    Returns:
        Honest out-of-fold rows; test rows pooled with `meta["weights"]`, learnt on all rows.

    Raises:
        MismatchError: the runs are of other rows, classes or folds.
    """
    check(runs)
    if len(runs) == 1:
        return runs[0]
    tags = len(y_true.shape) == 2
    target_NC = _targets(y_true, runs[0].oof_NC.shape[1])
    logit_NRC = _logits(np.stack([run.oof_NC for run in runs], axis=1), tags)

    def fit(logit_NRC: np.ndarray, target_NC: np.ndarray) -> np.ndarray:
        return _least_loss(logit_NRC.swapaxes(0, 1), target_NC, tags)

    def pooled(weight_R: np.ndarray, logit_NRC: np.ndarray) -> np.ndarray:
        return _pool(weight_R, logit_NRC.swapaxes(0, 1), tags).astype(np.float32)

    oof_NC, weight_R = crossfit(fit, pooled, logit_NRC, target_NC, fold_N)
    meta = {"weights": [round(float(weight), 6) for weight in weight_R], "tags": tags}
    return combine("blend", runs, oof_NC, apply, meta)


def _targets(y: Any, num_classes: int) -> np.ndarray:
    if len(y.shape) == 2:
        return np.asarray(y if isinstance(y, np.ndarray) else y.toarray(), np.float32)
    return np.asarray(np.asarray(y)[:, None] == np.arange(num_classes), np.float32)


def _logits(prob: np.ndarray, tags: bool) -> np.ndarray:
    prob = np.clip(prob.astype(np.float64), FLOOR, 1 - FLOOR)
    return np.asarray(np.log(prob / (1 - prob)) if tags else np.log(prob))


def _pool(weight_R: np.ndarray, logit_RNC: np.ndarray, tags: bool) -> np.ndarray:
    """Probabilities float64 (N, C)."""
    logit_NC = np.tensordot(weight_R, logit_RNC, axes=1)
    if tags:
        sigmoid_NC: np.ndarray = 0.5 + 0.5 * np.tanh(0.5 * logit_NC)
        return sigmoid_NC
    power_NC = np.exp(logit_NC - logit_NC.max(axis=1, keepdims=True))
    softmax_NC: np.ndarray = power_NC / power_NC.sum(axis=1, keepdims=True)
    return softmax_NC


def _least_loss(logit_RNC: np.ndarray, target_NC: np.ndarray, tags: bool) -> np.ndarray:
    """Weights at or above 0 with the least log-loss plus PULL |w - 1 / R|^2.

    With P the pooled probabilities, the gradient is sum_nc logit_rnc (P - Y)_nc, for softmax and sigmoid alike.
    """
    from scipy.optimize import minimize

    equal = 1 / len(logit_RNC)

    def cost(weight_R: np.ndarray) -> tuple[float, np.ndarray]:
        prob_NC = _pool(weight_R, logit_RNC, tags)
        right_NC = np.where(target_NC > 0, prob_NC, 1 - prob_NC) if tags else prob_NC[target_NC > 0]
        loss = -np.log(np.maximum(right_NC, 1e-300)).sum() + PULL * ((weight_R - equal) ** 2).sum()
        slope_R = np.tensordot(logit_RNC, prob_NC - target_NC, axes=2) + 2 * PULL * (weight_R - equal)
        return loss / len(target_NC), slope_R / len(target_NC)

    start_R = np.full(len(logit_RNC), equal)
    best = minimize(cost, start_R, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(start_R))
    weight_R: np.ndarray = best.x
    return weight_R
