"""Rungs of a search: little is asked of many recipes, all of few; who goes on is decided without waiting for the rest.

Asynchronous successive halving (Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning, algorithm 2):
the best third of a rung goes up as soon as it is known to be the best third; when nothing new is tried any more, at
least one does. A rung's scores are compared with that rung's alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from medalist.recipe import Recipe

ETA = 3  # one in so many goes up; also the share of the epochs on the first rung


@dataclass(frozen=True)
class Rung:
    """How much is asked of a recipe.

    Args:
        name: part of its arms' names.
        told: to people.
        short: a third of each phase's epochs.
        holdout: one training, scored on one fold.
    """

    name: str
    told: str
    short: bool = False
    holdout: bool = False


THIRD = Rung("third", "one holdout, a third of the epochs", short=True, holdout=True)
HOLDOUT = Rung("holdout", "one holdout, all epochs", holdout=True)
SHORT_FOLDS = Rung("short", "all folds, a third of the epochs", short=True)
FOLDS = Rung("folds", "all folds, all epochs")
FROZEN = Rung("folds", "all folds")


def rungs_of(recipe: Recipe) -> tuple[Rung, ...]:
    """The rungs that a recipe can have, the cheapest first.

    Frozen heads cost so little that they have one. A head on trained features is fitted across folds: no holdout.
    """
    if recipe.finetune is None:
        return (FROZEN,)
    if recipe.finetune.fuse != "answers":
        return (SHORT_FOLDS, FOLDS)
    return (THIRD, HOLDOUT, FOLDS)


def at(recipe: Recipe, rung: Rung) -> Recipe:
    """The recipe as it runs on a rung; test images are answered by the folds' models, which saves a training."""
    final = "folds" if recipe.test_prior == "train" else recipe.final
    if (settings := recipe.finetune) is None:
        return recipe.model_copy(update={"final": final})
    update: dict[str, object] = {"holdout": rung.holdout}
    if rung.short:
        phases = tuple(phase.model_copy(update={"epochs": -(-phase.epochs // ETA)}) for phase in settings.phases)
        ramp = settings.ramp
        shorter = {part: getattr(ramp, part) // ETA for part in ("first", "fade", "last")}
        update |= {"phases": phases, "ramp": ramp.model_copy(update=shorter), "mix_last": settings.mix_last // ETA}
    return recipe.model_copy(update={"final": final, "finetune": settings.model_copy(update=update)})


def promoted(
    climbed: Mapping[int, Sequence[float]], num_rungs: int, *, busy: Set[int] = frozenset(), closing: bool = False
) -> tuple[int, int] | None:
    """Which trial goes up next, and to which rung.

    Args:
        climbed: of each trial its scores rung by rung, higher is better; without those that failed.
        num_rungs: of the search.
        busy: trials that are at work on their next rung: they count, but do not go up twice.
        closing: nothing new is tried and nothing is at work: the best of a rung goes up however few there are.

    >>> promoted({1: [0.8], 2: [0.9], 3: [0.7]}, 2)
    (2, 1)
    """
    rungs = range(num_rungs - 1)
    # Regular promotions from the top down, as in the paper; those of the close from the bottom up, so that a rung is
    # full before its best leaves it.
    for least, order in ((0, reversed(rungs)), *(((1, iter(rungs)),) if closing else ())):
        for rung in order:
            if (best := _first(climbed, rung, busy, least)) is not None:
                return best, rung + 1
    return None


def _first(climbed: Mapping[int, Sequence[float]], rung: int, busy: Set[int], least: int) -> int | None:
    """The best trial of the rung's best third that has not gone up; of equals the earlier."""
    there = [number for number, scores in climbed.items() if len(scores) > rung]
    ranked = sorted(there, key=lambda number: (-climbed[number][rung], number))
    third = ranked[: max(least, len(ranked) // ETA)]
    return next((number for number in third if len(climbed[number]) == rung + 1 and number not in busy), None)
