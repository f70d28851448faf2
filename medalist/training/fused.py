"""A head on features that differ from fold to fold, as each fold's networks were trained without it (write-up 5).

For fold k every row is embedded by fold k's networks; the head learns from the rows outside k and answers those of k.
Features of two folds' networks never meet in one matrix. Axes: N images, D features, C classes, K folds, P penalties.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from medalist.fitted import State
from medalist.progress import track
from medalist.training.blas import one_thread
from medalist.training.choice import Grid, Task
from medalist.training.crossval import SMALLEST, unrotated
from medalist.training.heads.contract import LinearFit, Problem
from medalist.training.reduce import rotate, standard
from medalist.training.weights import mass

Embedded = Callable[[int | None], np.ndarray]


def fused_states(task: Task, embedded: Embedded, *, refit: bool) -> tuple[list[State], State | None, dict[str, Any]]:
    """Fit the head for each fold, and on all rows.

    The penalty of fold k is the best on the other folds, each judged by its own networks and head, which never saw it;
    the refit's is the best on all of them.

    Args:
        task: head (a linear one), labels and folds.
        embedded: fold -> (N, D) features of all rows by that fold's networks; None: by those trained on all rows.
        refit: whether a head on all rows is wanted.

    Returns:
        A state a fold, the refit's, and JSON: the penalties chosen.
    """
    folds = range(task.num_folds)
    with one_thread():
        losses = [_losses(task, embedded(k), k) for k in track(folds, f"judge {task.head.name}", len(folds), task.sink)]
        loss_KPT = np.stack([loss_PT for loss_PT, _ in losses])
        grid = losses[0][1]
        means = [loss_KPT[[j for j in folds if j != k]].mean(axis=0) for k in folds]
        chosen = [grid.best(loss_PT) for loss_PT in [*means, loss_KPT.mean(axis=0)]]
        states = [_fit(task, embedded(k), task.outside(k), grid, chosen[k]) for k in folds]
        last = _fit(task, embedded(None), task.outside(), grid, chosen[-1]) if refit else None
    return states, last, grid.facts(chosen, loss_KPT.mean(axis=0))


def _losses(task: Task, x_ND: np.ndarray, fold: int) -> tuple[np.ndarray, Grid]:
    """Mean log-loss (P, T) on a fold of models of the rows outside it."""
    x_NR, _ = rotate(standard(x_ND, weight_N=task.weight_N)(x_ND))
    problem: Problem = task.head.facts["problem"](x_NR, task.y, task.num_classes, task.weight_N)
    grid, held = Grid.of(task.head, problem), np.flatnonzero(task.fold_N == fold)

    def judge(fit: LinearFit) -> list[float]:
        return grid.loss(fit, x_NR[held], task.y[held], task.weights(held))

    (loss_PT,) = grid.walk(problem.path(task.outside(fold), grid.penalties), [judge])
    return loss_PT / max(mass(len(held), task.weights(held)), SMALLEST), grid


def _fit(task: Task, x_ND: np.ndarray, rows: np.ndarray, grid: Grid, chosen: tuple[int, int]) -> State:
    scaling = standard(x_ND, weight_N=task.weight_N)
    x_NR, basis_DR = rotate(scaling(x_ND))
    problem: Problem = task.head.facts["problem"](x_NR, task.y, task.num_classes, task.weight_N)
    *_, fit = problem.path(rows, grid.penalties[: chosen[0] + 1])
    return unrotated(fit, basis_DR, scaling, grid.temperatures[chosen[1]], task.y)
