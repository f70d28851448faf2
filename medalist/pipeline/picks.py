"""The two final submissions: the safest, and the most different of those that are as good as the best.

A second pick that answers alike wins and loses with the first; one that errs elsewhere is a second chance.
Axes: N labelled images, A hand-ins, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medalist.evidence import best_of_many, compare
from medalist.metrics import metrics
from medalist.pipeline.folds import Field
from medalist.pipeline.outcome import final_predictions, unseen_answers
from medalist.submissions.handed_in import HandIn


@dataclass(frozen=True)
class Candidate:
    """A hand-in whose run still holds what was handed in: its answers to the labelled rows, unseen."""

    folder: Path
    record: HandIn
    field: Field
    answers_N: np.ndarray
    prob_NC: np.ndarray


def candidate(folder: Path, record: HandIn) -> Candidate:
    """A hand-in with the answers behind it."""
    field, answers_N = unseen_answers(folder)
    return Candidate(folder, record, field, answers_N, final_predictions(folder).oof_NC)


def final_picks(candidates: Sequence[Candidate]) -> list[str]:
    """Two hand-ins to select, and why; sentences.

    The safest has the best lower end of the forecast's 95 % interval (the upper, where lower is better). The other is
    not worse than the best by more than 1 standard error, paired on the same rows, and its probabilities go least with
    those of the safest.
    """
    if len(candidates) < 2:
        return [f"final picks: {len(candidates)} hand-in whose run still holds what was handed in; two are needed"]
    first = candidates[0]
    if any(one.field.folds.ids != first.field.folds.ids for one in candidates):
        return ["final picks: the runs have different rows, so that they cannot be compared in pairs"]
    metric, y, groups = metrics.bind(first.record.metric), first.field.truth.labels, first.field.truth.group_N
    way = 1.0 if metric.facts["better"] == "higher" else -1.0
    safest = max(range(len(candidates)), key=lambda i: way * _low(candidates[i].record, way))
    answers = [one.answers_N for one in candidates]
    chosen = best_of_many(metric, y, answers, groups=groups)
    lines = [
        f"safest: {candidates[safest].folder}, forecast {_low(candidates[safest].record, way):.4f} or better in 39 of"
        f" 40 cases. The best of {len(candidates)} hand-ins (one that blends several learners counts once) scores"
        f" {chosen.naive:.4f} out of fold; corrected for the choice among them that is"
        f" {chosen.score:.4f} +- {chosen.stderr:.4f}"
    ]
    good, gaps = [], {}
    for i, one in enumerate(answers):
        gap = compare(metric, y, answers[chosen.index], one, groups=groups)
        gaps[i] = gap
        if i != safest and gap.difference <= gap.stderr:
            good.append(i)
    if not good:
        return [
            *lines,
            "no other hand-in is within 1 standard error of the best; pick the next best, or the same twice",
        ]
    like = {i: _correlation(candidates[safest].prob_NC, candidates[i].prob_NC) for i in good}
    other = min(good, key=lambda i: like[i])
    told = (
        f"behind the best by {gaps[other].difference:.4f} +- {gaps[other].stderr:.4f}" if other != chosen.index else ""
    )
    return [
        *lines,
        f"most different good one: {candidates[other].folder}, {told or 'the best out of fold'}; its probabilities go"
        f" with those of the safest at {like[other]:.3f}, the least of {len(good)} that are good enough",
    ]


def _low(record: HandIn, way: float) -> float:
    """The bad end of the forecast, or of the cross-validated score where there is none."""
    if record.forecast is not None:
        return float(record.forecast["interval95"][0 if way > 0 else 1])
    return record.score - way * 1.96 * record.stderr


def _correlation(one_NC: np.ndarray, other_NC: np.ndarray) -> float:
    """Pearson's, over all numbers, each class's mean taken away: what all know of the classes is no likeness."""
    one, other = ((p_NC - p_NC.mean(axis=0)).ravel().astype(np.float64) for p_NC in (one_NC, other_NC))
    length = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / length if length > 0 else 1.0
