"""Calibration of tags: a logistic map a tag, sigmoid(a + b (logit p - centre)), leaning on the map of all tags.

Tags see few true rows each, so (a_c, b_c) have a normal prior around the common (a, b) (Platt 1999; Gelman and Hill
2007, chapter 12). How narrow, or whether the common map or none at all serves better, is chosen by the log-loss on
rows left out. All fits run on counts in bins of the logit, one pass over the probabilities whatever their number.
Axes: N images, C tags, K folds, B bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medalist.decisions.macro import tags_by_column

if TYPE_CHECKING:
    from scipy.sparse import csr_array

NUM_FOLDS = 5
NUM_BINS = 161
FARTHEST = 16.0  # logits beyond +-16 share the last bin
LOGIT_B = np.linspace(-FARTHEST, FARTHEST, NUM_BINS)
STRENGTHS = (256.0, 64.0, 16.0, 4.0, 1.0)  # precision of the prior; its deviation is 1/16 ... 1
STEPS = 25
CLOSE = 1e-4  # a last Newton step of this leaves an error of its square
BLOCK = 2**22
MOST_TAGS = 1000  # that the choice is made on
FLOORS = np.geomspace(1e-7, 0.1, 61)


@dataclass(frozen=True)
class TagMap:
    """`slope_C` and `bias_C` of p -> sigmoid(bias + slope logit p), and which of the choices they are."""

    slope_C: np.ndarray
    bias_C: np.ndarray
    choice: str


def logits(prob_NC: np.ndarray) -> np.ndarray:
    """log(p / (1 - p)), within +-16, float32."""
    with np.errstate(divide="ignore"):
        prob_NC = np.asarray(prob_NC, np.float32)
        return np.asarray(np.clip(np.log(prob_NC) - np.log1p(-prob_NC), -FARTHEST, FARTHEST))


def apply_map(prob_NC: np.ndarray, slope_C: np.ndarray, bias_C: np.ndarray) -> np.ndarray:
    """Calibrated probabilities, float32; computed a block of rows at a time."""
    warm_NC = np.empty(prob_NC.shape, np.float32)
    step = max(1, BLOCK // max(prob_NC.shape[1], 1))
    for start in range(0, len(prob_NC), step):
        logit_NC = logits(prob_NC[start : start + step]) * np.float32(slope_C) + np.float32(bias_C)
        warm_NC[start : start + step] = 1 / (1 + np.exp(-logit_NC))
    return warm_NC


def fit_map(prob_NC: np.ndarray, y_NC: np.ndarray | csr_array) -> TagMap:
    """The map with the least log-loss on rows left out, fitted again on all rows.

    One choice is made for all tags; of more than 1,000 tags it is made on 1,000, drawn once by a fixed seed. The common
    map is always that of all tags, and each tag's own map that of all its rows.

    Args:
        prob_NC: probabilities of tags, an array or a memory map.
        y_NC: true tags.

    Returns:
        The map, whose `choice` is `as they are`, `common`, or `tags, prior <precision>`; of equals the first.
    """
    num_tags = prob_NC.shape[1]
    if len(prob_NC) < 2 * NUM_FOLDS:
        return TagMap(np.ones(num_tags), np.zeros(num_tags), "as they are")
    seen_KCB, true_KCB = _counts(prob_NC, y_NC)
    seen_CB, true_CB = seen_KCB.sum(axis=0), true_KCB.sum(axis=0)
    names = ["as they are", "common", *(f"tags, prior {value:g}" for value in STRENGTHS)]
    tried_T = np.sort(np.random.default_rng(0).permutation(num_tags)[:MOST_TAGS])
    loss = np.zeros(len(names))
    for seen, true in zip(seen_KCB, true_KCB, strict=True):
        lines = _lines(seen_CB - seen, true_CB - true, tried_T, STRENGTHS)
        loss += [_loss(seen[tried_T], true[tried_T], *line) for line in lines]
    best = int(np.argmin(loss))
    strengths = STRENGTHS[best - 2 : best - 1] if best >= 2 else ()
    slope_C, bias_C = _lines(seen_CB, true_CB, np.arange(num_tags), strengths)[min(best, 2)]
    return TagMap(slope_C, bias_C, names[best])


def _counts(prob_NC: np.ndarray, y_NC: np.ndarray | csr_array) -> tuple[np.ndarray, np.ndarray]:
    """Rows, and true rows, of each fold, tag and bin: twice (K, C, B); row i is in fold i mod K."""
    num_tags = prob_NC.shape[1]
    size = num_tags * NUM_BINS
    seen_KC = np.zeros((NUM_FOLDS, size), np.int32)
    step = NUM_FOLDS * max(1, BLOCK // (NUM_FOLDS * max(num_tags, 1)))
    for start in range(0, len(prob_NC), step):
        bin_NC = _bins(prob_NC[start : start + step]) + NUM_BINS * np.arange(num_tags)
        for fold in range(NUM_FOLDS):
            seen_KC[fold] += np.bincount(bin_NC[fold::NUM_FOLDS].ravel(), minlength=size).astype(np.int32)
    true_KCB = np.zeros((NUM_FOLDS, num_tags, NUM_BINS), np.int32)
    for tag, rows in enumerate(tags_by_column(y_NC)):
        cell = (rows % NUM_FOLDS) * NUM_BINS + _bins(prob_NC[rows, tag])
        true_KCB[:, tag] = np.bincount(cell, minlength=NUM_FOLDS * NUM_BINS).reshape(NUM_FOLDS, NUM_BINS)
    return seen_KC.reshape(true_KCB.shape), true_KCB


def _bins(prob_NC: np.ndarray) -> np.ndarray:
    return np.rint((logits(prob_NC) + FARTHEST) * ((NUM_BINS - 1) / (2 * FARTHEST))).astype(np.int64)


def _lines(
    seen_CB: np.ndarray, true_CB: np.ndarray, tried_T: np.ndarray, strengths: tuple[float, ...]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Slope and bias (T,) of the tags tried: as they are, in common, then for each strength."""
    num_tags = len(tried_T)
    plain = np.ones(num_tags), np.zeros(num_tags)
    # Centred where the curvature lies, level and slope hardly depend on each other.
    weight_B = seen_CB.sum(axis=0) / np.cosh(LOGIT_B / 2) ** 2
    centre = float(weight_B @ LOGIT_B / max(weight_B.sum(), 1e-300))
    start = np.array([[1.0, centre]])
    common = _newton(seen_CB.sum(axis=0)[None], true_CB.sum(axis=0)[None], centre, start, 1.0, start)
    fits = [np.repeat(common, num_tags, axis=0)]
    for strength in strengths:
        # The last strength's fit is near the next one's.
        fits.append(_newton(seen_CB[tried_T], true_CB[tried_T], centre, fits[0], strength, fits[-1]))
    return [plain, *((fit[:, 0], fit[:, 1] - fit[:, 0] * centre) for fit in fits)]


def _newton(
    seen_CB: np.ndarray,
    true_CB: np.ndarray,
    centre: float,
    prior_C2: np.ndarray,
    strength: float,
    start_C2: np.ndarray,
) -> np.ndarray:
    """(slope, level) of each row of counts: least log-loss plus strength / 2 times squared distance to the prior."""
    x_B = LOGIT_B - centre
    used_B = seen_CB.any(axis=0)
    seen_CB, true_CB, x_B = seen_CB[:, used_B], true_CB[:, used_B], x_B[used_B]
    now_C2 = start_C2.copy()
    for _ in range(STEPS):
        expected_CB = 1 / (1 + np.exp(-np.clip(now_C2[:, :1] * x_B + now_C2[:, 1:], -30, 30)))
        miss_CB = true_CB - seen_CB * expected_CB
        curve_CB = seen_CB * expected_CB * (1 - expected_CB)
        down_C2 = np.stack([miss_CB @ x_B, miss_CB.sum(axis=1)], axis=1) - strength * (now_C2 - prior_C2)
        aa, bb, ab = curve_CB @ x_B**2 + strength, curve_CB.sum(axis=1) + strength, curve_CB @ x_B
        step_C2 = np.stack([bb * down_C2[:, 0] - ab * down_C2[:, 1], aa * down_C2[:, 1] - ab * down_C2[:, 0]], axis=1)
        step_C2 /= (aa * bb - ab**2)[:, None]
        # A step of at most 1 keeps Newton from overshooting where the curve is flat.
        now_C2 = now_C2 + step_C2 / np.maximum(1.0, np.abs(step_C2).max(axis=1, keepdims=True))
        if np.abs(step_C2).max(initial=0.0) < CLOSE:
            break
    return now_C2


def _loss(seen_CB: np.ndarray, true_CB: np.ndarray, slope_C: np.ndarray, bias_C: np.ndarray) -> float:
    """Total log-loss of the counts under a map."""
    logit_CB = slope_C[:, None] * LOGIT_B + bias_C[:, None]
    return float((np.logaddexp(0, logit_CB) * seen_CB - logit_CB * true_CB).sum())


def fit_floor(prob_NC: np.ndarray, y_NC: np.ndarray | csr_array, tag_map: TagMap) -> tuple[float, dict[str, float]]:
    """The clip [low, 1 - low] of all tags' calibrated probabilities, and the facts that it rests on.

    As for classes, half an imagined answer beyond the clip is wrong: with n answers beyond it and e of them wrong the
    best clip is near (e + 1/2) / (n + 1), the mean of the posterior Beta(e + 1/2, n - e + 1/2).

    Args:
        prob_NC: probabilities before the map.
        y_NC: true tags.
        tag_map: from `fit_map`.
    """
    seen_KCB, true_KCB = _counts(prob_NC, y_NC)
    logit_CB = tag_map.slope_C[:, None] * LOGIT_B + tag_map.bias_C[:, None]
    # Seen from the likelier side, every answer has a tail, and is wrong where the truth lies there.
    tail_CB = 1 / (1 + np.exp(np.minimum(np.abs(logit_CB), 50)))
    seen_CB, true_CB = seen_KCB.sum(axis=0), true_KCB.sum(axis=0)
    wrong_CB = np.where(logit_CB < 0, true_CB, seen_CB - true_CB)
    total = max(int(seen_CB.sum()), 1)

    def cost(low: float) -> float:
        clipped_CB = np.maximum(tail_CB, low)
        real = -(wrong_CB * np.log(clipped_CB) + (seen_CB - wrong_CB) * np.log1p(-clipped_CB)).sum()
        return float(real - 0.5 * (np.log(low) + np.log1p(-low)))

    low = float(FLOORS[int(np.argmin([cost(low) for low in FLOORS]))])
    beyond_CB = tail_CB < low
    num_beyond, errors = int(seen_CB[beyond_CB].sum()), int(wrong_CB[beyond_CB].sum())
    facts = {
        "beyond": num_beyond,
        "errors": errors,
        "error_rate": (errors + 0.5) / (num_beyond + 1),
        "log_loss_in_sample": (cost(low) + 0.5 * float(np.log(low) + np.log1p(-low))) / total,
    }
    right_X, wrong_X = np.log1p(-tail_CB[beyond_CB]), np.log(tail_CB[beyond_CB])
    gain_X = facts["error_rate"] * (np.log(low) - wrong_X) + (1 - facts["error_rate"]) * (np.log1p(-low) - right_X)
    facts["expected_gain"] = float(gain_X @ seen_CB[beyond_CB]) / total
    facts["log_loss_one_more"] = facts["log_loss_in_sample"] + float(np.log1p(-low) - np.log(low)) / total
    return low, facts
