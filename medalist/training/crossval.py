"""A head, features and folds -> out-of-fold probabilities, test probabilities, and the states that made them.

What is learnt from labels never meets the rows it is scored on. Fold k's model learns from the other folds, and its
penalty and temperature are chosen there too: on each fold j other than k, scored by a model that saw neither j nor k.
Such a pair model scores both its folds, so that K folds need at most K (K - 1) / 2 of them. Only the standardisation
and the rotation to principal axes see all training rows, without labels.

Axes: N training images, M test images, D features, C classes, K folds, P penalties, T temperatures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from medalist.errors import DataError, RecipeError
from medalist.fitted import Fitted, State
from medalist.progress import Sink, ignore, track
from medalist.registry import Bound
from medalist.training import heads
from medalist.training.blas import one_thread
from medalist.training.heads.contract import LinearFit, Problem, is_tags, linear_state, log_loss
from medalist.training.reduce import rotate, standard

Item = TypeVar("Item")
Result = TypeVar("Result")

ENOUGH_ROWS = 5000  # on which a fold's penalty is chosen; with fewer, all other folds take part


@dataclass(frozen=True)
class CrossValidated:
    """Probabilities of a head.

    Args:
        oof_NC: float32 (N, C), row i from the model that saw nothing of its fold.
        test_KMC: float32 (K, M, C), a slice a fold's model.
        fit_NC: float32 (N, C), the refit on its own training rows.
        meta: JSON facts: for linear heads the penalties and temperatures chosen (a fold each, then the
            refit's) and the out-of-fold log-loss along the penalties; for `mlp` its curves.
    """

    oof_NC: np.ndarray
    test_KMC: np.ndarray
    fit_NC: np.ndarray
    meta: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """Penalties, strongest first, and temperatures to choose from."""

    penalties: tuple[float, ...]
    temperatures: tuple[float, ...]

    @property
    def size(self) -> int:
        """Number of choices."""
        return len(self.penalties) * len(self.temperatures)

    def losses(self, fits: Sequence[LinearFit], x_NR: np.ndarray, y: Any) -> np.ndarray:
        """Summed log-loss (P, T) of a path of fits on held-out rows."""
        loss_PT = np.empty((len(self.penalties), len(self.temperatures)))
        for p, fit in enumerate(fits):
            score_NC = x_NR @ fit.weight_DC + fit.bias_C
            for t, temperature in enumerate(self.temperatures):
                loss_PT[p, t] = log_loss(np.float32(temperature) * score_NC + fit.offset_C, y)
        return loss_PT

    def best(self, loss_PT: np.ndarray) -> tuple[int, int]:
        """Indices of the least loss; of equal ones the strongest penalty."""
        p, t = np.unravel_index(loss_PT.argmin(), loss_PT.shape)
        return int(p), int(t)


@dataclass(frozen=True)
class Task:
    """What every model of a cross-validation shares."""

    head: Bound[Any]
    y: Any
    fold_N: np.ndarray
    num_folds: int
    num_classes: int
    seed: int
    sink: Sink

    def outside(self, *folds: int) -> np.ndarray:
        """Indices of the rows in none of `folds`."""
        return np.flatnonzero(~np.isin(self.fold_N, folds))


def crossval(
    head: Bound[Any],
    x_ND: np.ndarray,
    y: Any,
    fold_N: np.ndarray,
    x_test_MD: np.ndarray,
    *,
    num_classes: int,
    seed: int = 0,
    sink: Sink = ignore,
) -> tuple[Fitted, CrossValidated]:
    """Fit a head on the rows outside each fold, and on all rows.

    Args:
        head: a bound entry of `heads`; a penalty that the recipe fixes is not chosen.
        x_ND: float32 raw features.
        y: class indices (N,), or tags (N, C), dense or CSR.
        fold_N: (N,) fold of each row, 0 to K - 1; groups are whole in it.
        x_test_MD: float32 raw features.
        num_classes: C; a class may lack rows.
        seed: of whatever the head draws.
        sink: hears of each model.

    Raises:
        RecipeError: the head cannot learn the task, or there are fewer than three folds.
        DataError: only one class, in all rows or in those outside a fold.
    """
    task = Task(head, y, fold_N, int(fold_N.max()) + 1, num_classes, seed, sink)
    _check(task)
    with one_thread():
        states, meta = (_linear if "problem" in head.facts else _plain)(task, x_ND)
        oof_NC = np.empty((len(fold_N), num_classes), np.float32)
        for k in range(task.num_folds):
            oof_NC[fold_N == k] = heads.predict(head.text, states[k], x_ND[fold_N == k])
        test_KMC = np.stack([heads.predict(head.text, state, x_test_MD) for state in states[:-1]])
        fit_NC = heads.predict(head.text, states[-1], x_ND)
    fitted = Fitted(head.text, tuple(states[:-1]), states[-1], {"num_classes": num_classes, "seed": seed, **meta})
    return fitted, CrossValidated(oof_NC, test_KMC, fit_NC, meta)


def _check(task: Task) -> None:
    kind = "tags" if is_tags(task.y) else "binary" if task.num_classes == 2 else "multiclass"
    if kind not in task.head.facts["tasks"]:
        raise RecipeError(
            f"head {task.head.name!r} does not learn {kind}; it learns {', '.join(task.head.facts['tasks'])}"
        )
    if task.num_folds < 3:
        raise RecipeError(
            f"got {task.num_folds} folds, need at least 3: penalties are chosen on other folds; try folds.k=5"
        )
    for k in range(-1, task.num_folds):
        if kind != "tags" and len(np.unique(task.y[task.fold_N != k])) < 2:
            rows = f"the rows outside fold {k}" if k >= 0 else "the labelled rows"
            raise DataError(
                f"{rows} are all of one class: nothing to learn; give images of two classes, or other groups"
            )


def _plain(task: Task, x_ND: np.ndarray) -> tuple[list[State], dict[str, Any]]:
    """Heads without penalties: one fit on the rows outside each fold, one on all."""
    scaling = standard(x_ND)
    z_ND = scaling(x_ND)

    def fit(rows: np.ndarray) -> State:
        state = task.head(z_ND[rows], task.y[rows], num_classes=task.num_classes, seed=task.seed)
        return {**state, **scaling.state()}

    states = _in_parallel(fit, [*(task.outside(k) for k in range(task.num_folds)), task.outside()], task)
    curves = [state["curve_ET"].round(5).tolist() for state in states if "curve_ET" in state]
    return states, {"curves": curves} if curves else {}


def _linear(task: Task, x_ND: np.ndarray) -> tuple[list[State], dict[str, Any]]:
    """Linear heads: choose penalty and temperature for each fold on the others, then fit along the path to them."""
    scaling = standard(x_ND)
    x_NR, basis_DR = rotate(scaling(x_ND))
    problem: Problem = task.head.facts["problem"](x_NR, task.y, task.num_classes)
    grid = Grid(
        _fixed(task.head, "penalty") or problem.penalties, _fixed(task.head, "temperature") or problem.temperatures
    )
    # 1. Each fold's choice, on pair models that never saw it. 2. Its model. 3. The refit, chosen on all folds.
    chosen_K = [grid.best(loss_PT) for loss_PT in _losses_elsewhere(task, problem, grid, x_NR)]

    def fit_fold(k: int) -> tuple[LinearFit, np.ndarray]:
        fits = list(problem.path(task.outside(k), grid.penalties))
        return fits[chosen_K[k][0]], grid.losses(fits, x_NR[task.fold_N == k], task.y[task.fold_N == k])

    fits, losses = zip(*_in_parallel(fit_fold, range(task.num_folds), task), strict=True)
    loss_PT = np.sum(losses, axis=0) / len(x_NR)
    chosen = [*chosen_K, grid.best(loss_PT)]
    *_, refit = problem.path(task.outside(), grid.penalties[: chosen[-1][0] + 1])

    def state(fit: LinearFit, temperature: float) -> State:
        raw = LinearFit(basis_DR @ fit.weight_DC, fit.bias_C, fit.offset_C)
        return {**linear_state(raw, temperature, task.y), **scaling.state()}

    penalties, temperatures = [grid.penalties[p] for p, _ in chosen], [grid.temperatures[t] for _, t in chosen]
    curve = [
        [penalty, round(float(loss), 6)] for penalty, loss in zip(grid.penalties, loss_PT.min(axis=1), strict=True)
    ]
    return [state(fit, temperature) for fit, temperature in zip([*fits, refit], temperatures, strict=True)], {
        "penalties": penalties,
        "temperatures": temperatures,
        "curve": curve,
    }


def _losses_elsewhere(task: Task, problem: Problem, grid: Grid, x_NR: np.ndarray) -> np.ndarray:
    """Losses (K, P, T) for the choice of fold k: on other folds j, of models that saw neither j nor k."""
    held = [task.fold_N == k for k in range(task.num_folds)]

    def both(pair: tuple[int, int]) -> list[np.ndarray]:
        fits = list(problem.path(task.outside(*pair), grid.penalties))
        return [grid.losses(fits, x_NR[held[k]], task.y[held[k]]) for k in pair]

    loss_KPT = np.zeros((task.num_folds, len(grid.penalties), len(grid.temperatures)))
    pairs = _pairs(task.num_folds, len(x_NR)) if grid.size > 1 else []
    for (j, k), (loss_j, loss_k) in zip(pairs, _in_parallel(both, pairs, task), strict=True):
        loss_KPT[k] += loss_j
        loss_KPT[j] += loss_k
    return loss_KPT


def _fixed(head: Bound[Any], name: str) -> tuple[float, ...]:
    """The value that the recipe gave, as a grid of one; empty where it is to be chosen."""
    return (float(head.arguments[name]),) if name in head.arguments else ()


def _pairs(num_folds: int, num_rows: int) -> list[tuple[int, int]]:
    """Pairs of folds at distance 1, 2, ... around the circle of folds, until each fold has enough rows to choose on."""
    pairs: list[tuple[int, int]] = []
    for distance in range(1, num_folds // 2 + 1):
        ring = [(k, (k + distance) % num_folds) for k in range(num_folds)]
        pairs += ring[: num_folds // 2] if 2 * distance == num_folds else ring
        if 2 * distance * num_rows / num_folds >= ENOUGH_ROWS:
            break
    return pairs


def _in_parallel(function: Callable[[Item], Result], items: Sequence[Item], task: Task) -> list[Result]:
    """One thread a core, each with a single-threaded BLAS: faster than one product on all cores, and the same bits."""
    if not items:
        return []
    with ThreadPoolExecutor(min(len(items), os.cpu_count() or 1)) as pool:
        return list(track(pool.map(function, items), f"fit {task.head.name}", len(items), task.sink))
