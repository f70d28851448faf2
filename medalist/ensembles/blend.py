"""A weighted geometric mean of the runs' probabilities, its weights learnt out of fold.

softmax(sum_r w_r log p_r), or for tags sigmoid(sum_r w_r logit p_r): a log-linear pool (Genest & Zidek 1986). Its
weights need not sum to 1, so that a temperature is among them. The log-loss is convex in w, with as many parameters as
runs, which is little enough to learn on a thousand images; accuracy and F1 are steps of few
distinct values there, which weights would overfit, and gain from what lowers the log-loss.

Axes: R runs, N training images, M images to answer, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.ensembles.contract import State, ensembles

FLOOR = 1e-9  # no run rules a class out: below it, a probability counts as this much


def apply(state: State, prob_MRC: np.ndarray) -> np.ndarray:
    """Pool with the state's weights, float32 (M, C)."""
    if prob_MRC.shape[1] == 1:
        return prob_MRC[:, 0]
    weight_R, tags = np.asarray(state["weights"]), bool(state["tags"])
    return np.asarray(_pool(weight_R, _logits(prob_MRC, tags), tags), np.float32)


@ensembles(apply=apply)
def blend(prob_NRC: np.ndarray, y: Any, *, pull: float = 10.0) -> State:
    """Learn the weights with the least log-loss.

    Args:
        prob_NRC: out-of-fold probabilities of R runs.
        y: class indices (N,), or tags (N, C), dense or CSR.
        pull: towards equal weights 1 / R, in units of log-loss summed over images; it decides where hardly any image
            is mistaken.
    """
    tags = len(y.shape) == 2
    if prob_NRC.shape[1] == 1:
        return {"weights": [1.0], "tags": tags}
    weight_R = _least_loss(_logits(prob_NRC, tags), _targets(y, prob_NRC.shape[2]), tags, pull)
    return {"weights": [float(weight) for weight in weight_R], "tags": tags}


def _targets(y: Any, num_classes: int) -> np.ndarray:
    if len(y.shape) == 2:
        return np.asarray(y if isinstance(y, np.ndarray) else y.toarray(), np.float32)
    return np.asarray(np.asarray(y)[:, None] == np.arange(num_classes), np.float32)


def _logits(prob: np.ndarray, tags: bool) -> np.ndarray:
    prob = np.clip(prob.astype(np.float64), FLOOR, 1 - FLOOR)
    return np.asarray(np.log(prob / (1 - prob)) if tags else np.log(prob))


def _pool(weight_R: np.ndarray, logit_NRC: np.ndarray, tags: bool) -> np.ndarray:
    """Probabilities float64 (N, C)."""
    logit_NC = np.einsum("r,nrc->nc", weight_R, logit_NRC)
    if tags:
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logit_NC))
    power_NC = np.exp(logit_NC - logit_NC.max(axis=1, keepdims=True))
    return np.asarray(power_NC / power_NC.sum(axis=1, keepdims=True))


def _least_loss(logit_NRC: np.ndarray, target_NC: np.ndarray, tags: bool, pull: float) -> np.ndarray:
    """Weights at or above 0 with the least log-loss plus pull |w - 1 / R|^2.

    With P the pooled probabilities, the gradient is sum_nc logit_nrc (P - Y)_nc, for softmax and sigmoid alike.
    """
    from scipy.optimize import minimize

    num_rows, num_runs, _ = logit_NRC.shape
    equal_R = np.full(num_runs, 1 / num_runs)

    def cost(weight_R: np.ndarray) -> tuple[float, np.ndarray]:
        prob_NC = _pool(weight_R, logit_NRC, tags)
        right_NC = np.where(target_NC > 0, prob_NC, 1 - prob_NC) if tags else prob_NC[target_NC > 0]
        loss = -np.log(np.maximum(right_NC, FLOOR)).sum() + pull * ((weight_R - equal_R) ** 2).sum()
        slope_R = np.einsum("nrc,nc->r", logit_NRC, prob_NC - target_NC) + 2 * pull * (weight_R - equal_R)
        return loss / num_rows, slope_R / num_rows

    best = minimize(cost, equal_R, jac=True, method="L-BFGS-B", bounds=[(0, None)] * num_runs)
    return np.asarray(best.x)
