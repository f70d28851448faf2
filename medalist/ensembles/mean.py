"""The plain mean of the runs' probabilities: nothing to learn, nothing to overfit.

Axes: R runs, N images, M images to answer, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medalist.ensembles.contract import check, combine, ensembles
from medalist.predictions import Predictions


def apply(meta: dict[str, Any], prob_RMC: np.ndarray) -> np.ndarray:
    """Mean over runs, float32 (M, C)."""
    mean_MC: np.ndarray = prob_RMC.mean(axis=0, dtype=np.float32)
    return mean_MC


@ensembles(apply=apply)
def mean(runs: Sequence[Predictions], y_true: Any, metric: str, *, fold_N: np.ndarray, seed: int = 0) -> Predictions:
    """Average the runs.

    Raises:
        MismatchError: the runs are of other rows, classes or folds.
    """
    check(runs)
    if len(runs) == 1:
        return runs[0]
    return combine("mean", runs, apply({}, np.stack([run.oof_NC for run in runs])), apply, {})
