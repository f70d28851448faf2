"""How well images fit each class: what a head says of them, and how near the class's images are; nobody's own judge.

A labelled image is judged by models and neighbours outside its fold, a new one by the mean over the folds of the same:
so that both are seen alike, and what labelled images reach can be asked of new ones. Near is what `check --deep` calls
it, the raw cosine to the fifth neighbour: strangers get in otherwise (docs/BENCHMARKS.md, Expansion).
Axes: N labelled images, X new ones, J both, D, E features, C classes, M images that are asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medalist.quality.outliers import NEIGHBOUR, distances
from medalist.training.crossval import crossval
from medalist.training.heads import heads
from medalist.training.heads.contract import targets

HEAD = "ridge"


@dataclass(frozen=True)
class Fit:
    """How well M images fit C classes: a head's probabilities, and cosines to the fifth nearest image of each class."""

    prob_MC: np.ndarray
    near_MC: np.ndarray

    def take(self, index: np.ndarray) -> Fit:
        """Some of the images."""
        return Fit(self.prob_MC[index], self.near_MC[index])


def fits(x_JD: np.ndarray, unit_JE: np.ndarray, y: Any, fold_N: np.ndarray, *, num_classes: int) -> tuple[Fit, Fit]:
    """How labelled images fit all classes, out of fold, and how new ones do.

    Args:
        x_JD: features for the head, of the labelled images, then of the new ones.
        unit_JE: pooled features of norm 1, whose cosines count, in the same order.
        y: class indices (N,), or tags (N, C).
        fold_N: (N,) fold of each labelled image, 0 to K - 1; duplicates share one.
        num_classes: C.

    Raises: as `crossval`.
    """
    num_labelled = len(fold_N)
    (x_ND, x_XD), (unit_NE, unit_XE) = (np.split(array, [num_labelled]) for array in (x_JD, unit_JE))
    _, judged = crossval(heads.bind(HEAD), x_ND, y, fold_N, x_XD, num_classes=num_classes)
    has_NC = targets(y, num_classes).astype(bool)
    own_NC = np.empty((num_labelled, num_classes), np.float32)
    new_XC, num_folds = np.zeros((len(x_XD), num_classes), np.float32), int(fold_N.max()) + 1
    for k in range(num_folds):
        inside_N = fold_N == k
        own_NC[inside_N] = _nearness(unit_NE[inside_N], unit_NE[~inside_N], has_NC[~inside_N])
        new_XC += _nearness(unit_XE, unit_NE[~inside_N], has_NC[~inside_N]) / num_folds
    return Fit(judged.oof_NC, own_NC), Fit(judged.test_KMC.mean(axis=0), new_XC)


def _nearness(unit_ME: np.ndarray, unit_NE: np.ndarray, has_NC: np.ndarray) -> np.ndarray:
    """Cosine (M, C) to the fifth nearest image of each class, the farthest of fewer; -1: none."""
    near_MC = np.full((len(unit_ME), has_NC.shape[1]), -1, np.float32)
    for c, has_N in enumerate(has_NC.T):
        if count := int(has_N.sum()):
            own_M, own_N = np.zeros(len(unit_ME)), np.ones(count)  # those asked about lie in no fold of these
            far_M = distances(unit_ME, unit_NE[has_N], own_M, own_N, neighbour=min(count, NEIGHBOUR))
            near_MC[:, c] = 1 - far_M
    return near_MC
