"""What every metric keeps to, whoever adds it: run over the registry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from medalist.metrics import metrics

NUM_ROWS, NUM_CLASSES = 400, 5


def truth(eats: str, rng: np.random.Generator) -> np.ndarray:
    if eats == "sets":
        return rng.random((NUM_ROWS, NUM_CLASSES)) < 0.4
    return rng.integers(NUM_CLASSES, size=NUM_ROWS)


def random_answers(eats: str, rng: np.random.Generator) -> np.ndarray:
    return rng.dirichlet(np.ones(NUM_CLASSES), NUM_ROWS) if eats == "prob" else truth(eats, rng)


def perfect_answers(eats: str, y: np.ndarray) -> np.ndarray:
    return np.eye(NUM_CLASSES)[y] if eats == "prob" else y


@pytest.fixture(params=list(metrics))
def metric(request: pytest.FixtureRequest) -> Any:
    return metrics.bind(request.param)


def test_its_facts_are_of_the_contract(metric: Any) -> None:
    assert metric.facts["eats"] in ("labels", "prob", "sets")
    assert metric.facts["better"] in ("higher", "lower")
    assert metric.function.__doc__


def test_perfect_answers_beat_random_ones(metric: Any) -> None:
    rng = np.random.default_rng(0)
    y, eats = truth(metric.facts["eats"], rng), metric.facts["eats"]
    gain = metric(y, perfect_answers(eats, y)) - metric(y, random_answers(eats, rng))
    assert gain > 0 if metric.facts["better"] == "higher" else gain < 0


def test_the_order_of_rows_does_not_matter(metric: Any) -> None:
    rng = np.random.default_rng(1)
    y, answers = truth(metric.facts["eats"], rng), random_answers(metric.facts["eats"], rng)
    order = rng.permutation(NUM_ROWS)
    assert metric(y[order], answers[order]) == pytest.approx(metric(y, answers))


def test_the_mean_of_its_row_terms_is_the_score(metric: Any) -> None:
    rows = metric.facts.get("rows")
    if rows is None:
        pytest.skip("this metric is no mean over rows")
    rng = np.random.default_rng(2)
    y, answers = truth(metric.facts["eats"], rng), random_answers(metric.facts["eats"], rng)
    term_N = rows(y, answers)
    assert term_N.shape == (NUM_ROWS,)
    assert term_N.dtype == np.float64
    assert metric(y, answers) == pytest.approx(term_N.mean())


def test_it_returns_a_float_and_leaves_its_arguments_alone(metric: Any) -> None:
    rng = np.random.default_rng(3)
    y, answers = truth(metric.facts["eats"], rng), random_answers(metric.facts["eats"], rng)
    before = y.copy(), answers.copy()
    assert type(metric(y, answers)) is float
    np.testing.assert_array_equal(y, before[0])
    np.testing.assert_array_equal(answers, before[1])
