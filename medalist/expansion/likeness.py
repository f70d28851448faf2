"""How well images fit each class: what a head says of them, and how near the class's images are; nobody's own judge.

A labelled image is judged by models and neighbours outside its fold, a new one by the mean over the folds of the same:
so that both are seen alike, and what labelled images reach can be asked of new ones.
Axes: N labelled images, X new ones, D features, C classes, K folds, B images of a block.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from medalist.training.crossval import crossval
from medalist.training.heads import heads
from medalist.training.heads.contract import targets
from medalist.training.reduce import standard

HEAD = "ridge"
NEIGHBOURS = 5  # of a class, whose mean cosine counts
BLOCK = 1024  # images whose cosines are held at once


@dataclass(frozen=True)
class Fit:
    """How well M images fit C classes: a head's probabilities, and mean cosines to the nearest images of each class."""

    prob_MC: np.ndarray
    near_MC: np.ndarray

    def take(self, index: np.ndarray) -> Fit:
        """Some of the images."""
        return Fit(self.prob_MC[index], self.near_MC[index])


def fits(x_ND: np.ndarray, y: Any, fold_N: np.ndarray, x_XD: np.ndarray, *, num_classes: int) -> tuple[Fit, Fit]:
    """How labelled images fit all classes, out of fold, and how new ones do.

    Args:
        x_ND, x_XD: raw features of the labelled and of the new images.
        y: class indices (N,), or tags (N, C).
        fold_N: (N,) fold of each labelled image, 0 to K - 1; duplicates share one.
        num_classes: C.

    Raises: as `crossval`.
    """
    _, judged = crossval(heads.bind(HEAD), x_ND, y, fold_N, x_XD, num_classes=num_classes)
    scaling = standard(x_ND)
    near = _nearness(_unit(scaling(x_ND)), targets(y, num_classes).astype(bool), fold_N)
    own_NC = np.empty_like(judged.oof_NC)
    new_XC, num_folds = np.zeros((len(x_XD), num_classes), np.float32), int(fold_N.max()) + 1
    unit_ND, unit_XD = _unit(scaling(x_ND)), _unit(scaling(x_XD))
    for k in range(num_folds):
        own_NC[fold_N == k] = near(unit_ND[fold_N == k], k)
        new_XC += near(unit_XD, k) / num_folds
    return Fit(judged.oof_NC, own_NC), Fit(judged.test_KMC.mean(axis=0), new_XC)


def _nearness(unit_ND: np.ndarray, has_NC: np.ndarray, fold_N: np.ndarray) -> Callable[[np.ndarray, int], np.ndarray]:
    """A function of images and a fold: mean cosine (M, C) to the nearest of each class outside the fold; -1: none."""

    def near(unit_MD: np.ndarray, fold: int) -> np.ndarray:
        outside = fold_N != fold
        near_MC = np.full((len(unit_MD), has_NC.shape[1]), -1, np.float32)
        for start in range(0, len(unit_MD), BLOCK):
            cosine_BN = unit_MD[start : start + BLOCK] @ unit_ND[outside].T
            for c, has_N in enumerate(has_NC[outside].T):
                if has_N.any():
                    near_MC[start : start + BLOCK, c] = _mean_of_largest(cosine_BN[:, has_N])
        return near_MC

    return near


def _mean_of_largest(cosine_BN: np.ndarray) -> np.ndarray:
    """Mean of the NEIGHBOURS largest of each row, (B,)."""
    if cosine_BN.shape[1] > NEIGHBOURS:
        cosine_BN = -np.partition(-cosine_BN, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
    mean_B: np.ndarray = cosine_BN.mean(axis=1)
    return mean_B


def _unit(z_ND: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    unit_ND: np.ndarray = z_ND / np.maximum(np.linalg.norm(z_ND, axis=1, keepdims=True), 1e-12)
    return unit_ND
