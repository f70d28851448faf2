"""Arms after their runs -> rows of a table: each value's score, gain over the baseline, verdict and cost.

Axes: S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medalist.evidence import Comparison, best_of_many, compare_seeds, holm, verdict
from medalist.experiments.ablating.questions import Question, Value, lengthened, num_epochs
from medalist.experiments.arms import ARMS, Done, against, require_paired


@dataclass(frozen=True)
class Row:
    """A value of a key, judged.

    Args:
        key: of the recipe.
        value: as it was typed.
        budget: how many times the recipe's own epochs it was given.
        epochs: of fine-tuning, for which the verdict holds; 0 without.
        score: out of fold; with several seeds their mean.
        stderr: of the score.
        gain: over the baseline of the same epochs, on the same rows; p and verdict are Holm's over all comparisons of
            the key. None: it is the baseline.
        seconds: of all its runs.
        feature_s: of them, those for features; nearly none where the cache held them.
        cost: its seconds without those for features, relative to the recipe's own.
        folders: of its runs, in the experiment's.
    """

    key: str
    value: str
    budget: int
    epochs: int
    score: float
    stderr: float
    gain: Comparison | None
    seconds: float
    feature_s: float
    cost: float
    folders: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """Empty for a baseline."""
        return self.gain.verdict if self.gain else ""


def rows_of(question: Question, runs: Mapping[str, Sequence[Done]], *, double: bool) -> list[Row]:
    """Judge a key's values at the recipe's epochs and, with `double`, at twice as many.

    Args:
        question: what was asked.
        runs: the S runs of each recipe, by its hash.
        double: whether the recipes with twice the epochs were run too.
    """
    own_s = _learning_s(runs[question.baseline.recipe.hash])
    rows = []
    for budget in (1, 2) if double else (1,):
        base = runs[lengthened(question.baseline.recipe, budget).hash]
        rows.append(_row(question.key, question.baseline, budget, base, own_s))
        for value in question.values:
            done = runs[lengthened(value.recipe, budget).hash]
            rows.append(replace(_row(question.key, value, budget, done, own_s), gain=_compared(base, done)))
    return _corrected(rows)


def corrected_score(question: Question, runs: Mapping[str, Sequence[Done]]) -> float | None:
    """What a value that is picked as the best scores on rows that did not pick it; None where it is not known.

    With two values the pick is the verdict itself; over several seeds no correction is known.
    """
    every = [runs[value.recipe.hash] for value in (question.baseline, *question.values)]
    if len(every) < 3 or len(every[0]) > 1:
        return None
    own = every[0][0]
    answers = [done[0].answers_N for done in every]
    return best_of_many(own.arm.recipe.metric, own.truth.labels, answers, groups=own.truth.group_N).score


def _compared(base: Sequence[Done], done: Sequence[Done]) -> Comparison:
    """One value against the baseline, its p value not yet Holm's."""
    if len(base) == 1:
        return against(base[0], done)[done[0].arm.name]
    require_paired(*base, *done)
    truth = base[0].truth
    answers, own = [one.answers_N for one in done], [one.answers_N for one in base]
    return compare_seeds(base[0].arm.recipe.metric, truth.labels, answers, own, groups=truth.group_N)


def _corrected(rows: Sequence[Row]) -> list[Row]:
    """All comparisons of a key, at both budgets, are one family for Holm."""
    adjusted = iter(holm([row.gain.p for row in rows if row.gain]))
    return [replace(row, gain=_with_p(row.gain, float(next(adjusted)))) if row.gain else row for row in rows]


def _with_p(gain: Comparison, p: float) -> Comparison:
    return Comparison(gain.difference, gain.stderr, verdict(gain.difference, gain.stderr, p), p)


def _row(key: str, value: Value, budget: int, done: Sequence[Done], own_s: float) -> Row:
    """What is known of a value by itself. Its score's error is the rows', common to all seeds, and the seeds' own."""
    score_S = np.array([one.summary.score for one in done])
    rows_stderr = np.mean([one.summary.score_stderr for one in done])
    of_seeds = score_S.var(ddof=1) / len(score_S) if len(score_S) > 1 else 0.0
    return Row(
        key=key,
        value=value.text,
        budget=budget,
        epochs=num_epochs(done[0].arm.recipe),
        score=float(score_S.mean()),
        stderr=float(np.sqrt(rows_stderr**2 + of_seeds)),
        gain=None,
        seconds=round(sum(one.summary.seconds["total"] for one in done), 3),
        feature_s=round(sum(one.summary.seconds["embed"] for one in done), 3),
        cost=round(_learning_s(done) / own_s, 3) if own_s > 0 else 1.0,
        folders=tuple(f"{ARMS}/{one.folder.name}" for one in done),
    )


def _learning_s(done: Sequence[Done]) -> float:
    """Seconds of all but the features, which the cache may have held."""
    return sum(one.summary.seconds["total"] - one.summary.seconds["embed"] for one in done)
