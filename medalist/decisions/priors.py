"""Class frequencies of the test images: tested for a shift, applied where there is one, or met exactly where known.

Axes: N labelled images, M test images, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medalist.metrics import TINY

ROUNDS = 199
MAX_ROWS = 10_000  # of each side in the test; the estimate itself uses all test rows
LEVEL = 0.01
TOLERANCE = 1e-6
MAX_STEPS = 500


@dataclass(frozen=True)
class Shift:
    """Class frequencies in training, as estimated in the test set, and whether chance explains the difference.

    `shifted` is `p_value` at most 0.01; only then should `apply_prior` be used.
    """

    old_C: np.ndarray
    new_C: np.ndarray
    p_value: float
    shifted: bool


def shift_test(prob_NC: np.ndarray, y_N: np.ndarray, prob_MC: np.ndarray, *, seed: int) -> Shift:
    """Do the classes come as often in the test set as in training?

    The estimate is the likeliest prior of the test set given what the calibrated probabilities say of each image
    (Saerens, Latinne and Decaestecker 2002, section 2.2). The statistic is its log-likelihood ratio against the
    training prior; how large it gets by chance is seen on labelled rows drawn with replacement (Efron and Tibshirani
    1993, chapter 16), one draw as training set, one as test set: miscalibration then counts on both sides.

    Args:
        prob_NC: calibrated out-of-fold probabilities.
        y_N: true class indices.
        prob_MC: calibrated test probabilities.
        seed: of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    old_C = _shares(y_N, prob_NC.shape[1])
    if not len(prob_MC) or not len(prob_NC):
        return Shift(old_C, old_C, 1.0, False)
    new_C, _ = estimate_prior(prob_MC, old_C)
    part = rng.permutation(len(prob_MC))[:MAX_ROWS]
    _, seen = estimate_prior(prob_MC[part], old_C)
    drawn = []
    for _ in range(ROUNDS):
        train = rng.integers(len(y_N), size=min(len(y_N), MAX_ROWS))
        test = rng.integers(len(y_N), size=len(part))
        drawn.append(estimate_prior(prob_NC[test], _shares(y_N[train], prob_NC.shape[1]))[1])
    p_value = (1 + np.count_nonzero(np.array(drawn) >= seen)) / (1 + ROUNDS)
    return Shift(old_C, new_C, float(p_value), bool(p_value <= LEVEL))


def _shares(y_N: np.ndarray, num_classes: int) -> np.ndarray:
    """Class frequencies with half an imagined image a class, so that none is 0."""
    return np.asarray((np.bincount(y_N, minlength=num_classes) + 0.5) / (len(y_N) + 0.5 * num_classes))


def estimate_prior(prob_MC: np.ndarray, old_C: np.ndarray) -> tuple[np.ndarray, float]:
    """The prior with the largest likelihood by expectation-maximisation, and its log-likelihood ratio to `old_C`."""
    ratio_MC = np.asarray(prob_MC, np.float64) / old_C
    new_C = old_C.copy()
    for _ in range(MAX_STEPS):
        # Each class's share of the posteriors under the present prior is the next prior.
        next_C = new_C * (ratio_MC.T @ (1 / np.maximum(ratio_MC @ new_C, TINY))) / len(ratio_MC)
        next_C /= next_C.sum()
        moved = np.abs(next_C - new_C).max()
        new_C = next_C
        if moved < TOLERANCE:
            break
    gain = np.log(np.maximum(ratio_MC @ new_C, TINY)) - np.log(np.maximum(ratio_MC @ old_C, TINY))
    return new_C, float(gain.sum())


def apply_prior(prob_MC: np.ndarray, old_C: np.ndarray, new_C: np.ndarray) -> np.ndarray:
    """Probabilities under another prior by Bayes' rule, float32, rows summing to 1 (Saerens et al. 2002, eq. 2.4).

    Args:
        prob_MC: calibrated probabilities.
        old_C: class frequencies that they were learnt under, above 0.
        new_C: class frequencies among the images.
    """
    odds_MC = np.maximum(np.asarray(prob_MC, np.float64), TINY) * (new_C / old_C)
    return np.asarray(odds_MC / np.maximum(odds_MC.sum(axis=1, keepdims=True), 1e-300), np.float32)
