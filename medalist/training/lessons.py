"""What a model learns, where it differs from model to model: each fold's rows, labels and weights, and the refit's.

Penalties and temperatures stay those that `crossval` chose, on models of the ordinary rows; each model is then fitted
on its lesson alone. Whoever makes fold k's lesson must know nothing of fold k's labels: `elsewhere` says what models
think of the other folds that saw neither those nor k.

Axes: N rows, n of a lesson, D features, C classes, K folds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medalist.fitted import Fitted, State
from medalist.training import heads
from medalist.training.blas import one_thread
from medalist.training.choice import Grid, Task, in_parallel
from medalist.training.crossval import unrotated
from medalist.training.heads.contract import linear_state
from medalist.training.reduce import Standard, rotate
from medalist.training.rows import Part, Rows, Source, in_memory, is_large
from medalist.training.weights import part_of

Teach = Callable[[int, "Lesson"], State]


@dataclass(frozen=True)
class Lesson:
    """What one model learns.

    Args:
        rows: (n,) which rows; one may come several times, with several labels.
        y: (n,) class indices, or tags (n, C), from 0 to 1.
        weight_n: of each, or None.
    """

    rows: np.ndarray
    y: Any
    weight_n: np.ndarray | None = None


def relearn(task: Task, fitted: Fitted, x_ND: Source, lessons: Sequence[Lesson]) -> Fitted:
    """Fit each model on its lesson.

    Args:
        task: that `fitted` was made by.
        fitted: whose penalties, temperatures and standardisation stay.
        x_ND: raw features of the rows that lessons name, in the order of `task` and perhaps some more.
        lessons: of each of the K folds, and last of the refit.
    """
    with one_thread():
        teach = _teacher(task, fitted, x_ND)
        states = in_parallel(lambda place: teach(place, lessons[place]), range(len(lessons)), task)
    return replace(fitted, states=tuple(states[:-1]), refit=states[-1])


def elsewhere(task: Task, fitted: Fitted, x_ND: Source) -> Iterator[np.ndarray]:
    """For each fold k, (N, C): probabilities of the rows of every other fold j, by a model that saw neither j nor k.

    Rows of fold k, and those of no fold, hold zeros. The models' penalty is fold k's, chosen without it.
    """
    with one_thread():
        teach = _teacher(task, fitted, x_ND)
    for k in range(task.num_folds):
        others = [j for j in range(task.num_folds) if j != k]
        yield _of_others(task, fitted, x_ND, teach, k, others)


def _of_others(task: Task, fitted: Fitted, x_ND: Source, teach: Teach, k: int, others: Sequence[int]) -> np.ndarray:
    """What models without fold k and fold j say of the rows of j."""

    def state_of(j: int) -> State:
        rows = task.outside(j, k)
        return teach(k, Lesson(rows, task.y[rows], task.weights(rows)))

    with one_thread():
        states = in_parallel(state_of, others, task)
    prob_NC = np.zeros((len(task.fold_N), task.num_classes), np.float32)
    for j, state in zip(others, states, strict=True):
        rows = np.flatnonzero(task.fold_N == j)
        prob_NC[rows] = heads.predict(fitted.name, state, x_ND, rows)
    return prob_NC


def _teacher(task: Task, fitted: Fitted, x_ND: Source) -> Teach:
    """What fits a lesson as the model of a place, a fold or last the refit, was fitted."""
    scaling = Standard.from_state(fitted.refit)
    if "problem" not in task.head.facts:
        return _plain(task, scaling, scaling(in_memory(x_ND)))
    if task.in_blocks and "streamed" in task.head.facts and is_large(x_ND, task.num_classes):
        return _in_blocks(task, fitted, scaling, x_ND)
    return _linear(task, fitted, scaling, scaling(in_memory(x_ND)))


def _plain(task: Task, scaling: Standard, z_ND: np.ndarray) -> Teach:
    def teach(place: int, lesson: Lesson) -> State:
        facts: dict[str, Any] = {"num_classes": task.num_classes, "seed": task.seed, "weight_N": lesson.weight_n}
        return {**task.head(z_ND[lesson.rows], lesson.y, **facts), **scaling.state()}

    return teach


def _linear(task: Task, fitted: Fitted, scaling: Standard, z_ND: np.ndarray) -> Teach:
    x_NR, basis_DR = rotate(z_ND)

    def teach(place: int, lesson: Lesson) -> State:
        rows, penalty, temperature = lesson.rows, *_chosen(fitted, place)
        problem = task.head.facts["problem"](x_NR[rows], lesson.y, task.num_classes, lesson.weight_n)
        penalties = Grid.of(task.head, problem).penalties
        *_, fit = problem.path(np.arange(len(rows)), penalties[: penalties.index(penalty) + 1])
        return unrotated(fit, basis_DR, scaling, temperature, lesson.y)

    return teach


def _in_blocks(task: Task, fitted: Fitted, scaling: Standard, x_ND: Source) -> Teach:
    def teach(place: int, lesson: Lesson) -> State:
        rows, fold_n = Rows(Part(x_ND, lesson.rows), scaling), np.zeros(len(lesson.rows), np.int64)
        problem = task.head.facts["streamed"](rows, lesson.y, fold_n, task.num_classes, lesson.weight_n)
        penalty, temperature = _chosen(fitted, place)
        (fit,) = problem.fits([[]], [penalty])
        return {**linear_state(fit, temperature, lesson.y), **scaling.state()}

    return teach


def _chosen(fitted: Fitted, place: int) -> tuple[Any, float]:
    return fitted.meta["penalties"][place], fitted.meta["temperatures"][place]


def ordinary(task: Task, fold: int | None) -> Lesson:
    """What a fold's model learns where nothing differs: the rows outside; None: all, the refit's."""
    rows = task.outside() if fold is None else task.outside(fold)
    return Lesson(rows, task.y[rows], part_of(task.weight_N, rows))
