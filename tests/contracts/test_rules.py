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


def toy(gives: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and a truth that they say something about."""
    if gives == "sets":
        y_NC = rng.random((NUM_ROWS, NUM_CLASSES)) < 0.4
        return (0.6 * rng.random(y_NC.shape) + 0.4 * y_NC).astype(np.float32), y_NC
    y_N = rng.integers(NUM_CLASSES, size=NUM_ROWS)
    logit_NC = 2 * np.eye(NUM_CLASSES)[y_N] + rng.normal(size=(NUM_ROWS, NUM_CLASSES))
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


def test_one_answer_an_image_of_the_right_type(rule: Any) -> None:
    prob_NC, y = toy(rule.facts["gives"], np.random.default_rng(1))
    answers = rule.facts["apply"](rule(prob_NC, y), prob_NC[:7])
    shape, kind = {"labels": ((7,), "i"), "prob": ((7, 4), "f"), "sets": ((7, 4), "b")}[rule.facts["gives"]]
    assert answers.shape == shape
    assert answers.dtype.kind == kind


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


def test_the_same_rows_give_the_same_state(rule: Any) -> None:
    prob_NC, y = toy(rule.facts["gives"], np.random.default_rng(4))
    assert rule(prob_NC, y) == rule(prob_NC.copy(), y.copy())
