"""Where the head of a fine-tuning begins: at the solution on frozen features, so that no epoch is spent on finding it.

Axes: N training images, D features, C classes, K folds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from medalist.fitted import State
from medalist.progress import Sink, ignore
from medalist.registry import parse_call
from medalist.training.choice import Task
from medalist.training.crossval import fold_states, unrotated
from medalist.training.heads import heads
from medalist.training.heads.logistic import LogisticProblem
from medalist.training.plan import Plan
from medalist.training.reduce import Standard, rotate, standard
from medalist.training.rows import Source
from medalist.training.weights import part_of, present

EXACT = "logistic"
EPOCHS, BATCH = 20, 64
STEPS = 320  # at least: the twenty epochs of 980 rows with which the heads' learning rates were measured


def head_starts(
    plan: Plan,
    x_ND: Source,
    y: Any,
    fold_N: np.ndarray,
    learnt: Sequence[np.ndarray],
    *,
    num_classes: int,
    weight_N: np.ndarray | None = None,
    sink: Sink = ignore,
) -> list[Callable[[Any], None]]:
    """What sets a head to its solution on the rows that each fold's training learns from, and last on all rows.

    A linear head gets logistic regression with the out-of-fold penalty and temperature of each fold, standardisation
    folded in. Other heads are trained on the features.

    Args:
        plan: names head, loss and seed.
        x_ND: pooled features of the frozen backbone.
        y: class indices (N,), or tags (N, C).
        fold_N: (N,) fold of each row, -1 for those of no fold.
        learnt: rows of each fold's training: those outside it, or fewer where some are set aside to steer.
        num_classes: C.
        weight_N: of the rows; heads that are trained on features heed only which of them weigh nothing.
        sink: hears of the fits.
    """
    places = [*learnt, present(np.arange(len(fold_N)), weight_N)]
    if parse_call(plan.head)[0] != "linear":
        train = partial(_by_training, plan=plan, x_ND=x_ND[:], y=y, num_classes=num_classes)
        return [partial(train, rows=rows) for rows in places]
    from medalist.training.neural.start import from_linear

    task = Task(heads.bind(EXACT), y, fold_N, len(learnt), num_classes, plan.seed, sink, False, weight_N)
    states, facts = fold_states(task, x_ND)
    for k, rows in enumerate(learnt):
        if len(rows) < len(present(np.flatnonzero(fold_N != k), weight_N)):
            penalty, temperature = facts["penalties"][k], facts["temperatures"][k]
            states[k] = _on_fewer(x_ND[rows], y[rows], num_classes, penalty, temperature, part_of(weight_N, rows))
    solutions = [raw_weights(state) for state in states]
    return [partial(from_linear, weight_DC=weight_DC, bias_C=bias_C) for weight_DC, bias_C in solutions]


def _on_fewer(
    x_nD: np.ndarray, y: Any, num_classes: int, penalty: float, temperature: float, weight_n: np.ndarray | None
) -> State:
    """Logistic regression on some rows alone, penalty and temperature given."""
    scaling = standard(x_nD, root=False, weight_N=weight_n)
    x_nR, basis_DR = rotate(scaling(x_nD))
    (fit,) = LogisticProblem(x_nR, y, num_classes, weight_n).path(np.arange(len(x_nR)), (penalty,))
    return unrotated(fit, basis_DR, scaling, temperature, y)


def raw_weights(state: State) -> tuple[np.ndarray, np.ndarray]:
    """Weights on raw features: with z = (x - m) / s, z W + b = x (W / s) + (b - (m / s) W)."""
    scaling = Standard.from_state(state)
    weight_DC = state["weight_DC"].astype(np.float64) / scaling.scale_D[:, None]
    return weight_DC, state["bias_C"] - scaling.mean_D.astype(np.float64) @ weight_DC


def _by_training(head: Any, *, plan: Plan, x_ND: np.ndarray, y: Any, num_classes: int, rows: np.ndarray) -> None:
    from medalist.training.losses import losses
    from medalist.training.neural.heads import neural
    from medalist.training.neural.start import by_training

    # Few rows make few steps an epoch: twenty epochs of ninety rows would leave the head where it was.
    epochs = max(EPOCHS, math.ceil(STEPS / math.ceil(len(rows) / BATCH)))
    by_training(
        head,
        x_ND[rows][None],
        y[rows],
        losses.bind(plan.loss),
        num_classes=num_classes,
        seed=plan.seed,
        lr=neural.bind(plan.head).facts["lr"],
        epochs=epochs,
        batch=BATCH,
    )
