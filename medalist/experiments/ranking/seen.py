"""What a ranking ran and saw: candidates, their paces, looks on the way, runs of singles and of fusions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medalist.experiments.arms import Done
from medalist.experiments.ranking.candidates import Candidate, Pace
from medalist.experiments.ranking.fusions import Fusions
from medalist.experiments.ranking.screen import Look
from medalist.recipe import Recipe


@dataclass(frozen=True)
class Ranking:
    """What was run and seen.

    Args:
        recipe: of all arms, but for the backbones.
        data: folder of the dataset, as it was typed.
        candidates: all that were asked, and were allowed.
        paces: how fast each is, by name.
        looks: on the way of halving.
        singles: run in full, the best first.
        fusions: pairs and trios.
        seconds: that reading the images and their features took.
        notes: sentences for people.
        options: that a run needs too, as they were typed.
    """

    recipe: Recipe
    data: Path
    candidates: tuple[Candidate, ...]
    paces: dict[str, Pace]
    looks: tuple[Look, ...]
    singles: tuple[Done, ...]
    fusions: Fusions
    seconds: float
    notes: tuple[str, ...]
    options: tuple[str, ...] = ()
