"""The rules: what they fix, what they learn, the prior."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import expit

from medalist.crossfit import crossfit
from medalist.decisions.rules import default_rule, prior, rules
from medalist.errors import RecipeError
from medalist.metrics import f1_samples, log_loss, metrics, set_f1


def test_each_metric_has_a_rule_that_gives_what_it_eats() -> None:
    for name in metrics:
        assert rules.bind(default_rule(name)).facts["gives"] == metrics.bind(name).facts["eats"]
    with pytest.raises(RecipeError, match="did you mean 'accuracy'"):
        default_rule("acuracy")


@pytest.mark.parametrize(
    ("metric", "rule"),
    [
        ("accuracy", "argmax"),
        ("matthews", "argmax"),
        ("balanced_accuracy", "adjusted(metric='balanced_accuracy')"),
        ("quadratic_kappa", "cut_points"),
        ("log_loss", "calibrated"),
        ("brier", "calibrated"),
        ("roc_auc", "as_is"),
        ("f1_macro", "tag_thresholds"),
        ("fbeta_macro(beta=0.5)", "tag_thresholds(beta=0.5)"),
        ("fbeta_micro(beta=2)", "threshold(average='micro', calibrate=True, beta=2)"),
        ("f1_samples", "expected_f"),
        ("fbeta_samples(beta=2)", "expected_f(beta=2)"),
        ("recall_samples", "threshold"),
    ],
)
def test_the_rule_of_a_metric(metric: str, rule: str) -> None:
    assert default_rule(metric) == rule


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
    assert (state["temperature"], state["low"], state["high"]) == (1.0, 0.005, 0.995)
    np.testing.assert_allclose(rule.facts["apply"](state, prob_NC), [[0.995, 0.005], [0.3, 0.7]], rtol=1e-5)
    assert rules.bind("calibrated(low=0.005)")(prob_NC, y_N)["high"] == 0.995
    assert rules.bind("calibrated(high=0.9)")(prob_NC, y_N)["high"] == 0.9
    state = rules.bind("threshold(value=0.3)")(prob_NC, prob_NC > 0.5)
    assert (state["value"], state["at_least"]) == (0.3, 1)


@pytest.mark.parametrize(
    "call",
    [
        "calibrated(temperature=0)",
        "calibrated(low=0.9, high=0.1)",
        "calibrated(high=1.5)",
        "calibrated(low=-0.1)",
        "threshold(value=1.5)",
        "threshold(at_least=-1)",
        "threshold(average='macro')",
        "threshold(beta=0)",
        "tag_thresholds(beta=-1)",
        "tag_thresholds(shrink=-1)",
        "expected_f(beta=0)",
        "expected_f(candidates=0)",
        "expected_f(missing=1.0)",
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
    rule = rules.bind("threshold(at_least=1)")
    got_NC, state = crossfit(rule, rule.facts["apply"], prob_NC, csr_array(y_NC), np.arange(500) % 5)
    assert state["value"] < 0.2
    assert f1_samples(y_NC, got_NC) > f1_samples(y_NC, prob_NC >= 0.5) + 0.1
    assert got_NC.any(axis=1).all()


@pytest.mark.parametrize("seed", range(2))
def test_expected_f_makes_up_for_missing_tags(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prob_NC = expit(rng.normal(-1, 1, 12) + 1.5 * rng.standard_normal((8000, 12)))
    y_NC = rng.random(prob_NC.shape) < prob_NC
    y_NC[np.arange(len(y_NC)), prob_NC.argmax(axis=1)] |= ~y_NC.any(axis=1)  # every image has a tag
    set_NC, told_NC = y_NC & (rng.random(y_NC.shape) >= 0.5), (0.5 * prob_NC).astype(np.float32)
    half, terms = len(y_NC) // 2, []
    for call in ("expected_f(missing=0.5)", "expected_f"):
        rule = rules.bind(call)
        state = rule(told_NC[:half], set_NC[:half])
        terms.append(metrics.bind("f1_samples").facts["rows"](y_NC[half:], rule.facts["apply"](state, told_NC[half:])))
        # Some images have lost all of their tags, which proves no image bare.
        assert state["at_least"] == (call != "expected_f") and ("missing" in state) == (call != "expected_f")
    gain_M = terms[0] - terms[1]
    assert gain_M.mean() > 5 * gain_M.std() / np.sqrt(len(gain_M))


def test_images_that_truly_have_no_tag_are_told_from_those_that_lost_them() -> None:
    rng = np.random.default_rng(0)
    y_NC = rng.random((4000, 12)) < 0.25
    bare = int((~y_NC.any(axis=1)).sum())
    assert 50 < bare < 200
    set_NC = y_NC & (rng.random(y_NC.shape) >= 0.3)
    prob_NC = np.full(set_NC.shape, 0.2, np.float32)
    assert rules.bind("expected_f(missing=0.3)")(prob_NC, set_NC)["at_least"] == 0
    full_NC = y_NC | (np.eye(12, dtype=bool)[rng.integers(12, size=4000)] & ~y_NC.any(axis=1, keepdims=True))
    set_NC = full_NC & (rng.random(y_NC.shape) >= 0.3)
    assert not set_NC.any(axis=1).all()
    assert rules.bind("expected_f(missing=0.3)")(prob_NC, set_NC)["at_least"] == 1


def test_no_tag_is_forced_where_too_many_are_missing_to_tell() -> None:
    """Above a half, images with many tags drown the estimate, and a doubt without end would count as none bare."""
    rng = np.random.default_rng(0)
    y_NC = rng.random((4000, 12)) < 0.25
    y_NC[:400] = False
    y_NC[400:800] = True
    prob_NC = np.full(y_NC.shape, 0.2, np.float32)
    set_NC = y_NC & (rng.random(y_NC.shape) >= 0.7)
    assert rules.bind("expected_f(missing=0.7)")(prob_NC, set_NC)["at_least"] == 0
    shown_NC = set_NC[set_NC.any(axis=1)]  # no image seems bare: none is
    assert rules.bind("expected_f(missing=0.7)")(prob_NC[: len(shown_NC)], shown_NC)["at_least"] == 1


def test_expected_f_beats_one_threshold_on_new_images() -> None:
    def draw(seed: int, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        logit_NC = np.linspace(-4, -0.5, 19) + 1.8 * rng.standard_normal((num_rows, 19))
        y_NC = rng.random(logit_NC.shape) < 1 / (1 + np.exp(-logit_NC))
        return (1 / (1 + np.exp(-1.5 * logit_NC))).astype(np.float32), y_NC

    (prob_NC, y_NC), (prob_MC, y_MC) = draw(0, 700), draw(1, 3000)
    terms = {}
    for call in ("expected_f", "threshold(at_least=0)"):
        rule = rules.bind(call)
        terms[call] = set_f1(y_MC, rule.facts["apply"](rule(prob_NC, csr_array(y_NC)), prob_MC))
    gain_M = terms["expected_f"] - terms["threshold(at_least=0)"]
    assert gain_M.mean() > 2 * gain_M.std() / np.sqrt(len(gain_M))


def test_micro_shows_what_the_threshold_would_be_if_calibrated() -> None:
    rng = np.random.default_rng(2)
    prob_NC = rng.random((5000, 6)).astype(np.float32) ** 2
    y_NC = rng.random(prob_NC.shape) < prob_NC
    rule = rules.bind("threshold(average='micro', at_least=0)")
    state = rule(prob_NC, y_NC)
    assert state["value"] == pytest.approx(state["facts"]["value_if_calibrated"], abs=0.03)
    squared = rule(prob_NC**2, y_NC)
    assert squared["facts"]["value_if_calibrated"] - squared["value"] > 0.1
    cured = rules.bind(default_rule("f1_micro"))(prob_NC**2, y_NC)
    assert cured["value"] == pytest.approx(cured["facts"]["value_if_calibrated"], abs=0.03)


def test_calibrated_tags_share_a_threshold_better() -> None:
    def draw(seed: int, num_rows: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(seed)
        logit_NC = -2 + 1.8 * rng.standard_normal((num_rows, 19))
        y_NC = rng.random(logit_NC.shape) < 1 / (1 + np.exp(-logit_NC))
        return (1 / (1 + np.exp(-logit_NC - np.linspace(-1.5, 1.5, 19)))).astype(np.float32), y_NC

    (prob_NC, y_NC), (prob_MC, y_MC) = draw(0, 700), draw(1, 4000)
    scores = []
    for call in (default_rule("f1_micro"), "threshold(average='micro', at_least=0)"):
        rule = rules.bind(call)
        set_MC = rule.facts["apply"](rule(prob_NC, y_NC), prob_MC)
        scores.append(2 * np.count_nonzero(set_MC & y_MC) / (set_MC.sum() + y_MC.sum()))
    assert scores[0] > scores[1] + 0.02


def test_the_prior_is_the_share_of_each_class() -> None:
    np.testing.assert_allclose(prior(np.array([2, 0, 2, 2]), 4), [0.25, 0, 0.75, 0])
    y_NC = np.array([[1, 0, 1], [1, 0, 0]], bool)
    np.testing.assert_allclose(prior(csr_array(y_NC), 3), [1, 0, 0.5])
    np.testing.assert_allclose(prior(y_NC, 3), [1, 0, 0.5])
    assert prior(y_NC, 3).dtype == np.float32
