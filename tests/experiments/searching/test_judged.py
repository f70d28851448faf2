"""Who is better: noise is called noise, a planted gain is found, and values are told apart by pairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medalist.errors import MismatchError
from medalist.evidence import compare, holm
from medalist.experiments.arms import Arm, Done
from medalist.experiments.searching.children import Place
from medalist.experiments.searching.climb import Limits, Plan
from medalist.experiments.searching.judged import Judged, Row, apart, judge, rows_of, winner_of
from medalist.experiments.searching.record import Outcome, Trial
from medalist.experiments.searching.rungs import FROZEN
from medalist.experiments.searching.space import parse_space
from medalist.experiments.searching.told import Found, apart_of, command_of, sentence_of, text_of
from medalist.ledger import Summary
from medalist.pipeline.decide import Truth
from medalist.recipe import load_recipe

NUM_ROWS, NUM_TRIALS = 200, 12
RECIPE = load_recipe(metric="accuracy")
HEADS = parse_space(RECIPE, ["heads=[[ridge], [knn], [lda], [mlp]]"], task="binary")
TRUTH = np.arange(NUM_ROWS) % 2


def done(number: int, right: float, rng: np.random.Generator, rows: int = NUM_ROWS) -> Done:
    """A run that answers so many of its rows right."""
    wrong_N = rng.random(rows) >= right
    index = np.arange(rows)
    score = float(1 - wrong_N.mean())
    summary = Summary("accuracy", score, 0.03, (0, 1), None, {}, None, {"total": 5.0}, rows, 0, (), None)
    truth = Truth(TRUTH[:rows], ("a", "b"), index, index % 5)
    return Done(
        Arm(f"{number:03d}", RECIPE),
        Path(f"{number:03d}"),
        tuple(map(str, index)),
        summary,
        truth,
        np.where(wrong_N, 1 - TRUTH[:rows], TRUTH[:rows]),
    )


def record(runs: dict[int, Done]) -> list[Trial]:
    values = ("[ridge, logistic]", *(HEADS[0].choices[number % 4] for number in range(1, len(runs))))
    return [
        Trial(number, {"heads": values[number]}, (Outcome(run.summary.score, 0.03, 5.0, 1),))
        for number, run in runs.items()
    ]


def played(
    rng: np.random.Generator, right: list[float], *, alike: bool = False
) -> tuple[list[Row], dict[int, Done], Judged | None]:
    """A search of frozen heads: the recipe as given and trials of that skill, and the winner on fresh folds.

    `alike`: fresh folds change no answer, so that what the rows did for the winner they do again.
    """
    runs = {number: done(number, skill, rng) for number, skill in enumerate(right)}
    rows = rows_of("all folds", 0, record(runs), runs)
    winner = winner_of(rows)
    if winner is None:
        return rows, runs, None
    fresh = [runs[number] if alike else done(number, right[number], rng) for number in (0, winner)]
    return rows, runs, judge(winner, fresh[:1], fresh[1:], runs, tried=len(right) - 1)


def found(rng: np.random.Generator, right: list[float]) -> Found:
    rows, runs, judged = played(rng, right)
    told = apart(HEADS[0], rows, runs)
    assert told is not None
    plan = Plan(RECIPE, HEADS, (FROZEN,), True, (), Limits(len(right) - 1))
    trials = tuple(record(runs))
    return Found(
        plan, Place(Path("data"), Path("search")), trials, (tuple(rows),), (NUM_ROWS,), judged, "", (told,), ()
    )


@pytest.mark.parametrize("alike", [False, True])
def test_of_recipes_that_differ_in_nothing_one_search_in_twenty_finds_a_better_one_at_most(alike: bool) -> None:
    """Twelve trials as good as the recipe as given: by its own rung some trial would look better far more often."""
    rng = np.random.default_rng(0)
    better = naive = 0
    for _ in range(40):
        rows, _, judged = played(rng, [0.8] * (1 + NUM_TRIALS), alike=alike)
        better += judged is not None and judged.gain.verdict == "better"
        naive += any(row.gain.difference >= 2 * row.gain.stderr for row in rows if row.gain)
    assert better <= 2
    assert naive >= 6


def test_a_planted_gain_is_found_and_recommended() -> None:
    rng = np.random.default_rng(1)
    best = found(rng, [0.7, *[0.7] * 5, 0.93, *[0.7] * 6])
    assert best.judged is not None and best.judged.winner == best.best.number == 6
    assert sentence_of(best).startswith("trial 6 (heads=[lda]) is better: +0.")
    assert "with 12 recipes tried)" in sentence_of(best)
    assert command_of(best) == "medalist run data --recipe search/best.yaml"
    worth = best.judged.worth
    assert worth is not None and worth.num_tried == 13 and worth.index == 6


def test_noise_is_an_answer_and_the_recipe_as_given_is_kept() -> None:
    rng = np.random.default_rng(2)
    noise = found(rng, [0.8] * (1 + NUM_TRIALS))
    assert noise.judged is not None and noise.best.number == 0
    assert sentence_of(noise).startswith("noise: trial ")
    assert sentence_of(noise).endswith("keep the recipe as given")
    assert apart_of(noise.apart[0]).endswith("any of these, it may be noise")


def test_where_no_trial_scores_higher_nothing_is_judged() -> None:
    kept = found(np.random.default_rng(3), [0.95, 0.6, 0.6])
    assert kept.judged is None and kept.best.number == 0
    assert sentence_of(kept) == "none of 2 recipes scores higher than the recipe as given on all folds: keep it"


def test_where_all_trials_failed_or_answer_alike_it_is_said_so() -> None:
    alike = found(np.random.default_rng(9), [1.0, 1.0, 1.0])
    assert "all of 2 recipes answer exactly as the recipe as given does" in sentence_of(alike)
    failed = Trial(1, {"heads": "[knn]"}, (Outcome(None, None, 1.0, 1, "no memory"),))
    none = replace(alike, trials=(alike.trials[0], failed), rows=(alike.rows[0][:1],), apart=())
    assert sentence_of(none).startswith("1 recipe tried, none of which could run")
    assert "trial 1 failed: no memory" in text_of(none, [])


def test_p_is_that_of_the_pair_times_the_recipes_tried() -> None:
    rng = np.random.default_rng(4)
    given, won = done(0, 0.7, rng), done(1, 0.82, rng)
    alone = compare("accuracy", TRUTH, won.answers_N, given.answers_N, groups=given.truth.group_N)
    one, many = (judge(1, [given], [won], {}, tried=tried) for tried in (1, 20))
    assert one.gain.p == alone.p and many.gain.p == pytest.approx(min(1, 20 * alone.p))
    assert one.gain.difference == many.gain.difference == alone.difference
    assert one.worth is None and one.seconds == 10.0
    assert (one.gain.verdict, many.gain.verdict) == ("better", "not distinguishable")


def test_seeds_count_their_spread_in() -> None:
    rng = np.random.default_rng(5)
    given, won = ([done(0, right, rng) for _ in range(3)] for right in (0.7, 0.9))
    judged = judge(1, given, won, {}, tried=2)
    means = [np.mean([one.summary.score for one in runs]) for runs in (given, won)]
    assert judged.gain.difference == pytest.approx(means[1] - means[0])
    assert len(judged.given) == 3 and judged.gain.verdict == "better"


def test_runs_of_other_rows_are_refused() -> None:
    rng = np.random.default_rng(6)
    with pytest.raises(MismatchError, match="other rows"):
        judge(1, [done(0, 0.7, rng)], [done(1, 0.7, rng, rows=100)], {}, tried=1)


def test_gains_of_a_rung_are_holms_and_failures_have_none() -> None:
    rng = np.random.default_rng(7)
    runs = {0: done(0, 0.7, rng), 1: done(1, 0.8, rng), 2: done(2, 0.75, rng)}
    trials = [*record(runs), Trial(3, {"heads": "[mlp]"}, (Outcome(None, None, 1.0, 1, "no memory"),))]
    rows = rows_of("all folds", 0, trials, runs)
    assert [row.trial for row in rows[1:]] == [*sorted((1, 2), key=lambda n: -runs[n].summary.score), 3]
    assert rows[0].gain is None and rows[-1].gain is None and rows[-1].outcome.fault == "no memory"
    pairs = [
        compare("accuracy", TRUTH, runs[n].answers_N, runs[0].answers_N, groups=np.arange(NUM_ROWS)) for n in (1, 2)
    ]
    got = {row.trial: row.gain.p for row in rows if row.gain}
    assert [got[1], got[2]] == pytest.approx(holm([one.p for one in pairs]), abs=0.01)


def test_a_value_that_is_far_worse_is_told_apart_by_pairs() -> None:
    rng = np.random.default_rng(8)
    rows, runs, _ = played(rng, [0.85, 0.4, 0.84, 0.83])
    told = apart(HEADS[0], rows, runs)
    assert told is not None and told.others["[knn]"].verdict == "worse"
    assert told.untried == ("[ridge]",)
    assert "better than [knn] (-0." in apart_of(told) and "not tried: [ridge]" in apart_of(told)
