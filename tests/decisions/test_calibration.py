"""Temperature and clip: against a fine grid, against odds worked by hand, and never far behind doing nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from medalist.decisions import calibration
from medalist.decisions.calibration import (
    apply_clip,
    apply_temperature,
    clip_facts,
    default_high,
    fit_both,
    fit_clip,
    fit_temperature,
)
from medalist.metrics import log_loss


def drawn(seed: int, num_rows: int, num_classes: int, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are right at `temperature`, and classes drawn from them there."""
    rng = np.random.default_rng(seed)
    logit_NC = rng.normal(size=(num_rows, num_classes)) * 2
    right_NC = softmax(logit_NC / temperature, axis=1)
    y_N = (right_NC.cumsum(axis=1) > rng.random((num_rows, 1))).argmax(axis=1)
    return softmax(logit_NC, axis=1).astype(np.float32), y_N


@pytest.mark.parametrize("num_classes", [2, 3, 10])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_classes_is_found(num_classes: int, temperature: float) -> None:
    prob_NC, y_N = drawn(0, 8000, num_classes, temperature)
    assert fit_temperature(prob_NC, y_N) == pytest.approx(temperature, rel=0.1)


def test_the_temperature_is_the_best_of_a_fine_grid() -> None:
    prob_NC, y_N = drawn(1, 2000, 4, 2.0)
    grid = np.geomspace(0.5, 8, 200)
    losses = [log_loss(y_N, softmax(np.log(prob_NC) / value, axis=1)) for value in grid]
    found = log_loss(y_N, apply_temperature(prob_NC, fit_temperature(prob_NC, y_N)))
    assert found == pytest.approx(min(losses), abs=1e-4)


def test_a_temperature_of_one_changes_nothing() -> None:
    prob_NC, _ = drawn(2, 50, 5, 1.0)
    np.testing.assert_allclose(apply_temperature(prob_NC, 1.0), prob_NC, rtol=1e-5)


def test_certainty_without_a_mistake_is_bounded_by_the_number_of_rows() -> None:
    # k right answers and half a wrong one: a mistake is expected once in 2 k + 1 rows (Krichevsky and Trofimov).
    y_N = np.arange(1000) % 2
    prob_NC = np.clip(np.eye(2)[y_N], 1e-7, 1 - 1e-7).astype(np.float32)
    low, high = fit_clip(prob_NC, y_N)
    assert low == pytest.approx(1 / 2001, rel=0.3)
    assert high == 1 - low
    temperature = fit_temperature(prob_NC, y_N)
    assert apply_temperature(prob_NC, temperature).min() == pytest.approx(1 / 2001, rel=0.1)


def test_mistakes_widen_the_clip() -> None:
    y_N = np.zeros(1000, int)
    prob_NC = np.tile(np.array([[0.9999, 0.0001]], np.float32), (1000, 1))
    y_N[:30] = 1
    assert fit_clip(prob_NC, y_N)[0] == pytest.approx(0.03, rel=0.15)


def test_clip_by_hand() -> None:
    two_NC = np.array([[0.999, 0.001], [0.4, 0.6], [0.0, 1.0]], np.float32)
    np.testing.assert_allclose(apply_clip(two_NC, 0.005, 0.99), [[0.995, 0.005], [0.4, 0.6], [0.01, 0.99]], rtol=1e-6)
    three_NC = np.array([[1.0, 0.0, 0.0]], np.float32)
    np.testing.assert_allclose(apply_clip(three_NC, 0.1, 1.0), [[1 / 1.2, 0.1 / 1.2, 0.1 / 1.2]], rtol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(2, 200), st.integers(2, 6), st.sampled_from([0.3, 1.0, 4.0]))
def test_rows_stay_probabilities(seed: int, num_rows: int, num_classes: int, temperature: float) -> None:
    prob_NC, y_N = drawn(seed, num_rows, num_classes, temperature)
    prob_NC[0] = np.eye(num_classes)[0]
    warm_NC = apply_temperature(prob_NC, fit_temperature(prob_NC, y_N))
    low, high = fit_clip(warm_NC, y_N)
    got_NC = apply_clip(warm_NC, low, high)
    assert got_NC.dtype == np.float32
    assert 0 < low < high <= 1
    assert (got_NC > 0).all()
    np.testing.assert_allclose(got_NC.sum(axis=1), 1, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 1.0, 2.0]))
def test_it_costs_at_most_the_imagined_half_image_on_its_own_rows(seed: int, temperature: float) -> None:
    prob_NC, y_N = drawn(seed, 300, 3, temperature)
    warm_NC = apply_temperature(prob_NC, fit_temperature(prob_NC, y_N))
    got = log_loss(y_N, apply_clip(warm_NC, *fit_clip(warm_NC, y_N)))
    assert got <= log_loss(y_N, prob_NC) + 0.5 * 20 / 300


def noisy(seed: int, num_rows: int, share: float, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Confident, calibrated probabilities, but for a share of labels drawn at random."""
    rng = np.random.default_rng(seed)
    logit_NC = 6 * rng.standard_normal((num_rows, num_classes))
    prob_NC = softmax(logit_NC, axis=1)
    y_N = (prob_NC.cumsum(axis=1) > rng.random((num_rows, 1))).argmax(axis=1)
    wrong_N = rng.random(num_rows) < share
    y_N[wrong_N] = rng.integers(num_classes, size=int(wrong_N.sum()))
    return prob_NC.astype(np.float32), y_N


def one_after_the_other(prob_NC: np.ndarray, y_N: np.ndarray) -> tuple[float, float]:
    temperature = fit_temperature(prob_NC, y_N)
    return temperature, fit_clip(apply_temperature(prob_NC, temperature), y_N)[0]


@pytest.mark.parametrize("num_classes", [2, 4])
@pytest.mark.parametrize(("share", "num_rows"), [(0.0, 100), (0.0, 1000), (0.01, 100), (0.01, 1000), (0.01, 4000)])
def test_both_together_are_never_worse_than_one_after_the_other(share: float, num_rows: int, num_classes: int) -> None:
    gains = []
    for seed in range(12):
        fit, new = noisy(seed, num_rows, share, num_classes), noisy(100 + seed, 5000, share, num_classes)
        answers = [
            apply_clip(apply_temperature(new[0], temperature), low, default_high(low, num_classes))
            for temperature, low in (fit_both(*fit), one_after_the_other(*fit))
        ]
        gains.append(log_loss(new[1], answers[1]) - log_loss(new[1], answers[0]))
    stderr = np.std(gains, ddof=1) / np.sqrt(len(gains))
    assert np.mean(gains) >= -2 * stderr
    if share and num_rows == 4000:
        assert np.mean(gains) > 2 * stderr


def test_more_rows_than_are_read_give_nearly_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    fit, new = noisy(0, 8000, 0.01, 4), noisy(1, 8000, 0.01, 4)
    whole = fit_both(*fit)
    monkeypatch.setattr(calibration, "MOST_FITTED", 4 * 2000)
    part = fit_both(*fit)
    assert part == fit_both(*fit) != whole
    lost = [log_loss(new[1], apply_clip(apply_temperature(new[0], heat), low, 1.0)) for heat, low in (part, whole)]
    assert lost[0] - lost[1] < 2 / 2000


def test_the_clip_is_the_mean_of_its_posterior_and_the_facts_say_so() -> None:
    y_N = np.arange(2000) % 2
    prob_NC = np.clip(np.eye(2)[y_N], 1e-6, 1 - 1e-6).astype(np.float32)
    y_N[:7] = 1 - y_N[:7]
    low, high = fit_clip(prob_NC, y_N)
    facts = clip_facts(prob_NC, y_N, low, high)
    assert (facts["beyond"], facts["errors"]) == (2000, 7)
    # Beta(7 + 1/2, 1993 + 1/2) has the mean 7.5 / 2001.
    assert facts["error_rate"] == pytest.approx(7.5 / 2001)
    assert low == pytest.approx(7.5 / 2001, rel=0.15)
    y_more_N = y_N.copy()
    y_more_N[50] = 1 - y_more_N[50]
    clipped_NC = apply_clip(prob_NC, low, high)
    assert facts["log_loss_in_sample"] == pytest.approx(log_loss(y_N, clipped_NC), rel=1e-5)
    assert facts["log_loss_one_more"] == pytest.approx(log_loss(y_more_N, clipped_NC), rel=1e-5)
    # By hand: at this error rate the clip saves the difference of two cross-entropies.
    rate, tail = facts["error_rate"], 1e-6
    gain = rate * np.log(low / tail) + (1 - rate) * np.log((1 - low) / (1 - tail))
    assert facts["expected_gain"] == pytest.approx(gain, rel=2e-2)
