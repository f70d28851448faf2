"""The climb: trials are drawn, run and promoted until nothing is left to do; killed, it goes on from the record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from medalist.errors import RecipeError
from medalist.experiments.arms import Arm
from medalist.experiments.searching.journal import Journal, propose
from medalist.experiments.searching.record import GIVEN, Outcome, Trial
from medalist.experiments.searching.rungs import Rung, at, promoted
from medalist.experiments.searching.space import Dimension, own_values, with_values
from medalist.recipe import Recipe


@dataclass(frozen=True)
class Limits:
    """How long a search goes on.

    Args:
        trials: recipes beside the one as given; None: until the hours are over.
        hours: of all runs together; no new trial begins that would leave no time for the runs that judge.
        seeds: under which the winner is judged at the end; None: as many as `questions.seeds_for` says.
    """

    trials: int | None = None
    hours: float | None = None
    seeds: int | None = None


@dataclass(frozen=True)
class Plan:
    """What is searched, and how.

    Args:
        recipe: as given.
        dimensions: of the space.
        rungs: the cheapest first.
        higher: whether a higher score is better.
        first: values of the first trials, before any are drawn.
        limits: when to stop.
    """

    recipe: Recipe
    dimensions: tuple[Dimension, ...]
    rungs: tuple[Rung, ...]
    higher: bool
    first: tuple[dict[str, str], ...] = ()
    limits: Limits = Limits()

    @property
    def seeds(self) -> int:
        """That judge the winner."""
        return self.limits.seeds or 1

    def of(self, trial: Trial) -> Recipe:
        """The recipe of a trial."""
        return self.recipe if trial.number == GIVEN else with_values(self.recipe, self.dimensions, trial.values)

    def arm(self, trial: Trial, rung: int) -> Arm:
        """A trial as it runs on a rung."""
        return Arm(f"{trial.number:03d}-{self.rungs[rung].name}", at(self.of(trial), self.rungs[rung]))


class Workers(Protocol):
    """Who runs arms; see `children.Runs`."""

    @property
    def room(self) -> bool:
        """Whether one more fits."""

    def start(self, arm: Arm) -> None:
        """Begin an arm's run, or go on with it."""

    def wait(self) -> tuple[str, Outcome]:
        """The next arm that ends, by name, and what came of it."""


def climb(plan: Plan, journal: Journal, workers: Workers, *, tell: Callable[[list[Trial]], None]) -> list[Trial]:
    """Try recipes until the limits are reached; the record, with the recipe as given first.

    Args:
        plan: what is searched.
        journal: its record; what stands there is not run again.
        workers: who runs arms.
        tell: gets the record whenever a run ended.

    Raises:
        RecipeError: the recipe as given fails.
    """
    at_work: dict[str, int] = {}
    while True:
        trials = journal.trials()
        if trials and trials[GIVEN].failed:
            raise RecipeError(
                f"the recipe as given fails, so that nothing can be compared: {trials[GIVEN].failed}; --overwrite runs"
                " it again"
            )
        while workers.room and (job := _next(plan, journal, set(at_work.values()))) is not None:
            arm = plan.arm(*job)
            at_work[arm.name] = job[0].number
            workers.start(arm)
        if not at_work:
            return journal.trials()
        name, outcome = workers.wait()
        journal.note(at_work.pop(name), outcome)
        tell(journal.trials())


def _next(plan: Plan, journal: Journal, busy: set[int]) -> tuple[Trial, int] | None:
    """The next run: of a trial, on a rung."""
    trials, num_rungs = journal.trials(), len(plan.rungs)
    # 1. The recipe as given, on all rungs: everything is compared with it, and it says what a run costs.
    given = trials[GIVEN] if trials else journal.begin(own_values(plan.recipe, plan.dimensions), plan.dimensions)
    if len(given.outcomes) < num_rungs:
        return None if GIVEN in busy else (given, len(given.outcomes))
    # 2. What was begun before a kill.
    begun = [trial for trial in trials if not trial.outcomes and trial.number not in busy]
    if begun:
        return begun[0], 0
    # 3. Who deserves to go up.
    climbed = {trial.number: _signed(plan, trial) for trial in trials[1:] if trial.outcomes and not trial.failed}
    up = promoted(climbed, num_rungs, busy=busy)
    # 4. A new one; when there is none any more and all have ended, the best of each rung goes up.
    if up is None and (values := _new(plan, trials)) is not None:
        return journal.begin(values, plan.dimensions), 0
    if up is None and not busy:
        up = promoted(climbed, num_rungs, closing=True)
    return None if up is None else (trials[up[0]], up[1])


def _new(plan: Plan, trials: Sequence[Trial]) -> dict[str, str] | None:
    """Values that were not tried yet; None: enough was tried, or all."""
    if not _time_left(plan, trials) or (plan.limits.trials is not None and len(trials) > plan.limits.trials):
        return None
    tried = {plan.of(trial).hash for trial in trials}
    drawn = propose(trials, plan.dimensions, num_rungs=len(plan.rungs), higher=plan.higher, seed=plan.recipe.seed)
    for values in chain(plan.first, drawn):
        try:
            recipe = with_values(plan.recipe, plan.dimensions, values)
        except RecipeError:  # each value is possible, these together are not
            continue
        if recipe.hash not in tried:
            return values
    return None


def _time_left(plan: Plan, trials: Sequence[Trial]) -> bool:
    """Whether a new trial leaves time for the best to climb, and for what judges it."""
    if plan.limits.hours is None:
        return True
    spent = sum(outcome.seconds for trial in trials for outcome in trial.outcomes)
    own = [outcome.seconds for outcome in trials[GIVEN].outcomes]
    return spent + sum(own) + 2 * plan.seeds * own[-1] <= plan.limits.hours * 3600


def _signed(plan: Plan, trial: Trial) -> list[float]:
    return [score if plan.higher else -score for score in trial.scores]
