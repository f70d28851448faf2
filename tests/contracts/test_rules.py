"""What every decision rule keeps to, whoever adds it: run over the registry."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from medalist.crossfit import crossfit
from medalist.decisions.rules import rules
from medalist.metrics import metrics

NUM_ROWS, NUM_CLASSES = 300, 4
FOLD_N = np.arange(NUM_ROWS) % 5


def toy(gives: str, rng: np.random.Generator, num_rows: int = NUM_ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and a truth that they say something about."""
    if gives == "sets":
        y_NC = rng.random((num_rows, NUM_CLASSES)) < 0.4
        return (0.6 * rng.random(y_NC.shape) + 0.4 * y_NC).astype(np.float32), y_NC
    y_N = rng.integers(NUM_CLASSES, size=num_rows)
    logit_NC = 2 * np.eye(NUM_CLASSES)[y_N] + rng.normal(size=(num_rows, NUM_CLASSES))
    prob_NC = np.exp(logit_NC) / np.exp(logit_NC).sum(axis=1, keepdims=True)
    return prob_NC.astype(np.float32), y_N


@pytest.fixture(params=list(rules))
def rule(request: pytest.FixtureRequest) -> Any:
    return rules.bind(request.param)


def test_it_gives_what_some_metric_eats(rule: Any) -> None:
    assert rule.facts["gives"] in {metrics.bind(name).facts["eats"] for name in metrics}


def test_its_state_is_json_and_answers_the_same_when_read_back(rule: Any) -> None:
    prob_NC, y = toy(rule.facts["gives"], np.random.default_rng(0))
    state = rule(prob_NC, y)
    again = json.loads(json.dumps(state, allow_nan=False))
    assert again == state
    np.testing.assert_array_equal(rule.facts["apply"](again, prob_NC), rule.facts["apply"](state, prob_NC))


def check_answers(rule: Any, answers: np.ndarray, num_rows: int) -> None:
    """One answer an image, of the right shape and type."""
    shape, kind = {
        "labels": ((num_rows,), "i"),
        "prob": ((num_rows, NUM_CLASSES), "f"),
        "sets": ((num_rows, NUM_CLASSES), "b"),
    }[rule.facts["gives"]]
    assert answers.shape == shape
    assert answers.dtype.kind == kind
    assert np.isfinite(answers).all()


@pytest.mark.parametrize("num_answered", [0, 1, 7])
@pytest.mark.parametrize("num_rows", [2, 10, NUM_ROWS])
def test_one_answer_an_image_of_the_right_type(rule: Any, num_rows: int, num_answered: int) -> None:
    prob_NC, y = toy(rule.facts["gives"], np.random.default_rng(1), num_rows)
    wanted_MC, _ = toy(rule.facts["gives"], np.random.default_rng(6), 7)
    check_answers(rule, rule.facts["apply"](rule(prob_NC, y), wanted_MC[:num_answered]), num_answered)


@pytest.mark.parametrize("probability", ["some", "none", "certain"])
def test_a_class_without_a_row_is_no_obstacle(rule: Any, probability: str) -> None:
    prob_NC, y = toy(rule.facts["gives"], np.random.default_rng(5))
    if y.ndim == 1:
        prob_NC, y = prob_NC[y != 2], y[y != 2]
    else:
        y[:, 2] = False
    if probability != "some":
        prob_NC[:, 2] = 0
    if probability == "certain":
        prob_NC = (prob_NC == prob_NC.max(axis=1, keepdims=True)).astype(np.float32)
    state = rule(prob_NC, y)
    json.dumps(state, allow_nan=False)
    check_answers(rule, rule.facts["apply"](state, prob_NC), len(prob_NC))


def test_an_image_is_answered_whatever_its_neighbours(rule: Any) -> None:
    prob_NC, y = toy(rule.facts["gives"], np.random.default_rng(2))
    state, apply = rule(prob_NC, y), rule.facts["apply"]
    one_by_one = np.concatenate([apply(state, prob_NC[i : i + 1]) for i in range(20)])
    np.testing.assert_array_equal(apply(state, prob_NC[:20]), one_by_one)


def test_it_is_fitted_on_other_folds_only(rule: Any) -> None:
    prob_NC, y = toy(rule.facts["gives"], np.random.default_rng(3))
    before, _ = crossfit(rule, rule.facts["apply"], prob_NC, y, FOLD_N)
    changed = y.copy()
    changed[FOLD_N == 2] = np.roll(y[FOLD_N == 2], 1, axis=0)
    after, _ = crossfit(rule, rule.facts["apply"], prob_NC, changed, FOLD_N)
    np.testing.assert_array_equal(after[FOLD_N == 2], before[FOLD_N == 2])


def test_the_same_rows_give_the_same_state_and_stay_as_they_are(rule: Any) -> None:
    prob_NC, y = toy(rule.facts["gives"], np.random.default_rng(4))
    kept = prob_NC.copy(), y.copy()
    assert rule(prob_NC, y) == rule(*kept)
    rule.facts["apply"](rule(prob_NC, y), prob_NC)
    np.testing.assert_array_equal(prob_NC, kept[0])
    np.testing.assert_array_equal(y, kept[1])
