"""Row terms of rankings: against the derivative of the score itself, and the plain bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.evidence import draws, estimate, forecast
from medalist.metrics import metrics

SEVERAL = ["roc_auc_macro", "roc_auc_micro", "average_precision_macro", "average_precision_micro"]


@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(2, 4), st.sampled_from(SEVERAL))
def test_terms_are_the_score_and_its_derivative(seed: int, num_rows: int, num_tags: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    y_NC, prob_NC = rng.random((num_rows, num_tags)) < 0.4, rng.integers(1, 8, (num_rows, num_tags)) / 8
    y_NC[0], y_NC[1] = True, False
    y_NC[:, 0] &= rng.random() < 0.8  # at times a column without a positive
    metric = metrics.bind(name)
    term_N, score = metric.facts["linear"](y_NC, prob_NC), metric.facts["reweigh"](y_NC, prob_NC)
    assert term_N.mean() == pytest.approx(metric(y_NC, prob_NC))
    for row in rng.integers(num_rows, size=3):
        weight_2N = 1 + 1e-5 * np.array([[1.0], [-1.0]]) * np.eye(num_rows)[row]
        slope = (score(weight_2N[0]) - score(weight_2N[1])) / 2e-5
        assert (term_N[row] - term_N.mean()) / num_rows == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_two_classes_too(name: str) -> None:
    rng = np.random.default_rng(0)
    y_N, p_N = np.arange(40) % 2, rng.integers(9, size=40) / 8
    metric, prob_NC = metrics.bind(name), np.stack([1 - p_N, p_N], axis=1)
    term_N, score = metric.facts["linear"](y_N, prob_NC), metric.facts["reweigh"](y_N, prob_NC)
    assert term_N.mean() == pytest.approx(metric(y_N, prob_NC))
    weight_N = 1 + 1e-4 * rng.standard_normal(40)
    assert score(weight_N) == pytest.approx((weight_N @ term_N) / weight_N.sum(), abs=1e-6)


@pytest.mark.parametrize("name", SEVERAL)
def test_its_errors_are_those_of_the_plain_bootstrap(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    y_NC = rng.random((400, 8)) < rng.uniform(0.05, 0.4, 8)
    prob_NC = (1 / (1 + np.exp(2 - 2 * y_NC - 1.5 * rng.standard_normal(y_NC.shape)))).astype(np.float32)
    plain = estimate(name, y_NC, prob_NC, rounds=1200)
    ahead = forecast(name, y_NC, prob_NC, num_test=200, rounds=1200)
    monkeypatch.setattr(draws, "MOST_REWEIGHED", 0)
    linear = estimate(name, y_NC, prob_NC, rounds=4000)
    assert linear.score == plain.score
    assert linear.stderr == pytest.approx(plain.stderr, rel=0.1)
    assert forecast(name, y_NC, prob_NC, num_test=200).stderr == pytest.approx(ahead.stderr, rel=0.1)
