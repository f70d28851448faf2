"""Rows of a table: gains by hand, Holm over a key's comparisons at both budgets, costs without features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.errors import MismatchError
from medalist.evidence import compare, compare_seeds, estimate, holm
from medalist.experiments.ablating.judging import corrected_score, rows_of
from medalist.experiments.ablating.questions import Question, ask, lengthened
from medalist.experiments.arms import Arm, Done
from medalist.experiments.seeds import seeded
from medalist.ledger import Summary
from medalist.pipeline.decide import Truth
from medalist.recipe import Recipe, load_recipe

NUM_ROWS = 200
RNG = np.random.default_rng(0)
TRUTH_N = RNG.integers(2, size=NUM_ROWS)
IDS = tuple(map(str, range(NUM_ROWS)))


def right(share: float, seed: int = 0) -> np.ndarray:
    """Answers of which about a share is right."""
    rng = np.random.default_rng([int(share * 1000), seed])
    return np.where(rng.random(NUM_ROWS) < share, TRUTH_N, 1 - TRUTH_N)


def done(recipe: Recipe, answers_N: np.ndarray, *, total: float = 10.0, embed: float = 0.0) -> Done:
    """A run as if it had been made; each row is a group of its own."""
    told = estimate(recipe.metric, TRUTH_N, answers_N)
    rows = np.arange(NUM_ROWS)
    facts: dict[str, Any] = {
        "metric": recipe.metric,
        "score": told.score,
        "score_stderr": told.stderr,
        "interval95": told.interval95,
        "score_in_sample": None,
        "heads": {},
        "forecast": None,
        "seconds": {"total": total, "embed": embed},
        "images": NUM_ROWS,
        "rejected": 0,
        "notes": (),
        "submission": None,
    }
    truth = Truth(TRUTH_N, ("a", "b"), rows, rows % 5)
    return Done(Arm("an arm", recipe), Path("out/arms/an-arm"), IDS, Summary(**facts), truth, answers_N)


@pytest.fixture
def question() -> Question:
    recipe = load_recipe(metric="accuracy", finetune={"phases": [{"epochs": 4}]})
    return ask(recipe, "finetune.sam=null,0.05,0.1")


def test_gains_are_paired_and_p_values_are_holms_over_both_budgets(question: Question) -> None:
    own, first, second = (value.recipe for value in (question.baseline, *question.values))
    shares = [(own, 0.6), (first, 0.8), (second, 0.62)]
    runs = {}
    for recipe, share in shares:
        runs[recipe.hash] = [done(recipe, right(share))]
        runs[lengthened(recipe, 2).hash] = [done(lengthened(recipe, 2), right(share + 0.05))]
    rows = rows_of(question, runs, double=True)
    assert [(row.value, row.budget, row.epochs) for row in rows] == [
        ("null", 1, 4), ("0.05", 1, 4), ("0.1", 1, 4), ("null", 2, 8), ("0.05", 2, 8), ("0.1", 2, 8),
    ]  # fmt: skip
    pairs = [(0.8, 0.6), (0.62, 0.6), (0.85, 0.65), (0.67, 0.65)]
    by_hand = [compare("accuracy", TRUTH_N, right(a), right(b)) for a, b in pairs]
    gains = [row.gain for row in rows if row.gain]
    assert [gain.difference for gain in gains] == pytest.approx([one.difference for one in by_hand])
    assert [gain.stderr for gain in gains] == pytest.approx([one.stderr for one in by_hand])
    assert [gain.p for gain in gains] == pytest.approx(holm([one.p for one in by_hand]))
    assert rows[1].verdict == "better"
    assert rows[0].verdict == rows[3].verdict == ""
    asked = rows_of(question, runs, double=False)
    assert len(asked) == 3 and asked[1].gain is not None and gains[0].p == pytest.approx(2 * asked[1].gain.p)


def test_holm_may_take_a_verdict_back(question: Question) -> None:
    own, first, second = (value.recipe for value in (question.baseline, *question.values))
    base_N = TRUTH_N.copy()
    base_N[:5] = 1 - TRUTH_N[:5]  # five rows won, none lost: p about 0.02
    runs = {own.hash: [done(own, base_N)], first.hash: [done(first, TRUTH_N)], second.hash: [done(second, base_N)]}
    assert compare("accuracy", TRUTH_N, TRUTH_N, base_N).verdict == "better"
    assert [row.verdict for row in rows_of(question, runs, double=False)] == ["", "better", "equal"]
    ten = Question(question.key, question.baseline, (*question.values[:1], *[question.values[1]] * 9))
    assert rows_of(ten, runs, double=False)[1].verdict == "not distinguishable"


def test_several_seeds_count_in_as_evidence_says(question: Question) -> None:
    own, first, _ = (value.recipe for value in (question.baseline, *question.values))
    one = Question(question.key, question.baseline, question.values[:1])
    base, arm = ([right(share, seed) for seed in range(3)] for share in (0.6, 0.7))
    runs = {
        recipe.hash: [done(seeded(recipe, step), answers) for step, answers in enumerate(every)]
        for recipe, every in ((own, base), (first, arm))
    }
    row = rows_of(one, runs, double=False)[1]
    assert row.gain == compare_seeds("accuracy", TRUTH_N, arm, base)
    scores = [float((answers == TRUTH_N).mean()) for answers in arm]
    assert row.score == pytest.approx(np.mean(scores))
    of_rows = np.mean([estimate("accuracy", TRUTH_N, answers).stderr for answers in arm])
    assert row.stderr == pytest.approx(np.hypot(of_rows, np.std(scores, ddof=1) / np.sqrt(3)))
    assert (row.seconds, len(row.folders)) == (30.0, 3)
    assert corrected_score(one, runs) is None


def test_seeds_of_other_rows_are_refused(question: Question) -> None:
    own, first, _ = (value.recipe for value in (question.baseline, *question.values))
    runs = {recipe.hash: [done(seeded(recipe, step), right(0.7, step)) for step in range(2)] for recipe in (own, first)}
    strange = runs[first.hash][1]
    runs[first.hash][1] = replace(strange, truth=replace(strange.truth, group_N=strange.truth.group_N[::-1]))
    with pytest.raises(MismatchError, match="other rows"):
        rows_of(Question(question.key, question.baseline, question.values[:1]), runs, double=False)


def test_costs_leave_out_features_that_the_next_arm_finds_in_the_cache(question: Question) -> None:
    own, first, second = (value.recipe for value in (question.baseline, *question.values))
    answers_N = right(0.7)
    runs = {
        own.hash: [done(own, answers_N, total=30.0, embed=20.0)],
        first.hash: [done(first, answers_N, total=5.0, embed=0.0)],
        second.hash: [done(second, answers_N, total=21.0, embed=1.0)],
    }
    rows = rows_of(question, runs, double=False)
    assert [row.cost for row in rows] == [1.0, 0.5, 2.0]
    assert [(row.seconds, row.feature_s) for row in rows] == [(30.0, 20.0), (5.0, 0.0), (21.0, 1.0)]


def test_the_best_of_many_is_worth_less_than_it_scored() -> None:
    recipe = load_recipe(metric="accuracy")
    question = ask(recipe, "normalise=none,l1,l2")
    every = (question.baseline, *question.values)
    runs = {value.recipe.hash: [done(value.recipe, right(0.7, seed))] for seed, value in enumerate(every)}
    best = max(float((one.answers_N == TRUTH_N).mean()) for (one,) in runs.values())
    corrected = corrected_score(question, runs)
    assert corrected is not None and corrected < best
    assert corrected_score(ask(recipe, "normalise=none,l1"), runs) is None
