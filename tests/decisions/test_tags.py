"""Calibration of tags: what was planted is found, little data is left alone, one pass tells as much as all rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import expit

from medalist.decisions import tags
from medalist.decisions.rules import rules
from medalist.decisions.tags import apply_map, fit_floor, fit_map


def drawn(seed: int, num_rows: int, slope: float, spread: float, num_tags: int = 19) -> tuple[np.ndarray, np.ndarray]:
    """Tags whose probabilities are right after sigmoid((logit p - bias of the tag) / slope)."""
    bias_C = np.random.default_rng(99).normal(0, spread, num_tags) if spread else np.zeros(num_tags)
    base_C = np.random.default_rng(98).normal(-2.5, 1.2, num_tags)
    rng = np.random.default_rng(seed)
    logit_NC = base_C + 1.5 * rng.standard_normal((num_rows, num_tags))
    y_NC = rng.random(logit_NC.shape) < expit(logit_NC)
    return expit(slope * logit_NC + bias_C).astype(np.float32), y_NC


def losses(prob_NC: np.ndarray, y_NC: np.ndarray) -> np.ndarray:
    """Log-loss of each row, over its tags, by hand."""
    prob_NC = np.clip(prob_NC.astype(np.float64), 1e-7, 1 - 1e-7)
    return -np.where(y_NC, np.log(prob_NC), np.log(1 - prob_NC)).mean(axis=1)


def test_a_common_distortion_is_undone() -> None:
    prob_NC, y_NC = drawn(0, 700, 2.0, 0.0)
    found = fit_map(prob_NC, csr_array(y_NC))
    assert found.choice != "as they are"
    # Tags lean on each other: the slope of each is near the planted half.
    np.testing.assert_allclose(found.slope_C, 0.5, atol=0.15)
    prob_MC, y_MC = drawn(1, 3000, 2.0, 0.0)
    right = losses(drawn(1, 3000, 1.0, 0.0)[0], y_MC).mean()
    assert losses(apply_map(prob_MC, found.slope_C, found.bias_C), y_MC).mean() < right + 0.005


def test_biases_of_tags_are_undone_where_rows_tell_them() -> None:
    prob_NC, y_NC = drawn(0, 4000, 1.3, 1.0)
    found = fit_map(prob_NC, y_NC)
    assert found.choice.startswith("tags, prior")
    prob_MC, y_MC = drawn(1, 3000, 1.3, 1.0)
    right = losses(drawn(1, 3000, 1.0, 0.0)[0], y_MC).mean()
    assert losses(apply_map(prob_MC, found.slope_C, found.bias_C), y_MC).mean() < right + 0.003


@pytest.mark.parametrize("num_rows", [100, 700])
def test_what_is_calibrated_is_not_made_worse(num_rows: int) -> None:
    gains = []
    for seed in range(6):
        prob_NC, y_NC = drawn(seed, num_rows, 1.0, 0.0)
        prob_MC, y_MC = drawn(50 + seed, 2000, 1.0, 0.0)
        found = fit_map(prob_NC, y_NC)
        gains.append(
            losses(prob_MC, y_MC).mean() - losses(apply_map(prob_MC, found.slope_C, found.bias_C), y_MC).mean()
        )
    # 19 tags of two numbers each would cost 19 / rows a tag (Wilks 1938); leaning on each other they cost far less.
    assert np.mean(gains) > -0.25 / num_rows * 2


def test_few_rows_leave_all_as_it_is() -> None:
    prob_NC, y_NC = drawn(2, 9, 1.0, 0.0)
    found = fit_map(prob_NC, y_NC)
    assert found.choice == "as they are"
    np.testing.assert_allclose(apply_map(prob_NC, found.slope_C, found.bias_C), prob_NC, rtol=1e-4)


def test_a_choice_on_a_sample_of_tags_is_about_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    prob_NC, y_NC = drawn(7, 600, 1.4, 0.5, num_tags=60)
    prob_MC, y_MC = drawn(8, 3000, 1.4, 0.5, num_tags=60)
    whole = fit_map(prob_NC, y_NC)
    monkeypatch.setattr(tags, "MOST_TAGS", 20)
    sampled = fit_map(prob_NC, y_NC)
    lost_M = losses(apply_map(prob_MC, sampled.slope_C, sampled.bias_C), y_MC)
    lost_M -= losses(apply_map(prob_MC, whole.slope_C, whole.bias_C), y_MC)
    gain_M = losses(prob_MC, y_MC) - losses(apply_map(prob_MC, whole.slope_C, whole.bias_C), y_MC)
    assert sampled.slope_C.shape == (60,)
    assert lost_M.mean() < 0.02 * gain_M.mean()


def test_counts_are_those_by_hand() -> None:
    prob_NC, y_NC = drawn(3, 23, 1.0, 0.0, num_tags=3)
    seen_KCB, true_KCB = tags._counts(prob_NC, csr_array(y_NC))
    for fold in range(5):
        rows = np.arange(23) % 5 == fold
        for tag in range(3):
            logit_N = np.log(prob_NC[rows, tag].astype(float) / (1 - prob_NC[rows, tag].astype(float)))
            bin_N = np.abs(logit_N[:, None] - tags.LOGIT_B).argmin(axis=1)
            np.testing.assert_array_equal(seen_KCB[fold, tag], np.bincount(bin_N, minlength=tags.NUM_BINS))
            true_N = y_NC[rows, tag]
            np.testing.assert_array_equal(true_KCB[fold, tag], np.bincount(bin_N[true_N], minlength=tags.NUM_BINS))


def test_the_clip_of_tags_is_the_mean_of_its_posterior() -> None:
    rng = np.random.default_rng(4)
    prob_NC = np.where(rng.random((2000, 10)) < 0.5, 1e-6, 1 - 1e-6).astype(np.float32)
    y_NC = prob_NC > 0.5
    wrong = rng.random(y_NC.shape) < 0.004
    plain = tags.TagMap(np.ones(10), np.zeros(10), "as they are")
    low, facts = fit_floor(prob_NC, y_NC ^ wrong, plain)
    assert facts["beyond"] == 20_000
    assert facts["errors"] == np.count_nonzero(wrong)
    assert facts["error_rate"] == pytest.approx((np.count_nonzero(wrong) + 0.5) / 20_001)
    assert low == pytest.approx(facts["error_rate"], rel=0.2)
    # By hand: at this error rate the clip saves the difference of two cross-entropies.
    rate, tail = facts["error_rate"], 1e-6
    gain = rate * np.log(low / tail) + (1 - rate) * np.log((1 - low) / (1 - tail))
    assert facts["expected_gain"] == pytest.approx(gain, rel=2e-2)
    assert facts["log_loss_one_more"] - facts["log_loss_in_sample"] == pytest.approx(np.log((1 - low) / low) / 20_000)


def test_log_loss_of_tags_gets_better_by_the_rule() -> None:
    prob_NC, y_NC = drawn(5, 1000, 2.0, 0.7)
    prob_MC, y_MC = drawn(6, 2000, 2.0, 0.7)
    rule = rules.bind("calibrated")
    state = rule(prob_NC, csr_array(y_NC))
    gain_M = losses(prob_MC, y_MC) - losses(rule.facts["apply"](state, prob_MC), y_MC)
    assert gain_M.mean() > 2 * gain_M.std() / np.sqrt(len(gain_M))
    given = rules.bind("calibrated(temperature=2, low=0.01)")(prob_NC, y_NC)
    np.testing.assert_allclose(given["slope"], 0.5)
    assert (given["low"], given["high"]) == (0.01, 0.99)
