"""The test set as a whole: a planted shift is found and followed, no shift is left alone, known counts are met."""

from __future__ import annotations

import numpy as np
import pytest

from medalist.pipeline.testset import labels_with_counts, learn_shift, shifted, tell_shift

CLASSES = ("cat", "dog", "owl")


def drawn(prior_C: list[float], num_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels from a prior, and the exact posteriors of noisy measurements under even classes."""
    rng = np.random.default_rng(seed)
    label_N = rng.choice(3, size=num_rows, p=prior_C)
    logit_NC = 2.0 * (np.eye(3)[label_N] + rng.normal(size=(num_rows, 3)) / np.sqrt(2))
    power_NC = np.exp(logit_NC)
    return (power_NC / power_NC.sum(axis=1, keepdims=True)).astype(np.float32), label_N


def test_a_shift_is_found_and_followed() -> None:
    (prob_NC, y_N), (prob_MC, truth_M) = drawn([1 / 3] * 3, 3000, 0), drawn([0.8, 0.1, 0.1], 1000, 1)
    state, shift = learn_shift(prob_NC, y_N, prob_MC, seed=0)
    np.testing.assert_allclose(shift.new_C, [0.8, 0.1, 0.1], atol=0.05)
    before, after = (float((prob.argmax(axis=1) == truth_M).mean()) for prob in (prob_MC, shifted(state, prob_MC)))
    assert after > before + 0.03
    assert "cat 3" in tell_shift(shift, CLASSES)
    assert "taken into account" in tell_shift(shift, CLASSES)


def test_no_shift_changes_nothing() -> None:
    (prob_NC, y_N), (prob_MC, _) = drawn([1 / 3] * 3, 3000, 0), drawn([1 / 3] * 3, 1000, 1)
    state, shift = learn_shift(prob_NC, y_N, prob_MC, seed=0)
    assert state == {}
    assert shifted(state, prob_MC) is prob_MC
    assert "no shift found" in tell_shift(shift, CLASSES)


def test_counts_are_met_by_name() -> None:
    prob_MC, _ = drawn([0.2, 0.3, 0.5], 40, 2)
    label_M = labels_with_counts(prob_MC, {"owl": 30, "cat": 4, "dog": 6}, CLASSES)
    assert np.bincount(label_M, minlength=3).tolist() == pytest.approx([4, 6, 30])
