"""The plain mean of the runs' probabilities: nothing to learn, nothing to overfit.

Axes: R runs, N training images, M images to answer, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.ensembles.contract import State, ensembles


def apply(state: State, prob_MRC: np.ndarray) -> np.ndarray:
    """Mean over runs, float32 (M, C)."""
    return np.asarray(prob_MRC.mean(axis=1, dtype=np.float32))


@ensembles(apply=apply)
def mean(prob_NRC: np.ndarray, y: Any) -> State:
    """Nothing to learn."""
    return {}
