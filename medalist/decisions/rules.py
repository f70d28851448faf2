"""Decision rules: probabilities -> the answers that a metric eats, learnt on out-of-fold rows.

A rule is a pair of functions. `fit(prob_NC, y, ...) -> state` is registered under its name and returns a dict that JSON
can hold; its fact `apply` is `(state, prob_MC) -> answers`, its fact `gives` what the answers are (a metric's `eats`).
Cross-fitted, the answers are honest: `crossfit(rule, rule.facts["apply"], prob_NC, y, fold_N)`.

Axes: N labelled images, M images to answer, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from medalist.decisions import calibration, thresholds
from medalist.errors import RecipeError
from medalist.metrics import dense, metrics
from medalist.registry import Registry

if TYPE_CHECKING:
    from scipy.sparse import csr_array

State = dict[str, Any]
rules: Registry[Callable[..., State]] = Registry("decision rule")

DEFAULTS = {"labels": "argmax", "prob": "calibrated", "sets": "threshold"}


def default_rule(metric: str) -> str:
    """The rule that answers in the kind that `metric` eats.

    >>> default_rule("f1_samples")
    'threshold'
    """
    return DEFAULTS[metrics.bind(metric).facts["eats"]]


def likeliest(state: State, prob_MC: np.ndarray) -> np.ndarray:
    """The class with the largest probability, int32; of equal ones the first."""
    return np.asarray(np.argmax(prob_MC, axis=1), np.int32)


@rules(apply=likeliest, gives="labels")
def argmax(prob_NC: np.ndarray, y_N: np.ndarray) -> State:
    """Nothing to learn: accuracy is best served by the likeliest class."""
    return {}


def recalibrated(state: State, prob_MC: np.ndarray) -> np.ndarray:
    """Probabilities after the temperature and the clip, float32, rows summing to 1."""
    warm_MC = calibration.apply_temperature(prob_MC, state["temperature"])
    return calibration.apply_clip(warm_MC, state["low"], state["high"])


@rules(apply=recalibrated, gives="prob")
def calibrated(
    prob_NC: np.ndarray,
    y_N: np.ndarray,
    *,
    temperature: float | None = None,
    low: float | None = None,
    high: float | None = None,
) -> State:
    """A temperature, then a clip to [low, high], with the least log-loss; each is learnt unless it is given.

    Raises:
        RecipeError: a temperature that is not positive, or bounds that leave no room.
    """
    if temperature is not None and not temperature > 0:
        raise RecipeError(f"calibrated takes a temperature above 0, got {temperature}")
    if not 0 <= (low or 0.0) < (1.0 if high is None else high) <= 1:
        raise RecipeError(f"calibrated takes 0 <= low < high <= 1, got low={low}, high={high}")
    if temperature is None:
        temperature = calibration.fit_temperature(prob_NC, y_N)
    if low is None:
        warm_NC = calibration.apply_temperature(prob_NC, temperature)
        low, high = calibration.fit_clip(warm_NC, y_N, high=high)
    if high is None:
        high = calibration.default_high(low, prob_NC.shape[1])
    return {"temperature": float(temperature), "low": float(low), "high": float(high)}


def likely_enough(state: State, prob_MC: np.ndarray) -> np.ndarray:
    """Tags at or above the threshold, and in any case the `at_least` likeliest; boolean (M, C)."""
    return thresholds.cut(prob_MC, state["value"], state["at_least"])


@rules(apply=likely_enough, gives="sets")
def threshold(
    prob_NC: np.ndarray, y_NC: np.ndarray | csr_array, *, value: float | None = None, at_least: int = 1
) -> State:
    """One threshold for all tags with the largest mean F1 of sets, unless `value` gives it; each image gets `at_least`.

    Raises:
        RecipeError: a value outside [0, 1], or a negative number of tags.
    """
    if value is not None and not 0 <= value <= 1:
        raise RecipeError(f"threshold takes a value between 0 and 1, got {value}")
    if at_least < 0:
        raise RecipeError(f"threshold takes at_least=0 or more tags, got {at_least}")
    if value is None:
        value = thresholds.best_threshold(prob_NC, dense(y_NC), at_least=at_least)
    return {"value": float(value), "at_least": int(at_least)}


def prior(y: np.ndarray | csr_array, num_classes: int) -> np.ndarray:
    """Each class's (or tag's) share of the labelled rows, float32 (C,): the answer where an image cannot be read.

    Give it to the same rule as every other row: accuracy then answers the most frequent class, tags at least the most
    frequent one.
    """
    if isinstance(y, np.ndarray) and y.ndim == 1:
        return (np.bincount(y, minlength=num_classes) / len(y)).astype(np.float32)
    return np.asarray(y.mean(axis=0), np.float32).ravel()
