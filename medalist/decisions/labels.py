"""Rules that answer with one class an image: the likeliest, the likeliest after an adjustment, the expected value cut.

Axes: N labelled images, M images to answer, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.decisions import kappa
from medalist.decisions.contract import State, rules
from medalist.errors import RecipeError
from medalist.evidence import compare
from medalist.metrics import TINY, metrics

TAUS = np.linspace(0.0, 2.0, 41)
NUM_FOLDS = 5
ROUNDS = 200  # of the bootstrap that lets a fitted tau in: its standard error is known to 5 %


def likeliest(state: State, prob_MC: np.ndarray) -> np.ndarray:
    """The class with the largest probability, int32; of equal ones the first."""
    return np.asarray(np.argmax(prob_MC, axis=1), np.int32)


@rules(apply=likeliest, gives="labels")
def argmax(prob_NC: np.ndarray, y_N: np.ndarray) -> State:
    """Nothing to learn: accuracy is best served by the likeliest class."""
    return {}


def likeliest_adjusted(state: State, prob_MC: np.ndarray) -> np.ndarray:
    """The class with the largest log p - tau log prior, int32; of equal ones the first."""
    return _adjusted_labels(_logs(prob_MC), np.array(state["log_prior"]), state["tau"])


@rules(apply=likeliest_adjusted, gives="labels")
def adjusted(
    prob_NC: np.ndarray, y_N: np.ndarray, *, metric: str = "balanced_accuracy", tau: float | None = None
) -> State:
    """argmax log p - tau log prior, for metrics in which a rare class counts as much as a frequent one.

    tau = 1 is best for balanced accuracy where probabilities are calibrated (Menon et al. 2021, section 4.1), tau = 0
    is argmax. The better of the two is taken, unless a tau between 0 and 2 fitted on `metric` beats it by 2 standard
    errors on rows that it was not fitted on. Priors count one imagined image a class.

    Args:
        prob_NC: probabilities.
        y_N: true class indices.
        metric: what tau serves, a metric of labels.
        tau: given, it is not learnt.

    Raises:
        RecipeError: a metric of something else, or a tau that is no number of 0 or more.
    """
    bound = metrics.bind(metric)
    if bound.facts["eats"] != "labels":
        raise RecipeError(f"adjusted takes a metric of labels, {metric} eats {bound.facts['eats']}")
    if tau is not None and not 0 <= tau < np.inf:
        raise RecipeError(f"adjusted takes tau=0 or more, got {tau}")
    num_classes = prob_NC.shape[1]
    log_prior_C = np.log((np.bincount(y_N, minlength=num_classes) + 1) / (len(y_N) + num_classes))
    if tau is None:
        tau = _chosen_tau(bound, _logs(prob_NC), y_N, log_prior_C)
    return {"tau": float(tau), "log_prior": [float(value) for value in log_prior_C]}


def _logs(prob_NC: np.ndarray) -> np.ndarray:
    return np.asarray(np.log(np.maximum(prob_NC, TINY, dtype=np.float64)))


def _adjusted_labels(log_NC: np.ndarray, log_prior_C: np.ndarray, tau: float) -> np.ndarray:
    return np.asarray(np.argmax(log_NC - tau * log_prior_C, axis=1), np.int32)


def _chosen_tau(bound: Any, log_NC: np.ndarray, y_N: np.ndarray, log_prior_C: np.ndarray) -> float:
    """0 or 1, whichever scores higher (1 of equals), or the fitted one if that is better beyond doubt."""
    label_TN = np.stack([_adjusted_labels(log_NC, log_prior_C, tau) for tau in TAUS])
    zero, one = 0, int(np.flatnonzero(TAUS == 1.0)[0])
    sign = 1.0 if bound.facts["better"] == "higher" else -1.0

    def best(rows: np.ndarray) -> int:
        return int(np.argmax([sign * bound(y_N[rows], label_N[rows]) for label_N in label_TN]))

    every = np.arange(len(y_N))
    plain = one if sign * bound(y_N, label_TN[one]) >= sign * bound(y_N, label_TN[zero]) else zero
    if len(y_N) < 2 * NUM_FOLDS:
        return float(TAUS[plain])
    fitted_N = label_TN[plain].copy()
    for fold in range(NUM_FOLDS):
        held_N = every % NUM_FOLDS == fold
        fitted_N[held_N] = label_TN[best(every[~held_N])][held_N]
    better = compare(bound, y_N, fitted_N, label_TN[plain], rounds=ROUNDS).verdict == "better"
    return float(TAUS[best(every) if better else plain])


def between_cuts(state: State, prob_MC: np.ndarray) -> np.ndarray:
    """The number of cut points at or below the expected class value, int32."""
    return np.asarray(np.searchsorted(state["cuts"], kappa.expected_value(prob_MC), side="right"), np.int32)


@rules(apply=between_cuts, gives="labels")
def cut_points(prob_NC: np.ndarray, y_N: np.ndarray) -> State:
    """The expected class value, cut where quadratic kappa is largest; for classes in their natural order."""
    cut_T = kappa.best_cuts(kappa.expected_value(prob_NC), y_N, prob_NC.shape[1])
    return {"cuts": [float(cut) for cut in cut_T]}
