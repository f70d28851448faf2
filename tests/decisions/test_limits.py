"""Limits on sets, by hand and through every rule of sets."""

from __future__ import annotations

import numpy as np
import pytest

from medalist.decisions.limits import check_limits, permitted
from medalist.decisions.rules import rules
from medalist.errors import RecipeError

NAMES = ("day", "night", "sea", "rain")
CALLS = ("threshold", "threshold(average='micro')", "tag_thresholds", "expected_f")


def test_by_hand() -> None:
    prob_NC = np.array([[0.9, 0.8, 0.2, 0.7], [0.1, 0.3, 0.3, 0.0]], np.float32)
    np.testing.assert_allclose(permitted(prob_NC, None, [[0, 1]]), [[0.9, -1, 0.2, 0.7], [-1, 0.3, 0.3, 0.0]])
    np.testing.assert_allclose(permitted(prob_NC, 1, []), [[0.9, -1, -1, -1], [-1, 0.3, -1, -1]])
    np.testing.assert_allclose(permitted(prob_NC, 2, [[0, 1]]), [[0.9, -1, -1, 0.7], [-1, 0.3, 0.3, -1]])
    assert permitted(prob_NC, 4, []) is prob_NC


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y_NC = rng.random((300, 4)) < 0.5
    return (0.5 * rng.random(y_NC.shape) + 0.5 * y_NC).astype(np.float32), y_NC


def answered(call: str, **limits: object) -> np.ndarray:
    rule = rules.bind(call)
    assert rule.facts["names"] is True
    prob_NC, y_NC = drawn()
    before = prob_NC.copy()
    set_NC: np.ndarray = rule.facts["apply"](rule(prob_NC, y_NC, classes=NAMES, **limits), prob_NC)
    np.testing.assert_array_equal(prob_NC, before)
    return set_NC


@pytest.mark.parametrize("call", CALLS)
def test_every_rule_of_sets_keeps_the_limits(call: str) -> None:
    free_NC = answered(call, at_least=0)
    assert (free_NC[:, :2].all(axis=1)).any() and (free_NC.sum(axis=1) > 2).any()
    assert answered(call, at_least=0, at_most=2).sum(axis=1).max() == 2
    assert answered(call, at_least=2).sum(axis=1).min() >= 2
    assert (answered(call, at_least=2, at_most=2).sum(axis=1) == 2).all()
    groups = answered(call, at_least=0, exclusive=[["day", "night"], ["sea", "rain"]])
    assert groups[:, :2].sum(axis=1).max() == 1 and groups[:, 2:].sum(axis=1).max() == 1
    # No tag is left for a third place.
    assert answered(call, at_least=3, exclusive=[["day", "night"], ["sea", "rain"]]).sum(axis=1).max() == 2


def test_thresholds_are_learnt_for_the_sets_that_are_handed_in() -> None:
    # Without the limit tags down to 0.4 are right; with it the likeliest is all there is, whatever the threshold.
    prob_NC = np.array([[0.9, 0.4, 0.1], [0.8, 0.5, 0.2]], np.float32)
    y_NC = np.array([[1, 1, 0], [1, 1, 0]], bool)
    rule = rules.bind("threshold(at_most=1)")
    state = rule(prob_NC, y_NC)
    assert rule.facts["apply"](state, prob_NC).tolist() == [[True, False, False]] * 2


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"at_least": -1}, "at_least=0 or more"),
        ({"at_most": 0}, "at_most of 1 or more"),
        ({"at_least": 3, "at_most": 2}, "not below at_least=3"),
        ({"exclusive": [["day", "nigth"]]}, "did you mean 'night'"),
        ({"exclusive": ["day", "night"]}, "a list of groups"),
    ],
)
def test_nonsense_is_refused(limits: dict[str, object], told: str) -> None:
    for call in ("threshold", "tag_thresholds", "expected_f"):
        with pytest.raises(RecipeError, match=told):
            rules.bind(call)(*drawn(), classes=NAMES, **limits)


def test_names_need_the_names_of_the_tags() -> None:
    with pytest.raises(RecipeError, match=r"pass classes=\[...\]"):
        check_limits("threshold", 0, None, [["day", "night"]], None)
