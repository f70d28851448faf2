"""A weighted geometric mean of the runs' probabilities, its weights learnt out of fold.

A log-linear pool (`pool`) whose weights need not sum to 1, so that a temperature is among them. The log-loss is convex
in w, with as many parameters as runs, which is little enough to learn on a thousand images; accuracy and F1 are steps
of few distinct values there, which weights would overfit, and gain from what lowers the log-loss.

Axes: R runs, N training images, M images to answer, C classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.ensembles.contract import State, ensembles
from medalist.ensembles.members import as_members
from medalist.ensembles.pool import MOST, least_loss, logits, pooled, targets
from medalist.metrics.contract import is_tags


def apply(state: State, prob_MRC: Any) -> np.ndarray:
    """Pool with the state's weights, float32 (M, C)."""
    return pooled(np.asarray(state["weights"]), prob_MRC, bool(state["tags"]))


@ensembles(apply=apply)
def blend(prob_NRC: Any, y: Any, *, pull: float = 10.0) -> State:
    """Learn the weights with the least log-loss, on a sample of rows where there are more than 2^25 numbers.

    Args:
        prob_NRC: out-of-fold probabilities of R runs.
        y: class indices (N,), or tags (N, C), dense or CSR.
        pull: towards equal weights 1 / R, in units of log-loss summed over images; it decides where hardly any image
            is mistaken.
    """
    tags, members = is_tags(y), as_members(prob_NRC)
    if members.shape[1] == 1:
        return {"weights": [1.0], "tags": tags}
    dense_NRC, rows = members.sample(MOST)
    weight_R = least_loss(logits(dense_NRC, tags), targets(y[rows], members.shape[2]), tags, pull)
    return {"weights": weight_R.tolist(), "tags": tags}
