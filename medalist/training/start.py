"""Where the head of a fine-tuning begins: at the solution on frozen features, so that no epoch is spent on finding it.

Axes: N training images, D features, C classes, K folds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from medalist.fitted import State
from medalist.progress import Sink, ignore
from medalist.registry import parse_call
from medalist.training.crossval import crossval
from medalist.training.heads import heads
from medalist.training.plan import Plan
from medalist.training.reduce import Standard
from medalist.training.rows import Source

EXACT = "logistic"
EPOCHS, BATCH = 20, 64
STEPS = 320  # at least: the twenty epochs of 980 rows with which the heads' learning rates were measured


def head_starts(
    plan: Plan, x_ND: Source, y: Any, fold_N: np.ndarray, *, num_classes: int, sink: Sink = ignore
) -> list[Callable[[Any], None]]:
    """What sets a head to its solution on the rows outside each fold, and last on all rows.

    A linear head gets logistic regression with the out-of-fold penalty and temperature of each fold, standardisation
    folded in. Other heads are trained on the features.

    Args:
        plan: names head, loss and seed.
        x_ND: pooled features of the frozen backbone.
        y: class indices (N,), or tags (N, C).
        fold_N: (N,) fold of each row.
        num_classes: C.
        sink: hears of the fits.
    """
    from medalist.training.neural.start import from_linear

    name, _ = parse_call(plan.head)
    if name == "linear":
        fitted, _ = crossval(
            heads.bind(EXACT), x_ND, y, fold_N, x_ND[:0], num_classes=num_classes, seed=plan.seed, root=False, sink=sink
        )
        solutions = [raw_weights(state) for state in (*fitted.states, fitted.refit)]
        return [partial(from_linear, weight_DC=weight_DC, bias_C=bias_C) for weight_DC, bias_C in solutions]
    x_ND = x_ND[:]
    folds = [np.flatnonzero(fold_N != k) for k in range(int(fold_N.max()) + 1)]
    train = partial(_by_training, plan=plan, num_classes=num_classes)
    return [partial(train, x_ND=x_ND[rows], y=y[rows]) for rows in [*folds, np.arange(len(x_ND))]]


def raw_weights(state: State) -> tuple[np.ndarray, np.ndarray]:
    """Weights on raw features: with z = (x - m) / s, z W + b = x (W / s) + (b - (m / s) W)."""
    scaling = Standard.from_state(state)
    weight_DC = state["weight_DC"].astype(np.float64) / scaling.scale_D[:, None]
    return weight_DC, state["bias_C"] - scaling.mean_D.astype(np.float64) @ weight_DC


def _by_training(head: Any, *, plan: Plan, x_ND: np.ndarray, y: Any, num_classes: int) -> None:
    from medalist.training.losses import losses
    from medalist.training.neural.heads import neural
    from medalist.training.neural.start import by_training

    # Few rows make few steps an epoch: twenty epochs of ninety rows would leave the head where it was.
    epochs = max(EPOCHS, math.ceil(STEPS / math.ceil(len(x_ND) / BATCH)))
    by_training(
        head,
        x_ND[None],
        y,
        losses.bind(plan.loss),
        num_classes=num_classes,
        seed=plan.seed,
        lr=neural.bind(plan.head).facts["lr"],
        epochs=epochs,
        batch=BATCH,
    )
