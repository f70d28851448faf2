"""What every ensembler keeps to: the registry, and how R runs become one.

Axes: R runs, N training images, M test images, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from medalist.errors import MismatchError
from medalist.predictions import Predictions
from medalist.registry import Registry

Apply = Callable[[dict[str, Any], np.ndarray], np.ndarray]
ensembles: Registry[Callable[..., Predictions]] = Registry("ensemble")


def check(runs: Sequence[Predictions]) -> None:
    """Refuse runs of other rows, classes or folds.

    Raises:
        MismatchError: nothing to combine, or runs that do not fit each other.
    """
    if not runs:
        raise MismatchError("an ensemble needs at least one run, got none")
    for run in runs[1:]:
        runs[0].check_same(run)


def combine(
    name: str, runs: Sequence[Predictions], oof_NC: np.ndarray, apply: Apply, meta: dict[str, Any]
) -> Predictions:
    """Predictions of an ensemble: its honest out-of-fold rows, and `apply` on test and in-sample rows.

    Each run's test slices are averaged first, so that there is one test slice, as `predict` will make it.
    """
    test_RMC = np.stack([run.mean_over_folds().test_KMC[0] for run in runs])
    fit_RNC = np.stack([run.fit_NC for run in runs])
    first = runs[0]
    return Predictions(
        name=f"{name}({', '.join(run.name for run in runs)})",
        ids=first.ids,
        test_ids=first.test_ids,
        oof_NC=oof_NC,
        test_KMC=apply(meta, test_RMC)[None],
        fit_NC=apply(meta, fit_RNC),
        scale=first.scale,
        class_hash=first.class_hash,
        fold_hash=first.fold_hash,
        meta=meta,
    )
