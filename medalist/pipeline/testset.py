"""What is known of the test set as a whole, beside its images: how often each class comes there.

Axes: N training images, M test images, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medalist.decisions.calibration import apply_temperature, fit_temperature
from medalist.decisions.counts import assign_counts
from medalist.decisions.priors import Shift, apply_prior, shift_test

NAMED = 3  # classes that a sentence names


def learn_shift(
    prob_NC: np.ndarray, y_N: np.ndarray, prob_MC: np.ndarray, *, calibrated: bool, seed: int
) -> tuple[dict[str, Any], Shift]:
    """How the class frequencies of the test set differ from those in training, tested on calibrated probabilities.

    Args:
        prob_NC: out-of-fold probabilities, by models as good as those of the test rows.
        y_N: true class indices.
        prob_MC: test probabilities.
        calibrated: whether they are calibrated already; else a temperature is learnt here.
        seed: of the test's bootstrap.

    Returns:
        A JSON state for `shifted`, empty where chance explains the difference; and what the test found.
    """
    temperature = 1.0 if calibrated else fit_temperature(prob_NC, y_N)
    warm_NC, warm_MC = (apply_temperature(prob, temperature) for prob in (prob_NC, prob_MC))
    shift = shift_test(warm_NC, y_N, warm_MC, seed=seed)
    if not shift.shifted:
        return {}, shift
    return {"temperature": temperature, "old": shift.old_C.tolist(), "new": shift.new_C.tolist()}, shift


def shifted(state: Mapping[str, Any], prob_MC: np.ndarray, readable_M: np.ndarray) -> np.ndarray:
    """Probabilities under the test set's class frequencies, float32; of an unreadable image those frequencies."""
    old_C, new_C = np.array(state["old"]), np.array(state["new"])
    shifted_MC = np.tile(new_C.astype(np.float32), (len(prob_MC), 1))
    shifted_MC[readable_M] = apply_prior(apply_temperature(prob_MC[readable_M], state["temperature"]), old_C, new_C)
    return shifted_MC


def tell_shift(shift: Shift, classes: Sequence[str]) -> str:
    """The test's outcome as a sentence."""
    if not shift.shifted:
        return (
            f"class frequencies of the test set: no shift found (p = {shift.p_value:.2g}); answers are left as they are"
        )
    most = np.argsort(-np.abs(shift.new_C - shift.old_C))[:NAMED]
    told = ", ".join(f"{classes[c]} {shift.old_C[c]:.1%} -> {shift.new_C[c]:.1%}" for c in most)
    return (
        f"class frequencies of the test set differ from training (p = {shift.p_value:.2g}): {told}; taken into account"
    )


def labels_with_counts(prob_MC: np.ndarray, counts: Mapping[str, int], classes: Sequence[str]) -> np.ndarray:
    """The likeliest labels of which each class has as many as it is known to have; int32 (M,)."""
    return assign_counts(prob_MC, [counts[name] for name in classes])
