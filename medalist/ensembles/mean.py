"""The plain mean of the runs' probabilities: nothing to learn, nothing to overfit.

Axes: R runs, N training images, M images to answer, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.ensembles.contract import State, ensembles
from medalist.ensembles.members import as_members


def apply(state: State, prob_MRC: Any) -> np.ndarray:
    """Mean over runs, float32 (M, C)."""
    num_runs = prob_MRC.shape[1]
    return weighted(np.ones(num_runs), prob_MRC) / np.float32(num_runs)


def weighted(weight_R: np.ndarray, prob_MRC: Any) -> np.ndarray:
    """sum_r w_r p_r, float32 (M, C), read one run after the other; of one run with weight 1 the same bytes."""
    members = as_members(prob_MRC)
    total_MC = np.zeros((len(members), members.shape[2]), np.float32)
    for r in np.flatnonzero(weight_R):
        total_MC += np.float32(weight_R[r]) * members.member(int(r))
    return total_MC


@ensembles(apply=apply)
def mean(prob_NRC: Any, y: Any) -> State:
    """Nothing to learn."""
    return {}
