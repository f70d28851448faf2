"""The geometric mean of the runs' probabilities, rescaled to probabilities; for tags the mean of their logits.

One run that is sure a class is wrong nearly rules it out, which the plain mean does not let it.
Axes: R runs, N training images, M images to answer, C classes or tags.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.ensembles.contract import State, ensembles
from medalist.ensembles.pool import pooled
from medalist.metrics.contract import is_tags


def apply(state: State, prob_MRC: Any) -> np.ndarray:
    """Geometric mean over runs, float32 (M, C)."""
    num_runs = prob_MRC.shape[1]
    return pooled(np.full(num_runs, 1 / num_runs), prob_MRC, bool(state["tags"]))


@ensembles(apply=apply)
def geometric(prob_NRC: Any, y: Any) -> State:
    """Nothing to learn but whether the columns are classes or tags."""
    return {"tags": is_tags(y)}
