"""Priors: found where they were planted, left alone where they were not; Bayes' rule by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from medalist.decisions.priors import apply_prior, estimate_prior, shift_test

OLD_C = np.array([0.5, 0.3, 0.2])


def drawn(seed: int, num_rows: int, prior_C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are calibrated under OLD_C, of images drawn under another prior."""
    rng = np.random.default_rng(seed)
    y_N = rng.choice(3, num_rows, p=prior_C)
    x_NC = 1.5 * np.eye(3)[y_N] + rng.standard_normal((num_rows, 3))
    return softmax(1.5 * x_NC + np.log(OLD_C), axis=1).astype(np.float32), y_N


def test_a_planted_shift_is_found_and_pays() -> None:
    new_C = np.array([0.1, 0.3, 0.6])
    prob_NC, y_N = drawn(0, 2000, OLD_C)
    prob_MC, y_M = drawn(1, 1500, new_C)
    shift = shift_test(prob_NC, y_N, prob_MC, seed=0)
    assert shift.shifted and shift.p_value <= 0.01
    np.testing.assert_allclose(shift.new_C, new_C, atol=0.05)
    got_MC = apply_prior(prob_MC, shift.old_C, shift.new_C)
    gain_M = (got_MC.argmax(axis=1) == y_M) * 1.0 - (prob_MC.argmax(axis=1) == y_M)
    assert gain_M.mean() > 2 * gain_M.std() / np.sqrt(len(y_M))


def test_without_a_shift_none_is_found() -> None:
    found = []
    for seed in range(12):
        prob_NC, y_N = drawn(seed, 400, OLD_C)
        found.append(shift_test(prob_NC, y_N, drawn(100 + seed, 300, OLD_C)[0], seed=seed).p_value)
    # Chance alone gives a p value of 0.05 or less once in 20, so 4 of 12 once in 400.
    assert np.count_nonzero(np.array(found) <= 0.05) < 4
    assert np.mean(found) == pytest.approx(0.5, abs=0.25)


def test_miscalibration_alone_is_no_shift() -> None:
    prob_NC, y_N = drawn(2, 3000, OLD_C)
    prob_MC, _ = drawn(3, 3000, OLD_C)
    sharp = [softmax(2 * np.log(prob), axis=1) for prob in (prob_NC, prob_MC)]
    assert not shift_test(sharp[0], y_N, sharp[1], seed=0).shifted


def test_the_same_seed_gives_the_same_verdict_and_no_image_gives_none() -> None:
    prob_NC, y_N = drawn(4, 100, OLD_C)
    assert shift_test(prob_NC, y_N, prob_NC, seed=5).p_value == shift_test(prob_NC, y_N, prob_NC, seed=5).p_value
    nothing = shift_test(prob_NC, y_N, prob_NC[:0], seed=0)
    assert not nothing.shifted and (nothing.new_C == nothing.old_C).all()


def test_the_estimate_is_the_likeliest_of_a_grid() -> None:
    prob_MC = np.clip(np.random.default_rng(6).random((200, 1)) ** 2, 0.02, 0.98)
    prob_MC = np.concatenate([prob_MC, 1 - prob_MC], axis=1)
    old_C = np.array([0.6, 0.4])
    grid = np.linspace(0.001, 0.999, 999)
    gains = [np.log(prob_MC @ (np.array([first, 1 - first]) / old_C)).sum() for first in grid]
    new_C, gain = estimate_prior(prob_MC, old_C)
    assert new_C[0] == pytest.approx(grid[int(np.argmax(gains))], abs=2e-3)
    assert gain == pytest.approx(max(gains), abs=1e-3)


def test_bayes_by_hand() -> None:
    got_MC = apply_prior(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0.5, 0.5]), np.array([0.9, 0.1]))
    np.testing.assert_allclose(got_MC, [[0.9, 0.1], [1, 0]], atol=1e-7)
    assert got_MC.dtype == np.float32
