"""What a search's runs say: each trial against the recipe as given, the winner on fresh folds, values told apart.

The winner was chosen on the rows that score it. Fresh folds and seeds take away what training and folds did for it; for
what the rows did, p is multiplied by the number of recipes tried (Bonferroni; Dunn 1961): with no better recipe in the
space, one in twenty searches says otherwise. Axes: S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from medalist.evidence import BestOfMany, Comparison, best_of_many, compare, compare_seeds, verdict
from medalist.experiments.arms import Done, against, require_paired
from medalist.experiments.searching.record import GIVEN, Outcome, Trial
from medalist.experiments.searching.space import Dimension


@dataclass(frozen=True)
class Row:
    """A trial on a rung.

    Args:
        rung: what was asked of it.
        trial: its number.
        values: of its dimensions.
        outcome: its score, error, seconds, or why it failed.
        gain: over the recipe as given on the same rung, p and verdict Holm's over the rung; None: itself, or failed.
    """

    rung: str
    trial: int
    values: dict[str, str]
    outcome: Outcome
    gain: Comparison | None


@dataclass(frozen=True)
class Judged:
    """The winner on folds that no trial saw.

    Args:
        winner: its number.
        gain: over the recipe as given, p times the number of recipes tried.
        given: scores of the recipe as given, a seed each, with their errors.
        won: of the winner.
        seconds: of the S runs of both.
        tried: recipes that it is the best of.
        worth: what the best of those that ran on the last rung is worth, corrected for the choice among them; None
            where it ran alone.
    """

    winner: int
    gain: Comparison
    given: tuple[tuple[float, float], ...]
    won: tuple[tuple[float, float], ...]
    seconds: float
    tried: int
    worth: BestOfMany | None


def rows_of(rung: str, place: int, trials: Sequence[Trial], done: Mapping[int, Done]) -> list[Row]:
    """The rung's rows, the recipe as given first, then the best.

    Args:
        rung: what was asked on it.
        place: of the rung, from the cheapest.
        trials: the record.
        done: of those that finished it, by number.
    """
    others = [one for number, one in done.items() if number != GIVEN]
    gains = against(done[GIVEN], others) if others else {}
    rows = [
        Row(rung, trial.number, trial.values, trial.outcomes[place], _gain(trial.number, done, gains))
        for trial in trials
        if len(trial.outcomes) > place
    ]
    return sorted(rows, key=lambda row: (row.trial != GIVEN, -row.gain.difference if row.gain else float("inf")))


def _gain(number: int, done: Mapping[int, Done], gains: Mapping[str, Comparison]) -> Comparison | None:
    return gains.get(done[number].arm.name) if number in done else None


def winner_of(rows: Sequence[Row]) -> int | None:
    """The trial with the largest gain on the last rung; None where none scores higher than the recipe as given."""
    best = max(((row.gain.difference, row.trial) for row in rows if row.gain), default=(0.0, GIVEN))
    return best[1] if best[0] > 0 else None


def judge(winner: int, given: Sequence[Done], won: Sequence[Done], last: Mapping[int, Done], *, tried: int) -> Judged:
    """The winner against the recipe as given, on fresh folds.

    Args:
        winner: its number.
        given: S runs of the recipe as given, a seed each.
        won: S runs of the winner, on the same folds.
        last: all runs of the last rung, by number.
        tried: recipes beside the one as given.

    Raises:
        MismatchError: the runs answered different rows.
    """
    gain = _paired(given, won)
    p = min(1.0, gain.p * tried)
    scores = [tuple((one.summary.score, one.summary.score_stderr) for one in runs) for runs in (given, won)]
    return Judged(
        winner=winner,
        gain=replace(gain, p=p, verdict=verdict(gain.difference, gain.stderr, p)),
        given=scores[0],
        won=scores[1],
        seconds=sum(one.summary.seconds["total"] for one in (*given, *won)),
        tried=tried,
        worth=_worth(last),
    )


def _paired(given: Sequence[Done], won: Sequence[Done]) -> Comparison:
    require_paired(*given, *won)
    truth, metric = given[0].truth, given[0].arm.recipe.metric
    if len(given) == 1:
        return compare(metric, truth.labels, won[0].answers_N, given[0].answers_N, groups=truth.group_N)
    a, b = ([one.answers_N for one in runs] for runs in (won, given))
    return compare_seeds(metric, truth.labels, a, b, groups=truth.group_N)


def _worth(last: Mapping[int, Done]) -> BestOfMany | None:
    runs = list(last.values())
    if len(runs) < 2:
        return None
    require_paired(*runs)
    truth = runs[0].truth
    answers = [one.answers_N for one in runs]
    return best_of_many(runs[0].arm.recipe.metric, truth.labels, answers, groups=truth.group_N)


@dataclass(frozen=True)
class Apart:
    """Which values of a list can be told from its best.

    Args:
        name: of the dimension.
        best: the value whose best trial scores highest, the recipe as given among them.
        others: of each other value its best trial against that one; p times the number of pairs of trials.
        untried: values that no trial had.
    """

    name: str
    best: str
    others: dict[str, Comparison]
    untried: tuple[str, ...]


def apart(dimension: Dimension, rows: Sequence[Row], done: Mapping[int, Done]) -> Apart | None:
    """Which values of a list make a difference, by the best trial of each: no order of the values is assumed.

    Any two trials may turn out to be those that are looked at, so that p counts all pairs of trials.

    Args:
        dimension: with a list.
        rows: of the cheapest rung, where all trials are.
        done: its runs, by number.
    """
    ranked = sorted((row for row in rows if row.trial in done), key=lambda row: -_difference(row))
    first: dict[str, int] = {}
    for row in ranked:
        first.setdefault(row.values.get(dimension.name, ""), row.trial)
    values = list(first)
    if len(values) < 2:
        return None
    best, pairs = done[first[values[0]]], len(ranked) * (len(ranked) - 1) // 2
    others = {}
    for value in values[1:]:
        found = _paired([best], [done[first[value]]])
        p = min(1.0, found.p * pairs)
        others[value] = replace(found, p=p, verdict=verdict(found.difference, found.stderr, p))
    return Apart(dimension.name, values[0], others, tuple(set(dimension.choices) - set(values)))


def _difference(row: Row) -> float:
    return row.gain.difference if row.gain else 0.0
