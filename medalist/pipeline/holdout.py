"""One holdout: networks are trained once, and what is scored are the rows of fold 0 alone (`finetune.holdout`).

The chain of blend and rule learns from those rows, so it is cross-fitted on folds inside them. They are drawn from the
K folds themselves: runs with the same K folds have the same ones, and can be blended.

Axes: N images, n of them scored, K folds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.data.splits import Folds, make_folds
from medalist.errors import DataError
from medalist.pipeline.extraction import Features
from medalist.recipe import Recipe

HELD = 0  # the fold that is held out
MIN_ROWS = 10  # of it: the chain is cross-fitted on them, and within each fold once more


def holds_out(recipe: Recipe) -> bool:
    """Whether a recipe scores one fold alone."""
    return recipe.finetune is not None and recipe.finetune.holdout


def scored(recipe: Recipe, features: Features, folds: Folds) -> tuple[np.ndarray, Folds]:
    """The rows (n,) that a run's numbers are of, and the folds on which its chain is cross-fitted: all of them, or the
    held-out ones in folds of their own.
    """
    if not holds_out(recipe):
        return np.arange(len(folds.ids)), folds
    return inside(folds, features.train.labels, features.group_N)


def inside(folds: Folds, labels: Any, group_N: np.ndarray) -> tuple[np.ndarray, Folds]:
    """The held-out rows (n,) and folds of them, as many as there were or as their groups allow; groups whole.

    Args:
        folds: all K of the N rows.
        labels: class indices (N,), or tags (N, C) as CSR.
        group_N: group of each row.

    Raises:
        DataError: the held-out rows are one group, or too few.
    """
    rows = np.flatnonzero(folds.fold_N == HELD)
    groups, group_n = np.unique(group_N[rows], return_inverse=True)
    if len(groups) < 2 or len(rows) < MIN_ROWS:
        raise DataError(
            f"finetune.holdout: fold {HELD} has {len(rows)} rows in {len(groups)} groups, which both score and choose"
            f" weights: {MIN_ROWS} rows in 2 groups are the least; leave holdout out, or take fewer folds (folds.k=3,"
            " or another folds.file, its folds numbered from 0 on)"
        )
    num_folds, seed = min(folds.num_folds, len(groups)), int(folds.hash[:8], 16)
    fold_n = make_folds(labels[rows], group_n, num_folds=num_folds, seed=seed)
    return rows, Folds(fold_n, tuple(folds.ids[row] for row in rows), num_folds, seed)


def holdout_notes(recipe: Recipe, features: Features, folds: Folds) -> list[str]:
    """What the score is of, where it is not of all rows."""
    if not holds_out(recipe):
        return []
    return [held_note(scored(recipe, features, folds)[1], folds)]


def held_note(own: Folds, outer: Folds) -> str:
    """The same of the folds inside the held-out rows, and those of all rows."""
    return (
        f"scored on the {len(own.ids)} held-out rows of fold {HELD} (finetune.holdout) of {len(outer.ids)} labelled"
        " ones: members, weights, rule and forecast are of those alone, cross-fitted on"
        f" {own.num_folds} folds inside them"
    )
