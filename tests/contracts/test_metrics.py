"""What every metric keeps to, whoever adds it: run over the registry, for each task that it scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from medalist.metrics import metrics, tasks_of

NUM_ROWS = 400
NUM_CLASSES = {"binary": 2, "multiclass": 5, "tags": 5}
CASES = [(name, task) for name in metrics for task in tasks_of(metrics.bind(name))]
# With k = 5 of 5 classes every answer is right.
CALLS = {"top_k_accuracy": "top_k_accuracy(k=1)"}


def truth(task: str, rng: np.random.Generator) -> np.ndarray:
    if task == "tags":
        return rng.random((NUM_ROWS, NUM_CLASSES[task])) < 0.4
    return rng.integers(NUM_CLASSES[task], size=NUM_ROWS)


def random_answers(eats: str, task: str, rng: np.random.Generator) -> np.ndarray:
    if eats != "prob":
        return truth(task, rng)
    shape = NUM_ROWS, NUM_CLASSES[task]
    return rng.random(shape) if task == "tags" else rng.dirichlet(np.ones(shape[1]), NUM_ROWS)


def perfect_answers(eats: str, task: str, y: np.ndarray) -> np.ndarray:
    if eats != "prob":
        return y
    return y.astype(float) if task == "tags" else np.eye(NUM_CLASSES[task])[y]


@pytest.fixture(params=CASES, ids=lambda case: "-".join(case))
def case(request: pytest.FixtureRequest) -> Any:
    """A metric, with a truth and random answers of a task."""
    name, task = request.param
    metric, rng = metrics.bind(CALLS.get(name, name)), np.random.default_rng(0)
    return metric, task, truth(task, rng), random_answers(metric.facts["eats"], task, rng)


def having(fact: str) -> pytest.MarkDecorator:
    """The cases of metrics that have a fact."""
    cases = [case for case in CASES if fact in metrics.bind(case[0]).facts]
    return pytest.mark.parametrize("case", cases, ids="-".join, indirect=True)


def test_its_facts_are_of_the_contract(case: Any) -> None:
    metric, task, *_ = case
    assert metric.facts["eats"] in ("labels", "prob", "sets")
    assert (metric.facts["eats"] == "sets") <= (task == "tags")
    assert metric.facts["better"] in ("higher", "lower")
    assert ("rows" in metric.facts) != ("reweigh" in metric.facts)
    assert metric.function.__doc__


def test_perfect_answers_beat_random_ones(case: Any) -> None:
    metric, task, y, answers = case
    gain = metric(y, perfect_answers(metric.facts["eats"], task, y)) - metric(y, answers)
    assert gain > 0 if metric.facts["better"] == "higher" else gain < 0


def test_the_order_of_rows_does_not_matter(case: Any) -> None:
    metric, _, y, answers = case
    order = np.random.default_rng(1).permutation(NUM_ROWS)
    assert metric(y[order], answers[order]) == pytest.approx(metric(y, answers))


@having("linear")
def test_linear_terms_average_to_the_score(case: Any) -> None:
    metric, _, y, answers = case
    assert "reweigh" in metric.facts
    term_N = metric.facts["linear"](y, answers, **metric.arguments)
    assert (term_N.shape, term_N.dtype) == ((y.shape[0],), np.float64)
    assert term_N.mean() == pytest.approx(metric(y, answers))


@having("rows")
def test_the_mean_of_its_row_terms_is_the_score(case: Any) -> None:
    metric, _, y, answers = case
    term_N = metric.facts["rows"](y, answers, **metric.arguments)
    assert term_N.shape == (NUM_ROWS,)
    assert term_N.dtype == np.float64
    assert metric(y, answers) == pytest.approx(term_N.mean())


@having("reweigh")
@pytest.mark.parametrize("share", [1.0, 0.05])
def test_reweighted_rows_score_as_repeated_rows(case: Any, share: float) -> None:
    metric, _, y, answers = case
    score, rng = metric.facts["reweigh"](y, answers, **metric.arguments), np.random.default_rng(2)
    assert score(np.ones(NUM_ROWS)) == pytest.approx(metric(y, answers))
    for _ in range(5):
        weight_N = rng.poisson(1, size=NUM_ROWS) * (rng.random(NUM_ROWS) < share)
        repeated = metric(np.repeat(y, weight_N, axis=0), np.repeat(answers, weight_N, axis=0))
        assert score(weight_N) == pytest.approx(repeated, nan_ok=True)


@pytest.mark.parametrize("case", [case for case in CASES if case[1] == "tags"], ids="-".join, indirect=True)
def test_sparse_tags_are_tags(case: Any) -> None:
    metric, _, y, answers = case
    assert metric(csr_array(y), answers) == metric(y, answers)


def test_it_returns_a_float_and_leaves_its_arguments_alone(case: Any) -> None:
    metric, _, y, answers = case
    before = y.copy(), answers.copy()
    assert type(metric(y, answers)) is float
    np.testing.assert_array_equal(y, before[0])
    np.testing.assert_array_equal(answers, before[1])
