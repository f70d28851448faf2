"""`medalist search`: which values of several keys at once; the winner judged on folds that no trial saw.

Every trial is a recipe and every rung of it an ordinary run below `OUT/arms`, in a process of its own; `optuna.journal`
is the record. The same command goes on where it stood, also with more trials, more hours or more seeds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medalist.data.table import ImageTable
from medalist.errors import RecipeError
from medalist.evidence.draws import bind
from medalist.experiments.ablating.questions import hidden_by_blend, split_values
from medalist.experiments.arms import Arm, Done, carry_out, check_arms, weights_of_all
from medalist.experiments.folder import BEST, JOURNAL, RESULT, TABLE, answered, asking, finish
from medalist.experiments.searching.children import Place, Runs
from medalist.experiments.searching.climb import Limits, Plan, climb
from medalist.experiments.searching.journal import Journal
from medalist.experiments.searching.judged import Judged, Row, apart, judge, rows_of, winner_of
from medalist.experiments.searching.names import flow
from medalist.experiments.searching.record import GIVEN, Trial
from medalist.experiments.searching.rungs import rungs_of
from medalist.experiments.searching.space import Dimension, own_values, parse_space, with_values
from medalist.experiments.searching.told import Found, draw, facts_of, text_of
from medalist.experiments.seeds import ENOUGH_SEEDS, draws, seeded, seeds_for
from medalist.pipeline import run_key
from medalist.pipeline.backbones import choose
from medalist.pipeline.checks import check, check_table
from medalist.pipeline.way import read
from medalist.progress import Event, Sink, ignore
from medalist.recipe import Recipe
from medalist.store import hash_json, write_atomic

RANKED = 6  # of the backbones that `medalist rank` put first


def search(
    recipe: Recipe,
    place: Place,
    space: Sequence[str],
    *,
    limits: Limits,
    jobs: int | None = None,
    ranked: Path | None = None,
    sink: Sink = ignore,
    overwrite: bool = False,
) -> str:
    """Search a space of recipes; what is printed: a table rung by rung, the verdict, what to type next.

    Args:
        recipe: as given, with which everything is compared.
        place: of the dataset, the experiment and the cache.
        space: dimensions; see `space.parse_space`.
        limits: how many trials, or how long; and the seeds that judge the winner.
        jobs: runs side by side, if their memory fits; None: as many as pay. With one, the same command finds the same.
        ranked: folder of `medalist rank`, or its experiment.json: its backbones in its order are the first trials.
        sink: takes progress events.
        overwrite: replace another question in the folder.

    Raises:
        RecipeError: all faults of the space, then all of the recipes that it can make, before the first run; or the
            recipe as given fails.
        StoreError: the folder holds another question, cannot be written, or is being written.
        MissingExtraError: optuna is not installed.
    """
    _check_limits(limits)
    chosen: list[str] = []
    recipe = choose(recipe, chosen)
    check(recipe, place.root, place.out)
    table = read(recipe, place.root)
    check_table(recipe, table)
    plan = _plan(recipe, table, space, limits, ranked)
    arms = _arms(plan)
    check_arms(arms, place.root, place.out)
    key = _key(recipe, place.root, plan, arms)
    if not overwrite and _finished(place.out, key, plan.limits):
        return (place.out / TABLE).read_text(encoding="utf-8") + "nothing was computed: this was searched before"
    with asking(place.out, key, overwrite=overwrite):
        found = _searched(plan, place, hash_json(key), jobs, sink)
        found = replace(found, notes=(*chosen, *found.notes))
        write_atomic(place.out / BEST, plan.of(found.best).to_yaml().encode())
        charts = draw(found)
        text = text_of(found, charts)
        finish(place.out, {**facts_of(found, charts), "limits": _facts(plan.limits)}, text)
    return text


def _key(recipe: Recipe, root: Path, plan: Plan, arms: Sequence[Arm]) -> dict[str, Any]:
    """What the answer depends on, but for the limits."""
    return {
        "question": "search",
        **run_key(recipe, root),
        "weights": weights_of_all(arm.recipe for arm in arms),
        "space": list(map(str, plan.dimensions)),
        "first": list(plan.first),
    }


def _check_limits(limits: Limits) -> None:
    for name, value, least in (("trials", limits.trials, 1), ("seeds", limits.seeds, 1)):
        if value is not None and value < least:
            raise RecipeError(f"--{name} {value}: expected {least} or more")
    if limits.hours is not None and not limits.hours > 0:
        raise RecipeError(f"--hours {limits.hours:g}: expected more than 0, such as 0.5")


def _plan(recipe: Recipe, table: ImageTable, space: Sequence[str], limits: Limits, ranked: Path | None) -> Plan:
    """What is searched, from what was typed."""
    settings = recipe.finetune
    if settings is not None and settings.holdout:
        raise RecipeError("finetune.holdout: a search holds out by itself, on its lower rungs; leave it out")
    if settings is not None and settings.steer == "fold":
        raise RecipeError(
            "finetune.steer=fold scores rows that chose the epoch, too good to be followed; take none or inner"
        )
    first = _ranked(ranked) if ranked is not None else ()
    if first:
        entries = [entry for text in space for entry in split_values(text)]
        space = [f"backbones=[{', '.join(first)}]", *(entry for entry in entries if entry != "backbones")]
    dimensions = parse_space(recipe, space, task=table.task)
    own = own_values(recipe, dimensions)
    queue = tuple({**_nearest(own, dimensions), "backbones": text} for text in first)
    higher = bind(recipe.metric).facts["better"] == "higher"
    plan = Plan(recipe, dimensions, rungs_of(recipe), higher, queue, limits)
    return replace(plan, limits=replace(limits, seeds=seeds_for([arm.recipe for arm in _arms(plan)], limits.seeds)))


def _nearest(own: dict[str, str], dimensions: Sequence[Dimension]) -> dict[str, str]:
    """The recipe's own values, or the first of those that the space has."""
    return {one.name: own[one.name] if one.holds(own[one.name]) else one.extremes()[0] for one in dimensions}


def _ranked(ranked: Path) -> tuple[str, ...]:
    """The backbones that a ranking put first, as lists, the best first; fusions among them."""
    file = ranked / RESULT if ranked.is_dir() else ranked
    try:
        rows = json.loads(file.read_bytes())["rows"]
        found = sorted(rows, key=lambda row: -row["gain"])
        lists = [flow(row["backbones"]) for row in found]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecipeError(f"--from {ranked}: expected the folder of a finished `medalist rank` ({error!r})") from error
    if len(lists) < 2:
        raise RecipeError(f"--from {ranked}: it ranked {len(lists)} backbone, expected two or more")
    return tuple(lists[:RANKED])


def _arms(plan: Plan) -> list[Arm]:
    """Each value by itself, the recipe as given first; all must be possible, before the first run."""
    arms = [Arm("the recipe as given", plan.recipe)]
    for one in plan.dimensions:
        recipes = {text: with_values(plan.recipe, [one], {one.name: text}) for text in one.extremes()}
        arms += [Arm(f"{one.name}={text}", recipe) for text, recipe in recipes.items() if recipe != plan.recipe]
    return arms


def _finished(out: Path, key: dict[str, Any], limits: Limits) -> bool:
    """Whether this very search is done, and not a shorter one, or one whose winner's runs failed."""
    result = answered(out, key)
    return result is not None and result["limits"] == _facts(limits) and not result["unjudged"]


def _facts(limits: Limits) -> dict[str, Any]:
    return {"trials": limits.trials, "hours": limits.hours, "seeds": limits.seeds}


def _searched(plan: Plan, place: Place, name: str, jobs: int | None, sink: Sink) -> Found:
    """Climb, judge, tell apart."""
    journal = Journal(place.out / JOURNAL, name, higher=plan.higher, num_rungs=len(plan.rungs))
    peak = max((outcome.peak for trial in journal.trials() for outcome in trial.outcomes), default=0)
    workers, start = Runs(place, jobs, peak=peak, sink=sink), time.perf_counter()

    def tell(trials: list[Trial]) -> None:
        total = 1 + (plan.limits.trials or len(trials))
        runs = sum(len(trial.outcomes) for trial in trials)
        note = {"trial": len(trials) - 1, "runs": runs}
        sink(Event("trials", len(trials), total, time.perf_counter() - start, note))

    trials = climb(plan, journal, workers, tell=tell)
    runs = [_runs(plan, place, trials, rung) for rung in range(len(plan.rungs))]
    rows = [rows_of(rung.told, at, trials, runs[at]) for at, rung in enumerate(plan.rungs)]
    judged, unjudged = _judged(plan, place, workers, trials, rows[-1], runs[-1])
    lists = [one for one in plan.dimensions if one.choices]
    return Found(
        plan=plan,
        place=place,
        trials=tuple(trials),
        rows=tuple(map(tuple, rows)),
        num_rows=tuple(len(done[GIVEN].answers_N) for done in runs),
        judged=judged,
        unjudged=unjudged,
        apart=tuple(told for one in lists if (told := apart(one, rows[0], runs[0])) is not None),
        notes=tuple(_notes(plan)),
    )


def _runs(plan: Plan, place: Place, trials: Sequence[Trial], rung: int) -> dict[int, Done]:
    """The runs of a rung that finished, by trial."""
    return {
        trial.number: carry_out(plan.arm(trial, rung), place.root, place.out, cache=place.cache)
        for trial in trials
        if len(trial.scores) > rung
    }


def _judged(
    plan: Plan, place: Place, workers: Runs, trials: Sequence[Trial], rows: Sequence[Row], last: dict[int, Done]
) -> tuple[Judged | None, str]:
    """The winner on fresh folds; or why that failed."""
    winner = winner_of(rows)
    if winner is None:
        return None, ""
    # Test images are answered there as the recipe says: the winner's runs are whole.
    pairs = [
        [Arm(f"fresh{step}-{number:03d}", seeded(plan.of(trials[number]), step)) for number in (GIVEN, winner)]
        for step in range(1, plan.seeds + 1)
    ]
    queue = [arm for pair in pairs for arm in pair]
    at_work, faults = 0, list[str]()
    while queue or at_work:
        while queue and workers.room:
            workers.start(queue.pop(0))
            at_work += 1
        name, outcome = workers.wait()
        at_work -= 1
        if outcome.fault:  # the others at work are ended by themselves: nothing is written behind the search's back
            faults.append(f"{name}: {outcome.fault}")
            queue.clear()
    if faults:
        return None, faults[0]
    given, won = (
        [carry_out(pair[side], place.root, place.out, cache=place.cache) for pair in pairs] for side in (0, 1)
    )
    tried = sum(bool(trial.scores) for trial in trials[1:])
    return judge(winner, given, won, last, tried=tried), ""


def _notes(plan: Plan) -> list[str]:
    """What a reader of the numbers must know."""
    notes = []
    if len(plan.rungs) > 1:
        notes.append("trials that were halved were left by their score on that rung alone")
    notes += hidden_by_blend(plan.recipe, [one.key for one in plan.dimensions])
    if plan.seeds == 1 and any(draws(arm.recipe) for arm in _arms(plan)):
        notes.append(
            "a training that draws other numbers ends elsewhere, and one seed does not show how far: --seeds"
            f" {ENOUGH_SEEDS} counts that in when the winner is judged"
        )
    return notes
