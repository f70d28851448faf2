"""Calibration for log-loss: probabilities -> a temperature and a clip, chosen on labelled rows.

Both choices count half an imagined image that is answered wrongly: a thousand right answers are no proof that the next
mistake never comes, and log-loss charges for that one mistake without bound. Half a count of each outcome loses least
against the best bound in hindsight (Krichevsky and Trofimov 1981).

Axes: N images, C classes.
"""

from __future__ import annotations

import numpy as np

from medalist.metrics import TINY, surprises

HOTTEST = 20.0
IMAGINED = 0.5
FLOORS = np.geomspace(1e-6, 0.1, 51)


def fit_temperature(prob_NC: np.ndarray, y_N: np.ndarray) -> float:
    """The temperature T for which softmax(log(prob) / T) has the least log-loss (Guo et al. 2017, section 4.2).

    With b = 1 / T, gap_i = max_c z_ic - z_iy and s_ic = z_ic - max_c z_ic, row i costs b gap_i + log sum_c exp(b s_ic),
    which is convex in b. The imagined image has the median lead of the first class over the second.

    Args:
        prob_NC: probabilities.
        y_N: true class indices.

    Returns:
        T between 1/20 (sharper) and 20 (flatter); 1 leaves the probabilities alone.
    """
    from scipy.optimize import minimize_scalar

    shifted_NC = _logits(prob_NC)
    gap = float(-shifted_NC[np.arange(len(y_N)), y_N].sum(dtype=np.float64))
    lead = float(np.median(-np.partition(shifted_NC, -2, axis=1)[:, -2]))

    def cost(log_b: float) -> float:
        b = np.float32(np.exp(log_b))
        spread = np.log(np.exp(shifted_NC * b).sum(axis=1)).sum(dtype=np.float64)
        return float(b * gap + spread + IMAGINED * np.logaddexp(0.0, b * lead))

    bound = np.log(HOTTEST)
    best = minimize_scalar(cost, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-3})
    return float(np.exp(-best.x))


def apply_temperature(prob_NC: np.ndarray, temperature: float) -> np.ndarray:
    """softmax(log(prob) / temperature), float32."""
    power_NC = np.exp(_logits(prob_NC) / np.float32(temperature))
    return np.asarray(power_NC / power_NC.sum(axis=1, keepdims=True))


def fit_clip(prob_NC: np.ndarray, y_N: np.ndarray, *, high: float | None = None) -> tuple[float, float]:
    """The clip `(low, high)` with the least log-loss, `low` from a grid of 51 between 1e-6 and 0.1 over C - 1.

    Args:
        prob_NC: probabilities, after the temperature.
        y_N: true class indices.
        high: keeps this upper bound; None takes `default_high`.
    """
    num_classes = prob_NC.shape[1]
    worst_1C = np.eye(1, num_classes, dtype=np.float32)
    costs = []
    floors = FLOORS / (num_classes - 1)
    for low in floors:
        bounds = (low, default_high(low, num_classes) if high is None else high)
        wrong = surprises(np.array([num_classes - 1]), apply_clip(worst_1C, *bounds))[0]
        costs.append(surprises(y_N, apply_clip(prob_NC, *bounds)).sum() + IMAGINED * wrong)
    low = float(floors[int(np.argmin(costs))])
    return low, default_high(low, num_classes) if high is None else high


def default_high(low: float, num_classes: int) -> float:
    """The upper bound that goes with `low`: its mirror image for two classes, none for more."""
    return 1.0 - low if num_classes == 2 else 1.0


def apply_clip(prob_NC: np.ndarray, low: float, high: float) -> np.ndarray:
    """Probabilities within [low, high], rows summing to 1, float32.

    Of two classes the second is clipped and the first is the rest; more are clipped each and rescaled.
    """
    clipped_NC = np.clip(prob_NC, np.float32(low), np.float32(high)).astype(np.float32, copy=False)
    if prob_NC.shape[1] == 2:
        return np.stack([1.0 - clipped_NC[:, 1], clipped_NC[:, 1]], axis=1)
    return np.asarray(clipped_NC / clipped_NC.sum(axis=1, keepdims=True))


def _logits(prob_NC: np.ndarray) -> np.ndarray:
    """log(prob), shifted so that each row's largest is 0; float32."""
    logit_NC = np.log(np.maximum(prob_NC, TINY, dtype=np.float32))
    return np.asarray(logit_NC - logit_NC.max(axis=1, keepdims=True))
