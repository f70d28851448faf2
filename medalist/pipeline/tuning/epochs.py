"""Curves of the folds -> how many epochs count, chosen on rows that the choice does not answer.

Axes: K folds, E epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medalist.pipeline.tuning.shared import Tuning
from medalist.training.plan import Plan


def values(tuning: Tuning, curve: Sequence[dict[str, Any]]) -> np.ndarray:
    """(E, 2) what each epoch was worth, higher is better: metric and loss, first what judges; of averaged weights."""
    prefix = "ema_" if tuning.plan.ema else ""
    sign = 1.0 if tuning.metric.facts["better"] == "higher" else -1.0
    worth_E2 = np.array([[sign * epoch[f"{prefix}metric"], -epoch[f"{prefix}loss"]] for epoch in curve])
    return worth_E2 if tuning.settings.judge == "metric" else worth_E2[:, ::-1]


def choose_epochs(values_KE2: Sequence[np.ndarray], *, own: bool) -> list[int]:
    """The epoch whose weights count, of each fold's training and last of the refit's.

    A fold's is the best of the mean curve of the other folds, whose rows it learnt from: its own rows had no say. With
    `own` it is the best of its own curve. The refit's is the best of the mean of all curves. Of one curve that may not
    choose for itself, the last epoch's weights count: the plan is kept to.

    Args:
        values_KE2: of each fold's curve: metric and loss of each epoch, higher is better; loss decides between equals.
        own: the curves are of rows that may steer.
    """
    curves = np.asarray(values_KE2, float)
    if len(curves) == 1 and not own:
        return [curves.shape[1] - 1] * 2
    places = range(len(curves))
    means = [curves[k] if own else _mean(curves[[j for j in places if j != k]]) for k in places]
    return [_best(mean_E2) for mean_E2 in [*means, _mean(curves)]]


def _mean(value_KE2: np.ndarray) -> np.ndarray:
    """Over the folds that have a value: a metric may have none, as where a fold lacks a class."""
    known_KE2 = np.isfinite(value_KE2)
    total_E2 = np.where(known_KE2, value_KE2, 0.0).sum(axis=0)
    return np.where(known_KE2.any(axis=0), total_E2 / np.maximum(known_KE2.sum(axis=0), 1), np.nan)


def _best(value_E2: np.ndarray) -> int:
    """An epoch without a value is worse than any; where none has one, they are equal."""
    value_E2 = np.where(np.isnan(value_E2), -np.inf, value_E2)
    return max(range(len(value_E2)), key=lambda epoch: tuple(value_E2[epoch]))


def factors(plan: Plan, curves: Sequence[Sequence[dict[str, Any]]]) -> list[float]:
    """By what a plateau had cut the rates in each epoch, the folds' mean: the refit has no rows to watch."""
    begins = [plan.place(epoch)[1] == 0 for epoch in range(plan.epochs)]
    cut = [[1.0 if new else curve[e - 1].get("factor", 1.0) for e, new in enumerate(begins)] for curve in curves]
    return [float(factor) for factor in np.mean(cut, axis=0)]
