"""A head, features and folds -> out-of-fold probabilities, test probabilities, and the states that made them.

What is learnt from labels never meets the rows it is scored on. Fold k's model learns from the other folds, and its
penalty and temperature are chosen there too: on each fold j other than k, scored by a model that saw neither j nor k.
Such a pair model scores both its folds, so that K folds need at most K (K - 1) / 2 of them. Only the standardisation
and the rotation to principal axes see all training rows, without labels.

Axes: N training images, M test images, D features, C classes, K folds, P penalties, T temperatures.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from medalist.errors import DataError, RecipeError
from medalist.fitted import Fitted, State
from medalist.progress import Sink, ignore
from medalist.registry import Bound
from medalist.training import heads, large
from medalist.training.blas import one_thread
from medalist.training.choice import Grid, Task, in_parallel
from medalist.training.heads.contract import LinearFit, Problem, is_tags, linear_state
from medalist.training.reduce import Standard, rotate, standard
from medalist.training.rows import Source, in_memory, is_large
from medalist.training.weights import mass, present

SMALLEST = 1e-12  # a fold may weigh nothing
ENOUGH_ROWS = 5000  # on which a fold's penalty is chosen; with fewer, all other folds take part


@dataclass(frozen=True)
class CrossValidated:
    """Probabilities of a head.

    Args:
        oof_NC: float32 (N, C), row i from the model that saw nothing of its fold; rows of fold -1 have none.
        test_KMC: float32 (K, M, C), a slice a fold's model.
        fit_NC: float32 (N, C), the refit on the same rows.
        meta: JSON facts: for linear heads the penalties and temperatures chosen (a fold each, then the
            refit's) and the log-loss of each penalty that was tried, on folds unseen; for `mlp` its curves.
    """

    oof_NC: np.ndarray
    test_KMC: np.ndarray
    fit_NC: np.ndarray
    meta: dict[str, Any] = field(default_factory=dict)


def crossval(
    head: Bound[Any],
    x_ND: Source,
    y: Any,
    fold_N: np.ndarray,
    x_test_MD: Source,
    *,
    num_classes: int,
    seed: int = 0,
    root: bool = True,
    weight_N: np.ndarray | None = None,
    sink: Sink = ignore,
) -> tuple[Fitted, CrossValidated]:
    """Fit a head on the rows outside each fold, and on all rows.

    Args:
        head: a bound entry of `heads`; a penalty that the recipe fixes is not chosen.
        x_ND: raw features: a float32 or float16 array, a memory map, or any `rows.Source`. Where several copies would
            not fit in memory (`rows.is_large`), linear heads read it in blocks (`large`); other heads do not.
        y: class indices (N,), or tags (N, C), dense or CSR.
        fold_N: (N,) fold of each row, 0 to K - 1; groups are whole in it. -1: every model learns from the row, which is
            never judged nor answered.
        x_test_MD: raw features, likewise.
        num_classes: C; a class may lack rows.
        seed: of whatever the head draws.
        root: take the square root of features that are never negative; without it a linear head is linear in x_ND.
        weight_N: of the rows, in learning and in choosing penalties (`weights`).
        sink: hears of each model.

    Raises:
        RecipeError: the head cannot learn the task, or there are fewer than three folds.
        DataError: only one class, in all rows or in those outside a fold.
    """
    task = Task(head, y, fold_N, int(fold_N.max()) + 1, num_classes, seed, sink, root, weight_N)
    states, meta = fold_states(task, x_ND)
    fitted = Fitted(head.text, tuple(states[:-1]), states[-1], {"num_classes": num_classes, "seed": seed, **meta})
    return fitted, replace(answer_view(fitted, x_ND, fold_N, x_test_MD), meta=meta)


def fold_states(task: Task, x_ND: Source) -> tuple[list[State], dict[str, Any]]:
    """What `crossval` learns, without its answers: a state a fold, last the refit's, and the facts of their choice."""
    _check(task)
    with one_thread():
        return _states(task, x_ND)


def answer_view(fitted: Fitted, x_ND: Source, fold_N: np.ndarray, x_test_MD: Source) -> CrossValidated:
    """What a fitted head says of another view of the same images (the mirrored ones, say), in the same form.

    Args:
        fitted: what `crossval` returned.
        x_ND: raw features of the N training rows in that view.
        fold_N: the folds that the head was fitted with: row i is answered by the model that saw nothing of its fold;
            rows of fold -1 are not answered.
        x_test_MD: raw features of the test rows in that view.
    """
    with one_thread():
        place_N, scored = np.cumsum(fold_N >= 0) - 1, np.flatnonzero(fold_N >= 0)
        oof_NC = np.empty((len(scored), fitted.meta["num_classes"]), np.float32)
        for k, state in enumerate(fitted.states):
            rows = np.flatnonzero(fold_N == k)
            oof_NC[place_N[rows]] = heads.predict(fitted.name, state, x_ND, rows)
        test_KMC = np.stack([heads.predict(fitted.name, state, x_test_MD) for state in fitted.states])
        return CrossValidated(oof_NC, test_KMC, heads.predict(fitted.name, fitted.refit, x_ND, scored))


def _states(task: Task, x_ND: Source) -> tuple[list[State], dict[str, Any]]:
    """One state a fold and the refit's, with the facts of their choice."""
    if task.in_blocks and "streamed" in task.head.facts and is_large(x_ND, task.num_classes):
        return large.states(task, x_ND)
    return (_linear if "problem" in task.head.facts else _plain)(task, in_memory(x_ND))


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
    folds = range(task.num_folds) if "problem" in task.head.facts else ()
    for k in folds:
        if not len(present(np.flatnonzero(task.fold_N == k), task.weight_N)):
            raise DataError(
                f"the rows of fold {k} all weigh 0: nothing to choose a penalty on; leave some of them out of the"
                " quarantine, or take other folds"
            )
    for k in range(-1, task.num_folds):
        learnt = present(np.flatnonzero(task.fold_N != k) if k >= 0 else np.arange(len(task.fold_N)), task.weight_N)
        rows = f"the rows outside fold {k}" if k >= 0 else "the labelled rows"
        if not len(learnt):
            raise DataError(f"{rows} all weigh 0: nothing to learn; mend the weights, or the quarantine")
        if kind != "tags" and len(np.unique(task.y[learnt])) < 2:
            raise DataError(
                f"{rows} are all of one class: nothing to learn; give images of two classes, or other groups"
            )


def _plain(task: Task, x_ND: np.ndarray) -> tuple[list[State], dict[str, Any]]:
    """Heads without penalties: one fit on the rows outside each fold, one on all."""
    scaling = standard(x_ND, root=task.root, weight_N=task.weight_N)
    z_ND = scaling(x_ND)

    def fit(rows: np.ndarray) -> State:
        weight_n = task.weights(rows)
        state = task.head(z_ND[rows], task.y[rows], num_classes=task.num_classes, seed=task.seed, weight_N=weight_n)
        return {**state, **scaling.state()}

    states = in_parallel(fit, [*(task.outside(k) for k in range(task.num_folds)), task.outside()], task)
    curves = [state["curve_ET"].round(5).tolist() for state in states if "curve_ET" in state]
    return states, {"curves": curves} if curves else {}


def _linear(task: Task, x_ND: np.ndarray) -> tuple[list[State], dict[str, Any]]:
    """Linear heads: choose penalty and temperature for each fold on the others, then fit along the path to them."""
    scaling = standard(x_ND, root=task.root, weight_N=task.weight_N)
    x_NR, basis_DR = rotate(scaling(x_ND))
    problem: Problem = task.head.facts["problem"](x_NR, task.y, task.num_classes, task.weight_N)
    grid = Grid.of(task.head, problem)
    # 1. Each fold's choice, on pair models that never saw it. 2. Its model. 3. The refit, chosen on all folds.
    loss_KPT = _losses_elsewhere(task, problem, grid, x_NR)
    chosen = [grid.best(loss_PT) for loss_PT in [*loss_KPT, loss_KPT.mean(axis=0)]]

    def fit(place: int) -> LinearFit:
        rows = task.outside(place) if place < task.num_folds else task.outside()
        *_, last = problem.path(rows, grid.penalties[: chosen[place][0] + 1])
        return last

    fits = in_parallel(fit, range(len(chosen)), task)
    states = [
        unrotated(fit, basis_DR, scaling, grid.temperatures[t], task.y)
        for fit, (_, t) in zip(fits, chosen, strict=True)
    ]
    return states, grid.facts(chosen, loss_KPT.mean(axis=0))


def unrotated(fit: LinearFit, basis_DR: np.ndarray, scaling: Standard, temperature: float, y: Any) -> State:
    """The state of a fit on principal axes (`reduce.rotate`), for raw features."""
    raw = LinearFit(basis_DR @ fit.weight_DC, fit.bias_C, fit.offset_C)
    return {**linear_state(raw, temperature, y), **scaling.state()}


def _losses_elsewhere(task: Task, problem: Problem, grid: Grid, x_NR: np.ndarray) -> np.ndarray:
    """Mean losses (K, P, T) for the choice of fold k: on other folds j, of models that saw neither j nor k.

    A penalty that was not tried has an infinite loss.
    """
    held = [np.flatnonzero(task.fold_N == k) for k in range(task.num_folds)]

    def both(pair: tuple[int, int]) -> np.ndarray:
        fits, both_of = problem.path(task.outside(*pair), grid.penalties), [held[k] for k in pair]
        judges = [partial(grid.loss, x_NR=x_NR[rows], y=task.y[rows], weight_N=task.weights(rows)) for rows in both_of]
        return grid.walk(fits, judges)

    if grid.size == 1:
        return np.full((task.num_folds, 1, 1), np.inf)
    pairs = _pairs(task.num_folds, sum(map(len, held)))
    loss_KPT = np.zeros((task.num_folds, len(grid.penalties), len(grid.temperatures)))
    rows_K, weight_K = np.zeros(task.num_folds), [mass(len(rows), task.weights(rows)) for rows in held]
    for (j, k), (loss_j, loss_k) in zip(pairs, in_parallel(both, pairs, task), strict=True):
        loss_KPT[[k, j]] += loss_j, loss_k
        rows_K[[k, j]] += weight_K[j], weight_K[k]
    return loss_KPT / np.maximum(rows_K, SMALLEST)[:, None, None]


def _pairs(num_folds: int, num_rows: int) -> list[tuple[int, int]]:
    """Pairs of folds at distance 1, 2, ... around the circle of folds, until each fold has enough rows to choose on."""
    pairs: list[tuple[int, int]] = []
    for distance in range(1, num_folds // 2 + 1):
        ring = [(k, (k + distance) % num_folds) for k in range(num_folds)]
        pairs += ring[: num_folds // 2] if 2 * distance == num_folds else ring
        if 2 * distance * num_rows / num_folds >= ENOUGH_ROWS:
            break
    return pairs
