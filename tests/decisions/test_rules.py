"""The rules: what they fix, what they learn, the prior."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array

from medalist.crossfit import crossfit
from medalist.decisions.rules import default_rule, prior, rules
from medalist.errors import RecipeError
from medalist.metrics import f1_samples, log_loss, metrics


def test_each_metric_has_a_rule_that_gives_what_it_eats() -> None:
    for name in metrics:
        assert rules.bind(default_rule(name)).facts["gives"] == metrics.bind(name).facts["eats"]
    assert [default_rule(name) for name in ("accuracy", "log_loss", "f1_samples")] == [
        "argmax",
        "calibrated",
        "threshold",
    ]
    with pytest.raises(RecipeError, match="did you mean 'accuracy'"):
        default_rule("acuracy")


def test_argmax_takes_the_first_of_equals() -> None:
    rule = rules.bind("argmax")
    prob_NC = np.array([[0.2, 0.4, 0.4], [0.5, 0.2, 0.3]], np.float32)
    label_N = rule.facts["apply"](rule(prob_NC, np.zeros(2, int)), prob_NC)
    np.testing.assert_array_equal(label_N, [1, 0])
    assert label_N.dtype == np.int32


def test_what_is_given_is_not_learnt() -> None:
    prob_NC, y_N = np.array([[0.999, 0.001], [0.3, 0.7]], np.float32), np.array([1, 0])
    rule = rules.bind("calibrated(low=0.005, high=0.995, temperature=1.0)")
    state = rule(prob_NC, y_N)
    assert state == {"temperature": 1.0, "low": 0.005, "high": 0.995}
    np.testing.assert_allclose(rule.facts["apply"](state, prob_NC), [[0.995, 0.005], [0.3, 0.7]], rtol=1e-5)
    assert rules.bind("calibrated(low=0.005)")(prob_NC, y_N)["high"] == 0.995
    assert rules.bind("calibrated(high=0.9)")(prob_NC, y_N)["high"] == 0.9
    assert rules.bind("threshold(value=0.3)")(prob_NC, prob_NC > 0.5) == {"value": 0.3, "at_least": 1}


@pytest.mark.parametrize(
    "call",
    [
        "calibrated(temperature=0)",
        "calibrated(low=0.9, high=0.1)",
        "calibrated(high=1.5)",
        "calibrated(low=-0.1)",
        "threshold(value=1.5)",
        "threshold(at_least=-1)",
    ],
)
def test_arguments_without_sense_are_refused(call: str) -> None:
    with pytest.raises(RecipeError, match="takes"):
        rules.bind(call)(np.full((4, 2), 0.5, np.float32), np.zeros((4, 2), bool))


def test_overconfident_probabilities_get_better_out_of_fold() -> None:
    rng = np.random.default_rng(0)
    y_N = rng.integers(2, size=1000)
    logit_N = (2 * y_N - 1 + 1.5 * rng.normal(size=1000)) * 5
    prob_N = 1 / (1 + np.exp(-logit_N))
    prob_NC = np.stack([1 - prob_N, prob_N], axis=1).astype(np.float32)
    rule = rules.bind("calibrated")
    got_NC, state = crossfit(rule, rule.facts["apply"], prob_NC, y_N, np.arange(1000) % 5)
    assert log_loss(y_N, got_NC) < 0.5 * log_loss(y_N, prob_NC)
    assert state["temperature"] > 2


def test_rare_tags_get_a_low_threshold() -> None:
    rng = np.random.default_rng(1)
    y_NC = rng.random((500, 40)) < 0.05
    prob_NC = (0.1 * rng.random((500, 40)) + 0.25 * y_NC * rng.random((500, 40))).astype(np.float32)
    rule = rules.bind("threshold")
    got_NC, state = crossfit(rule, rule.facts["apply"], prob_NC, csr_array(y_NC), np.arange(500) % 5)
    assert state["value"] < 0.2
    assert f1_samples(y_NC, got_NC) > f1_samples(y_NC, prob_NC >= 0.5) + 0.1
    assert got_NC.any(axis=1).all()


def test_the_prior_is_the_share_of_each_class() -> None:
    np.testing.assert_allclose(prior(np.array([2, 0, 2, 2]), 4), [0.25, 0, 0.75, 0])
    y_NC = np.array([[1, 0, 1], [1, 0, 0]], bool)
    np.testing.assert_allclose(prior(csr_array(y_NC), 3), [1, 0, 0.5])
    np.testing.assert_allclose(prior(y_NC, 3), [1, 0, 0.5])
    assert prior(y_NC, 3).dtype == np.float32
