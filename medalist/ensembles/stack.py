"""Stacking: a weight a run, the same for all classes, by non-negative least squares.

The weights that bring sum_r w_r p_r nearest to the truth's 0 and 1, none below 0 (Breiman 1996, Stacked Regressions,
section 2). All that is learnt from is the matrix of products between runs, gathered a block of rows at a time. The
log-linear counterpart, by log-loss, is `blend`.
Axes: R runs, N training images, M images to answer, B rows of a block, C classes or tags.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.ensembles.contract import State, ensembles
from medalist.ensembles.mean import weighted
from medalist.ensembles.members import as_members
from medalist.ensembles.pool import FLOOR, targets
from medalist.metrics.contract import is_tags


def apply(state: State, prob_MRC: Any) -> np.ndarray:
    """Weighted mean, float32 (M, C); rows of classes rescaled to sum to 1, tags cut at 0 and 1."""
    members = as_members(prob_MRC)
    if members.shape[1] == 1:
        return members.member(0)
    total_MC = weighted(np.asarray(state["weights"]), members)
    if state["tags"]:
        return np.asarray(np.clip(total_MC, 0, 1), np.float32)
    return np.asarray(total_MC / np.maximum(total_MC.sum(axis=1, keepdims=True), FLOOR), np.float32)


@ensembles(apply=apply)
def stack(prob_NRC: Any, y: Any, *, pull: float = 1.0) -> State:
    """Learn the weights.

    Args:
        prob_NRC: out-of-fold probabilities of R runs.
        y: class indices (N,), or tags (N, C), dense or CSR.
        pull: towards equal weights 1 / R, in units of squared error summed over images and classes.
    """
    from scipy.optimize import nnls

    tags, num_runs = is_tags(y), prob_NRC.shape[1]
    if num_runs == 1:
        return {"weights": [1.0], "tags": tags}
    product_RR, with_truth_R = _products(prob_NRC, y)
    # |A w - y|^2 + pull |w - 1/R|^2, written with A'A = L L' as |L' w - L^-1 A'y|^2.
    lower_RR = np.linalg.cholesky(product_RR + max(pull, FLOOR) * np.eye(num_runs))
    right_R = np.linalg.solve(lower_RR, with_truth_R + pull / num_runs)
    weight_R, _ = nnls(lower_RR.T, right_R)
    if not weight_R.any():
        weight_R = np.full(num_runs, 1 / num_runs)
    return {"weights": weight_R.tolist(), "tags": tags}


def _products(prob_NRC: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """sum over images and classes of p_r p_s, float64 (R, R), and of p_r times the truth, (R,)."""
    members = as_members(prob_NRC)
    num_runs, num_classes = members.shape[1:]
    product_RR, with_truth_R = np.zeros((num_runs, num_runs)), np.zeros(num_runs)
    for rows, prob_BRC in members.blocks():
        flat_RE = prob_BRC.transpose(1, 0, 2).reshape(num_runs, -1).astype(np.float64)
        product_RR += flat_RE @ flat_RE.T
        with_truth_R += flat_RE @ targets(y[rows], num_classes).ravel().astype(np.float64)
    return product_RR, with_truth_R
