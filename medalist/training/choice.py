"""What a linear head is chosen by: penalties and temperatures, scored on folds that its models never saw.

Axes: N training images, R features, C classes, P penalties, T temperatures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from medalist.engines.local import usable_cores
from medalist.progress import Sink, track
from medalist.registry import Bound
from medalist.training.heads.contract import LinearFit, log_loss
from medalist.training.weights import part_of

Item = TypeVar("Item")
Result = TypeVar("Result")

PATIENCE = 2  # penalties weaker than the best one that are still tried


@dataclass(frozen=True)
class Grid:
    """Penalties, strongest first, and temperatures to choose from."""

    penalties: tuple[Any, ...]
    temperatures: tuple[float, ...]

    @classmethod
    def of(cls, head: Bound[Any], problem: Any) -> Grid:
        """A problem's grid, but for what the recipe fixes."""
        penalties = _fixed(head, head.facts.get("strength", "penalty")) or problem.penalties
        return cls(penalties, _fixed(head, "temperature") or problem.temperatures)

    @property
    def size(self) -> int:
        """Number of choices."""
        return len(self.penalties) * len(self.temperatures)

    def walk(self, fits: Iterable[LinearFit], judges: Sequence[Callable[[LinearFit], Any]]) -> np.ndarray:
        """Losses (J, P, T) of a path of fits by each judge, until all judges have passed their least loss.

        PATIENCE weaker penalties are still tried; those after them, which cost a solver most, have an infinite loss. A
        judge sees no further than its own end: how far another's labels led must not tell what it may choose. A loss
        that is no number counts as infinite.
        """
        loss_JPT = np.full((len(judges), len(self.penalties), len(self.temperatures)), np.inf)
        walking = np.ones(len(judges), bool)
        for p, fit in enumerate(fits):
            for j, judge in enumerate(judges):
                if walking[j]:
                    loss_JPT[j, p] = _numbers(judge(fit))
            walking &= loss_JPT.min(axis=2).argmin(axis=1) + PATIENCE > p
            if not walking.any():
                break
        return loss_JPT

    def loss(self, fit: LinearFit, x_NR: np.ndarray, y: Any, weight_N: np.ndarray | None = None) -> list[float]:
        """Summed log-loss (T,) of a fit on held-out rows, each times its weight."""
        score_NC = x_NR @ fit.weight_DC + fit.bias_C
        return [log_loss(np.float32(t) * score_NC + fit.offset_C, y, weight_N) for t in self.temperatures]

    def best(self, loss_PT: np.ndarray) -> tuple[int, int]:
        """Indices of the least loss; of equal ones, and where none is a number, the strongest penalty."""
        p, t = np.unravel_index(_numbers(loss_PT).argmin(), loss_PT.shape)
        return int(p), int(t)

    def facts(self, chosen: Sequence[tuple[int, int]], loss_PT: np.ndarray) -> dict[str, Any]:
        """JSON: penalty and temperature chosen for each model; the mean log-loss of each penalty that was tried."""
        curve = zip(self.penalties, loss_PT.min(axis=1).tolist(), strict=True)
        return {
            "penalties": [self.penalties[p] for p, _ in chosen],
            "temperatures": [self.temperatures[t] for _, t in chosen],
            "curve": [[penalty, round(loss, 6)] for penalty, loss in curve if np.isfinite(loss)],
        }


@dataclass(frozen=True)
class Task:
    """What every model of a cross-validation shares.

    `fold_N` is -1 for rows that every model learns from and none is judged on. `root`: see `reduce.standard`;
    `weight_N`: see `weights`. `in_blocks`: rows outside some folds are all the others, so that `large` may fit them.
    """

    head: Bound[Any]
    y: Any
    fold_N: np.ndarray
    num_folds: int
    num_classes: int
    seed: int
    sink: Sink
    root: bool = True
    weight_N: np.ndarray | None = None
    in_blocks: ClassVar[bool] = True

    def outside(self, *folds: int) -> np.ndarray:
        """Indices of the rows in none of `folds`."""
        return np.flatnonzero(~np.isin(self.fold_N, folds))

    def weights(self, rows: np.ndarray) -> np.ndarray | None:
        """Of some rows."""
        return part_of(self.weight_N, rows)


def _numbers(loss: Any) -> np.ndarray:
    """Losses, infinite where they are no number."""
    return np.asarray(np.nan_to_num(loss, nan=np.inf, posinf=np.inf))


def _fixed(head: Bound[Any], name: str) -> tuple[Any, ...]:
    """The value that the recipe gave, as a grid of one; empty where it is to be chosen."""
    value = head.arguments.get(name)
    return () if value is None else (value if isinstance(value, str) else float(value),)


def in_parallel(
    function: Callable[[Item], Result], items: Sequence[Item], task: Task, most: int | None = None
) -> list[Result]:
    """One thread a core, each with a single-threaded BLAS: faster than one product on all cores, and the same bits.

    Args:
        function: what is done with an item.
        items: one a model or pair of folds.
        task: whose head is named in the progress.
        most: threads, where fewer than the cores.
    """
    if not items:
        return []
    with ThreadPoolExecutor(min(len(items), usable_cores(), most or len(items))) as pool:
        return list(track(pool.map(function, items), f"fit {task.head.name}", len(items), task.sink))
