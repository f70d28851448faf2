"""Rules that answer with probabilities: as they are, or calibrated and clipped for log-loss and its kin.

Axes: N labelled images, M images to answer, C classes or tags.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medalist.decisions import calibration, tags
from medalist.decisions.contract import State, rules
from medalist.errors import RecipeError

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def unchanged(state: State, prob_MC: np.ndarray) -> np.ndarray:
    """The probabilities."""
    return prob_MC


@rules(apply=unchanged, gives="prob")
def as_is(prob_NC: np.ndarray, y: np.ndarray | csr_array) -> State:
    """Nothing to learn: what looks only at the order of answers is served by the probabilities as they are."""
    return {}


def recalibrated(state: State, prob_MC: np.ndarray) -> np.ndarray:
    """Calibrated and clipped probabilities, float32; of classes, rows sum to 1."""
    if "slope" in state:
        warm_MC = tags.apply_map(prob_MC, np.array(state["slope"]), np.array(state["bias"]))
        return np.asarray(np.clip(warm_MC, np.float32(state["low"]), np.float32(state["high"])))
    warm_MC = calibration.apply_temperature(prob_MC, state["temperature"])
    return calibration.apply_clip(warm_MC, state["low"], state["high"])


@rules(apply=recalibrated, gives="prob")
def calibrated(
    prob_NC: np.ndarray,
    y: np.ndarray | csr_array,
    *,
    temperature: float | None = None,
    low: float | None = None,
    high: float | None = None,
) -> State:
    """The least log-loss: for classes a temperature and a clip, for tags a logistic map a tag and one clip for all.

    Args:
        prob_NC: probabilities.
        y: class indices (N,), or tags (N, C).
        temperature: given, it is not learnt; tags then share it.
        low: lower clip; given, it is not learnt.
        high: upper clip, by default 1 - low for tags and two classes, 1 for more classes.

    Raises:
        RecipeError: a temperature that is not positive, or bounds that leave no room.
    """
    if temperature is not None and not temperature > 0:
        raise RecipeError(f"calibrated takes a temperature above 0, got {temperature}")
    if not 0 <= (low or 0.0) < (1.0 if high is None else high) <= 1:
        raise RecipeError(f"calibrated takes 0 <= low < high <= 1, got low={low}, high={high}")
    return (_of_classes if y.ndim == 1 else _of_tags)(prob_NC, y, temperature, low, high)


def _of_classes(
    prob_NC: np.ndarray, y_N: np.ndarray, temperature: float | None, low: float | None, high: float | None
) -> State:
    if temperature is None and low is None and high is None:
        temperature, low = calibration.fit_both(prob_NC, y_N)
    elif temperature is None:
        temperature = calibration.fit_temperature(prob_NC, y_N)
    warm_NC = calibration.apply_temperature(prob_NC, temperature)
    if low is None:
        low, high = calibration.fit_clip(warm_NC, y_N, high=high)
    if high is None:
        high = calibration.default_high(low, prob_NC.shape[1])
    facts = calibration.clip_facts(warm_NC, y_N, low, high) if low > 0 else {}
    return {"temperature": float(temperature), "low": float(low), "high": float(high), "facts": facts}


def _of_tags(
    prob_NC: np.ndarray,
    y_NC: np.ndarray | csr_array,
    temperature: float | None,
    low: float | None,
    high: float | None,
) -> State:
    num_tags = prob_NC.shape[1]
    if temperature is None:
        found = tags.fit_map(prob_NC, y_NC)
    else:
        found = tags.TagMap(np.full(num_tags, 1 / temperature), np.zeros(num_tags), "given")
    floor, facts = tags.fit_floor(prob_NC, y_NC, found) if low is None else (low, {})
    return {
        "slope": [float(value) for value in found.slope_C],
        "bias": [float(value) for value in found.bias_C],
        "low": float(floor),
        "high": float(1 - floor if high is None else high),
        "facts": {"map": found.choice, **facts},
    }
