"""What an image must reach to be let in for a class: as much as nine tenths of the class's own images do, out of fold.

An image's score for a class is the lower of two shares: of the class's own images that a head gives less probability,
and of those that have farther neighbours (conformal p values: Bates et al. 2023, Testing for outliers with conformal
p-values). The bar is the score that nine tenths of the own images reach: the last twentieth, which their own head gets
wrong, would let in a third of strange images. How many a bar lets in, right and wrong ones, is measured on folds that
did not set it. Axes: N labelled images, C classes, K folds, M images of one class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medalist.expansion.likeness import Fit

SHARE = 0.9  # of a class's own images that reach its bar
ENOUGH = 40  # own images, below which a class is measured by those of all small classes together


@dataclass(frozen=True)
class Bar:
    """Of one class: what its own images have, sorted, and the score that SHARE of them reach."""

    prob_M: np.ndarray
    near_M: np.ndarray
    least: float = 0.0

    def shares(self, prob_M: np.ndarray, near_M: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of the own images, with this one, that have less probability, and that have farther neighbours."""
        return _share(self.prob_M, prob_M), _share(self.near_M, near_M)

    def passes(self, prob_M: np.ndarray, near_M: np.ndarray) -> np.ndarray:
        """(M,) bool: images that reach the bar in both."""
        return np.asarray(np.minimum(*self.shares(prob_M, near_M)) >= self.least)


@dataclass(frozen=True)
class Rates:
    """Share of labelled images that pass for each class by bars that they did not set: of its own, of all others."""

    own_C: np.ndarray
    other_C: np.ndarray


def bars(fit: Fit, has_NC: np.ndarray) -> list[Bar]:
    """The bar of each class.

    Args:
        fit: of N labelled images, out of fold.
        has_NC: bool, which classes they are of.
    """
    small_C = has_NC.sum(axis=0) < ENOUGH
    few_NC = has_NC & small_C
    shared = _bar(fit.prob_MC[few_NC], fit.near_MC[few_NC])
    return [
        shared if small else _bar(fit.prob_MC[has_N, c], fit.near_MC[has_N, c])
        for c, (small, has_N) in enumerate(zip(small_C, has_NC.T, strict=True))
    ]


def rates(fit: Fit, has_NC: np.ndarray, fold_N: np.ndarray) -> Rates:
    """What bars let in of images that did not set them: each fold's images by the bars of the others. NaN: no image."""
    passed_NC = np.zeros(has_NC.shape, bool)
    for k in range(int(fold_N.max()) + 1):
        inside = fold_N == k
        for c, bar in enumerate(bars(Fit(fit.prob_MC[~inside], fit.near_MC[~inside]), has_NC[~inside])):
            passed_NC[inside, c] = bar.passes(fit.prob_MC[inside, c], fit.near_MC[inside, c])
    with np.errstate(invalid="ignore"):
        own_C = (passed_NC & has_NC).sum(axis=0) / has_NC.sum(axis=0)
        other_C = (passed_NC & ~has_NC).sum(axis=0) / (~has_NC).sum(axis=0)
    return Rates(own_C, other_C)


def _bar(prob_M: np.ndarray, near_M: np.ndarray) -> Bar:
    """The bar that a class's own images set."""
    bar = Bar(np.sort(prob_M), np.sort(near_M))
    score_M = np.sort(np.minimum(*bar.shares(prob_M, near_M)))
    # Of M own images and a new one alike, the new one is below the k-th smallest with a chance of k / (M + 1) at most.
    allowed = int((1 - SHARE) * (len(score_M) + 1))
    return Bar(bar.prob_M, bar.near_M, float(score_M[allowed - 1]) if allowed else 0.0)


def _share(own: np.ndarray, value_M: np.ndarray) -> np.ndarray:
    return np.asarray((np.searchsorted(own, value_M) + 1) / (len(own) + 1))
