"""Union, intersection and vote: with the rule at 0.5 exactly those of the runs' sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medalist.decisions.rules import rules
from medalist.ensembles import ensembles
from medalist.ensembles.fusion import apply, bend
from medalist.errors import RecipeError
from medalist.metrics import metrics

Y_NC = np.random.default_rng(0).random((200, 5)) < 0.4
LOGIT = 2 * Y_NC - 1 + np.random.default_rng(1).normal(size=(4, 200, 5))
PROB_NRC = (1 / (1 + np.exp(-LOGIT))).transpose(1, 0, 2).astype(np.float32)


def decided(text: str, prob_NRC: np.ndarray) -> np.ndarray:
    bound, rule = ensembles.bind(text), rules.bind("threshold(value=0.5, at_least=0)")
    prob_NC = bound.facts["apply"](bound(prob_NRC, Y_NC), prob_NRC)
    return np.asarray(rule.facts["apply"](rule(prob_NC, Y_NC), prob_NC))


@pytest.mark.parametrize("cut", [0.3, 0.5, [0.1, 0.3, 0.5, 0.9]])
def test_the_rule_at_one_half_gives_the_fused_sets(cut: float | list[float]) -> None:
    sets_NRC = PROB_NRC.astype(np.float64) >= np.reshape(cut, (-1, 1))
    count_NC = sets_NRC.sum(axis=1)
    np.testing.assert_array_equal(decided(f"union(threshold={cut})", PROB_NRC), count_NC >= 1)
    np.testing.assert_array_equal(decided(f"intersection(threshold={cut})", PROB_NRC), count_NC == 4)
    np.testing.assert_array_equal(decided(f"vote(threshold={cut}, least=2)", PROB_NRC), count_NC >= 2)
    np.testing.assert_array_equal(decided(f"vote(threshold={cut})", PROB_NRC), count_NC >= 3)


@given(
    arrays(np.float32, 20, elements=st.floats(0, 1, width=32)), st.one_of(st.floats(0, 1), st.floats(0, 1, width=32))
)
@example(np.ones(20, np.float32), 0.9999999)
def test_bending_keeps_the_order_and_the_set(prob_N: np.ndarray, cut: float) -> None:
    prob_N[:3] = np.clip(np.float32(cut) + np.array([-1e-8, 0, 1e-8], np.float32), 0, 1)
    bent_N = bend(prob_N, cut)
    np.testing.assert_array_equal(bent_N >= 0.5, prob_N >= np.float64(cut))
    assert (np.diff(bent_N[np.argsort(prob_N, kind="stable")]) >= 0).all()
    assert (bent_N >= 0).all() and (bent_N <= 1).all()


@pytest.mark.parametrize("metric", ["f1_samples", "f1_micro", "f1_macro", "jaccard_samples", "fbeta_samples(beta=2)"])
def test_a_fitted_threshold_is_the_best_of_a_grid_for_the_metric(metric: str) -> None:
    cut, score = ensembles.bind("union")(PROB_NRC, Y_NC, metric=metric)["thresholds"][2], metrics.bind(metric)

    def reached(value: float) -> float:
        rule = rules.bind(f"threshold(value={value}, at_least=0)")
        return float(score(Y_NC, rule.facts["apply"](rule(PROB_NRC[:, 2], Y_NC), PROB_NRC[:, 2])))

    assert reached(cut) >= max(reached(value) for value in np.linspace(0.05, 0.95, 19)) - 5e-3


def test_the_state_of_one_run_is_its_own_set() -> None:
    state = ensembles.bind("union(threshold=0.3)")(PROB_NRC[:, :1], Y_NC)
    np.testing.assert_array_equal(apply(state, PROB_NRC[:, :1]) >= 0.5, PROB_NRC[:, 0].astype(np.float64) >= 0.3)


@pytest.mark.parametrize(
    ("text", "cut_R"),
    [
        ("vote(least=2)", None),
        ("vote(least=3, threshold=0.4)", [0.4] * 4),
        ("vote(least=2, threshold=[0.1, 0.3, 0.5, 0.9])", [0.1, 0.3, 0.5, 0.9]),
        ("union(threshold=[0.1, 0.3, 0.5, 0.9])", [0.1, 0.3, 0.5, 0.9]),
        ("intersection(threshold=(0.1, 0.3, 0.5, 0.9))", [0.1, 0.3, 0.5, 0.9]),
    ],
)
def test_a_member_alone_gives_its_own_set(text: str, cut_R: list[float] | None) -> None:
    bound = ensembles.bind(text)
    cut_R = cut_R or bound(PROB_NRC, Y_NC)["thresholds"]
    for r, cut in enumerate(cut_R):
        own, prob_N1C = replace(bound, arguments=bound.facts["alone"](bound.arguments, r)), PROB_NRC[:, r : r + 1]
        assert ensembles.bind(own.text).arguments == own.arguments
        bent_NC = own.facts["apply"](own(prob_N1C, Y_NC), prob_N1C)
        np.testing.assert_array_equal(bent_NC >= 0.5, PROB_NRC[:, r].astype(np.float64) >= cut)


def test_an_empty_union_gets_the_likeliest_tag_where_every_row_has_one() -> None:
    tagged_NC = Y_NC | (np.arange(5) == 0)
    bound, rule = ensembles.bind("union(threshold=0.9)"), rules.bind("threshold(value=0.5)")
    prob_NC = bound.facts["apply"](bound(PROB_NRC, tagged_NC), PROB_NRC)
    set_NC = rule.facts["apply"](rule(prob_NC, tagged_NC), prob_NC)
    empty_N = (prob_NC < 0.5).all(axis=1)
    assert empty_N.any()
    np.testing.assert_array_equal(set_NC[empty_N], np.eye(5, dtype=bool)[prob_NC[empty_N].argmax(axis=1)])


@pytest.mark.parametrize("text", ["union(threshold=1.5)", "union(threshold=[0.1, 0.2])", "vote(least=5)"])
def test_senseless_options_are_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="between"):
        ensembles.bind(text)(PROB_NRC, Y_NC)
