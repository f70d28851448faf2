"""The mean of the runs' ranks: each run's probability of a class counts as its rank among the training images'.

For metrics that look only at the order within a class (ROC-AUC, average precision), where runs on different scales
would outshout each other. Ranks are shares between 0 and 1, read off stored quantiles, so that one new image has one
too. Rows of classes are rescaled to sum to 1. Axes: R runs, N training images, M images to answer, C classes, Q levels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.ensembles.contract import State, ensembles
from medalist.ensembles.members import as_members
from medalist.ensembles.pool import FLOOR
from medalist.metrics.contract import is_tags

LEVELS = 101


def apply(state: State, prob_MRC: Any) -> np.ndarray:
    """Mean rank over runs, float32 (M, C)."""
    members = as_members(prob_MRC)
    num_runs = members.shape[1]
    if num_runs == 1:
        return members.member(0)
    total_MC = np.zeros((len(members), members.shape[2]))
    for r, quantile_CQ in enumerate(state["quantiles"]):
        prob_MC = members.member(r)
        for c, quantile_Q in enumerate(quantile_CQ):
            total_MC[:, c] += _share_below(prob_MC[:, c], np.asarray(quantile_Q))
    mean_MC = np.maximum(total_MC / num_runs, FLOOR)
    return np.asarray(mean_MC if state["tags"] else mean_MC / mean_MC.sum(axis=1, keepdims=True), np.float32)


@ensembles(apply=apply)
def rank(prob_NRC: Any, y: Any) -> State:
    """Keep the 101 quantiles of each run and class; labels are not looked at."""
    members, level_Q = as_members(prob_NRC), np.linspace(0, 1, LEVELS)
    if members.shape[1] == 1:
        return {"quantiles": [], "tags": is_tags(y)}
    found = [np.quantile(members.member(r), level_Q, axis=0).T for r in range(members.shape[1])]
    return {"quantiles": [quantile_CQ.tolist() for quantile_CQ in found], "tags": is_tags(y)}


def _share_below(prob_M: np.ndarray, quantile_Q: np.ndarray) -> np.ndarray:
    """Interpolated rank (M,); a value shared by many quantiles has the middle of their levels."""
    value_V, first_V, count_V = np.unique(quantile_Q, return_index=True, return_counts=True)
    return np.asarray(np.interp(prob_M, value_V, (first_V + (count_V - 1) / 2) / (LEVELS - 1)))
