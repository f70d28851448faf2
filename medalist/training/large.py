"""Linear heads on rows that do not fit in memory: each fold's penalty chosen on another, its model, and the refit.

The same honesty as in `crossval`, in less detail: every fold is paired with one other, a pair's models are scored on a
sample of its two folds, and the path of penalties is walked only until both folds have passed their least loss.
Axes: N training images, H held-out images of the sample, D features, C classes, K folds, P penalties, T temperatures.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from medalist.fitted import State
from medalist.training.choice import Grid, Task, in_parallel
from medalist.training.heads.contract import LinearFit, Streamed, is_tags, linear_state, targets
from medalist.training.moments import solvers
from medalist.training.rows import BLOCK, Rows, Source, measure
from medalist.training.weights import mass, part_of, present

SAMPLE = (1000, 5000)  # held-out rows of a fold, at least and at most, on which a penalty is chosen
SMALLEST = 1e-12  # a fold may weigh nothing
SAMPLE_CELLS = 5_000_000  # rows x classes of it


def states(task: Task, source: Source) -> tuple[list[State], dict[str, Any]]:
    """Choose penalty and temperature for each fold on others, then fit each fold's model and the refit."""
    rows = Rows(source, measure(source, root=task.root, weight_N=task.weight_N))
    problem: Streamed = task.head.facts["streamed"](rows, task.y, task.fold_N, task.num_classes, task.weight_N)
    grid = Grid.of(task.head, problem)
    loss_KPT = _losses_elsewhere(task, problem, grid, rows)
    # The refit is scored on no row: it may choose on all of them.
    chosen = [grid.best(loss_PT) for loss_PT in [*loss_KPT, loss_KPT.mean(axis=0)]]
    left_out = [*([k] for k in range(task.num_folds)), []]
    fits = problem.fits(left_out, [grid.penalties[p] for p, _ in chosen])
    temperatures = [grid.temperatures[t] for _, t in chosen]
    scaling = rows.scaling.state()
    made = [{**linear_state(fit, t, task.y), **scaling} for fit, t in zip(fits, temperatures, strict=True)]
    return made, grid.facts(chosen, loss_KPT.mean(axis=0))


def _losses_elsewhere(task: Task, problem: Streamed, grid: Grid, rows: Rows) -> np.ndarray:
    """Mean losses (K, P, T) for the choice of fold k, on its partners j, of models that saw neither j nor k.

    A penalty that was not tried has an infinite loss.
    """
    if grid.size == 1:
        return np.full((task.num_folds, 1, 1), np.inf)
    loss_KPT = np.zeros((task.num_folds, len(grid.penalties), len(grid.temperatures)))
    pairs = [(k, (k + 1) % task.num_folds) for k in range(0, task.num_folds, 2)]

    def both(pair: tuple[int, int]) -> np.ndarray:
        return _pair_losses(task, problem, grid, rows, pair)

    most = solvers(rows.num_features)
    losses = in_parallel(both, pairs, task, most) if problem.side_by_side else [both(pair) for pair in pairs]
    partners_K = np.zeros(task.num_folds)
    for (j, k), (loss_j, loss_k) in zip(pairs, losses, strict=True):
        loss_KPT[k] += loss_j
        loss_KPT[j] += loss_k
        partners_K[[j, k]] += 1
    return loss_KPT / partners_K[:, None, None]


def _pair_losses(task: Task, problem: Streamed, grid: Grid, rows: Rows, pair: Sequence[int]) -> np.ndarray:
    """Mean losses (2, P, T) on a sample of either fold."""
    least, most = SAMPLE
    wanted = int(np.clip(SAMPLE_CELLS // task.num_classes, least, most))
    held = [_sample(present(np.flatnonzero(task.fold_N == k), task.weight_N), wanted) for k in pair]
    x_HD = [rows.read(sample) for sample in held]
    judges = [
        partial(_mean_loss, grid, x_HD=x, y=task.y[sample], weight_H=task.weights(sample))
        for x, sample in zip(x_HD, held, strict=True)
    ]
    return grid.walk(problem.path(pair, grid.penalties), judges)


def _mean_loss(grid: Grid, fit: LinearFit, x_HD: np.ndarray, y: Any, weight_H: np.ndarray | None) -> np.ndarray:
    """Mean log-loss (T,), a block at a time."""
    total_T = np.zeros(len(grid.temperatures))
    for start in range(0, len(x_HD), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(x_HD)))
        part = y[block]
        truth = targets(part, part.shape[1]) if is_tags(part) else part
        total_T += grid.loss(fit, x_HD[block], truth, part_of(weight_H, block))
    return total_T / max(mass(len(x_HD), weight_H), SMALLEST)


def _sample(rows: np.ndarray, wanted: int) -> np.ndarray:
    """At most `wanted` of the rows, in their order, drawn without looking at them."""
    if len(rows) <= wanted:
        return rows
    return np.sort(np.random.default_rng(len(rows)).choice(rows, wanted, replace=False))
