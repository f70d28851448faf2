"""A search -> what people are told: a table rung by rung, what the winner is worth, what the dimensions showed."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medalist.evidence import Comparison
from medalist.evidence.draws import bind
from medalist.experiments.arms import ARMS
from medalist.experiments.charts import Mark, bars, scatter
from medalist.experiments.folder import BEST, JOURNAL, RESULT, TABLE
from medalist.experiments.process import shared_options
from medalist.experiments.searching.children import Place
from medalist.experiments.searching.climb import Plan
from medalist.experiments.searching.judged import Apart, Judged, Row
from medalist.experiments.searching.record import GIVEN, Trial
from medalist.pipeline.learners import slug

AS_GIVEN = "as given"


@dataclass(frozen=True)
class Found:
    """All that a search found.

    Args:
        plan: what was searched.
        place: of dataset and experiment, as they were typed.
        trials: the record.
        rows: of each rung, the cheapest first.
        num_rows: images that each rung's scores are of.
        judged: the winner; None where no trial scored higher than the recipe as given.
        unjudged: why the winner could not be judged, else empty.
        apart: of each list.
        notes: sentences for people.
    """

    plan: Plan
    place: Place
    trials: tuple[Trial, ...]
    rows: tuple[tuple[Row, ...], ...]
    num_rows: tuple[int, ...]
    judged: Judged | None
    unjudged: str
    apart: tuple[Apart, ...]
    notes: tuple[str, ...]

    @property
    def best(self) -> Trial:
        """What is recommended: the winner where it is better, else the recipe as given."""
        better = self.judged is not None and self.judged.gain.verdict == "better"
        return self.trials[self.judged.winner if better and self.judged else GIVEN]


def text_of(found: Found, charts: Sequence[str]) -> str:
    """Table, verdict, what to type next, files."""
    plan = found.plan
    better = bind(plan.recipe.metric).facts["better"]
    failed = [trial for trial in found.trials if trial.failed]
    files = [found.place.out / name for name in (TABLE, RESULT, JOURNAL, *charts)]
    return "\n".join(
        [
            f"{plan.recipe.metric} ({better} is better); gains are over the recipe as given on the same rung, paired on"
            " the same rows, positive: better; errors count the rows alone",
            *(line for place, rows in enumerate(found.rows) for line in _rung(found, place, rows)),
            *(f"trial {trial.number} failed: {trial.failed}" for trial in failed),
            "",
            sentence_of(found),
            *map(apart_of, found.apart),
            _cost(found),
            *found.notes,
            f"to type next: {command_of(found)}",
            f"files: {', '.join(map(str, files))}, runs in {found.place.out / ARMS}",
        ]
    )


def _rung(found: Found, place: int, rows: Sequence[Row]) -> list[str]:
    lines = [("trial", *(one.name for one in found.plan.dimensions), "score", "gain", "p", "verdict", "seconds")]
    for row in rows:
        outcome, gain = row.outcome, row.gain
        lines.append(
            (
                str(row.trial) if row.trial != GIVEN else AS_GIVEN,
                *(row.values.get(one.name, "") for one in found.plan.dimensions),
                f"{outcome.score:.4f} +- {outcome.stderr:.4f}" if outcome.score is not None else "failed",
                told(gain) if gain else "",
                f"{gain.p:.3f}" if gain else "",
                gain.verdict if gain else "",
                f"{outcome.seconds:.0f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    head = f"{found.plan.rungs[place].told}, {found.num_rows[place]} rows scored: {len(rows) - 1} of the trials"
    return ["", head, *(line.rstrip() for line in padded)]


def sentence_of(found: Found) -> str:
    """The verdict, in words."""
    tried = len(found.trials) - 1
    recipes = f"{tried} {'recipe' if tried == 1 else 'recipes'}"
    if not tried:
        return "no recipe was tried beside the one as given: it takes all the time there is; give more --hours"
    if not any(trial.scores for trial in found.trials[1:]):
        return f"{recipes} tried, none of which could run; the reasons stand above: keep the recipe as given"
    if found.unjudged:
        keep = "keep the recipe as given; the same command judges again"
        return f"the best of {recipes} could not be judged on fresh folds ({found.unjudged}): {keep}"
    if found.judged is None and all(_alike(row.gain) for row in found.rows[0] if row.gain):
        return f"all of {recipes} answer exactly as the recipe as given does on {found.plan.rungs[0].told}: keep it"
    if found.judged is None:
        return f"none of {recipes} scores higher than the recipe as given on {found.plan.rungs[-1].told}: keep it"
    judged = found.judged
    gain, seeds = judged.gain, len(judged.won)
    folds = "folds and seeds" if found.plan.recipe.folds.file is None else "seeds (the folds are those of folds.file)"
    where = f"on fresh {folds}" + (f", {seeds} of them, whose spread is in the error" if seeds > 1 else "")
    beaten = f"{told(gain)} over the recipe as given {where} (p {gain.p:.3f} with {judged.tried} recipes tried)"
    what = f"trial {judged.winner} ({values_of(found.trials[judged.winner])})"
    if gain.verdict == "better":
        return f"{what} is better: {beaten}{_worth(judged)}"
    reason = {"equal": "equal, within 1 standard error", "worse": "worse"}.get(gain.verdict, "not distinguishable")
    return f"noise: {what}, the best of {recipes}, is {reason}: {beaten}{_worth(judged)}; keep the recipe as given"


def _alike(gain: Comparison) -> bool:
    return gain.difference == gain.stderr == 0


def _worth(judged: Judged) -> str:
    """The winner's own score looks too good."""
    if judged.worth is None:
        return ""
    worth = judged.worth
    return (
        f"; the best of the {worth.num_tried} that ran in full looks like {worth.naive:.4f}, and is worth"
        f" {worth.score:.4f} +- {worth.stderr:.4f} with the choice among them counted"
    )


def _cost(found: Found) -> str:
    """What all of it took."""
    outcomes = [outcome for trial in found.trials for outcome in trial.outcomes]
    fresh = f", and {2 * len(found.judged.won)} on fresh folds {found.judged.seconds:.0f} s" if found.judged else ""
    return f"cost: {len(outcomes)} runs took {sum(outcome.seconds for outcome in outcomes):.0f} s{fresh}"


def apart_of(found: Apart) -> str:
    """What a list's values showed, in words."""
    worse = [f"{value} ({told(one)})" for value, one in found.others.items() if one.verdict == "worse"]
    near = [value for value, one in found.others.items() if one.verdict != "worse"]
    parts = [f"not distinguishable from {', '.join(near)}"] if near else []
    parts += [f"better than {', '.join(worse)}"] if worse else []
    untried = f"; not tried: {', '.join(found.untried)}" if found.untried else ""
    any_of = ": any of these, it may be noise" if not worse else ""
    return f"{found.name}: the best trial has {found.best}, {' and '.join(parts)}{any_of}{untried}"


def values_of(trial: Trial) -> str:
    """`depth=last 30 %, lr=0.0003`."""
    return ", ".join(f"{name}={value}" for name, value in trial.values.items())


def told(gain: Comparison) -> str:
    """A difference with its error."""
    return f"{gain.difference:+.4f} +- {gain.stderr:.4f}"


def command_of(found: Found) -> str:
    """The recommended recipe as a command."""
    place = found.place
    options = shared_options(place.cache, place.code)
    return shlex.join(["medalist", "run", str(place.root), "--recipe", str(place.out / BEST), *options])


def draw(found: Found) -> list[str]:
    """A chart a dimension, of all trials on the cheapest rung: bars of a list, points of a range; the files' names."""
    rows = [row for row in found.rows[0] if row.outcome.score is not None]
    recipe, names = found.plan.recipe, []
    if len(rows) < 2:
        return []
    given = next(row.outcome.score for row in rows if row.trial == GIVEN)
    axis = f"gain in {recipe.metric} over the recipe as given ({given:.4f})"
    title = f"on {found.plan.rungs[0].told}, {found.num_rows[0]} rows"
    for one in found.plan.dimensions:
        file = f"{slug(one.name)}.png"
        if one.choices:
            order = {text: place for place, text in enumerate(one.choices)}
            placed = sorted(rows, key=lambda row: (row.trial != GIVEN, order.get(row.values[one.name], -1)))
            bars(
                [_mark(row, f"{row.values[one.name]}: {_called(row)}") for row in placed],
                found.place.out / file,
                title=f"{one.name} {title}",
                axis=axis,
                baseline=AS_GIVEN,
            )
        else:
            inside = [row for row in rows if one.holds(row.values[one.name])]
            marks = [_mark(row, _called(row), float(row.values[one.name])) for row in inside]
            scatter(
                marks,
                found.place.out / file,
                title=f"{one.name} {title}",
                x=one.name,
                y=axis,
                log=one.log,
                baseline=AS_GIVEN,
            )
        names.append(file)
    return names


def _mark(row: Row, name: str, at: float = 0.0) -> Mark:
    gain = row.gain
    return Mark(name, gain.difference if gain else 0.0, gain.stderr if gain else 0.0, at, gain.verdict if gain else "")


def _called(row: Row) -> str:
    return AS_GIVEN if row.trial == GIVEN else f"trial {row.trial}"


def facts_of(found: Found, charts: Sequence[str]) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "question": "search",
        "metric": found.plan.recipe.metric,
        "space": list(map(str, found.plan.dimensions)),
        "dimensions": [asdict(one) for one in found.plan.dimensions],
        "rungs": [rung.told for rung in found.plan.rungs],
        "num_rows": list(found.num_rows),
        "trials": [{**asdict(trial), "state": _state(trial, len(found.plan.rungs))} for trial in found.trials],
        "rows": [asdict(row) for rows in found.rows for row in rows],
        "judged": None if found.judged is None else asdict(found.judged),
        "unjudged": found.unjudged,
        "apart": [asdict(one) for one in found.apart],
        "take": found.best.values if found.best.number != GIVEN else None,
        "verdict": sentence_of(found),
        "notes": list(found.notes),
        "charts": list(charts),
    }


def _state(trial: Trial, num_rungs: int) -> str:
    if trial.failed:
        return "failed"
    return "complete" if len(trial.scores) == num_rungs else "halved"
