"""What an image must reach to be let in for a class: as much as 85 % of labelled images reach for theirs, out of fold.

An image's score for a class is the lower of two shares: of labelled images that a head gives less probability of their
own class, and of those whose own class is farther (conformal p values: Bates et al. 2023, Testing for
outliers with conformal p-values). The bar is one for all classes: a probability means the same in each of them, and a
class that is hard to tell should let in less. How much it lets in of each class, right and wrong images, is measured
on folds that did not set it. Axes: N labelled images, C classes, K folds, M images, each with a class.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medalist.expansion.likeness import Fit

# Of labelled images that reach the bar. Of what one that 90 % reach would add, one in seven is wrong; of the next
# twentieth, three in ten (docs/BENCHMARKS.md, Expansion).
SHARE = 0.85


@dataclass(frozen=True)
class Bar:
    """What labelled images have for their own classes, sorted, and the score that SHARE of them reach."""

    prob_M: np.ndarray
    near_M: np.ndarray
    least: float = 0.0

    @classmethod
    def of(cls, fit: Fit, has_NC: np.ndarray) -> Bar:
        """Set by labelled images.

        Args:
            fit: of N labelled images, out of fold.
            has_NC: bool, which classes they are of.
        """
        prob_M, near_M = fit.prob_MC[has_NC], fit.near_MC[has_NC]
        bar = cls(np.sort(prob_M), np.sort(near_M))
        score_M = np.sort(bar.scores(prob_M, near_M))
        # A new image like these M is below the k-th smallest with a chance of k / (M + 1) at most.
        allowed = int((1 - SHARE) * (len(score_M) + 1))
        return cls(bar.prob_M, bar.near_M, float(score_M[allowed - 1]) if allowed else 0.0)

    def shares(self, prob: np.ndarray, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Share of the labelled images, with this one, that have less probability, and that have farther neighbours."""
        return _share(self.prob_M, prob), _share(self.near_M, near)

    def scores(self, prob: np.ndarray, near: np.ndarray) -> np.ndarray:
        """The lower of the two."""
        return np.asarray(np.minimum(*self.shares(prob, near)))

    def passes(self, fit: Fit) -> np.ndarray:
        """(M, C) bool: which images may be let in for which classes."""
        return np.asarray(self.scores(fit.prob_MC, fit.near_MC) >= self.least)


@dataclass(frozen=True)
class Rates:
    """Share of labelled images let in for each class by bars that they did not set: of its own, of all others."""

    own_C: np.ndarray
    other_C: np.ndarray


def rates(fit: Fit, has_NC: np.ndarray, fold_N: np.ndarray) -> Rates:
    """What a bar lets in of images that did not set it: each fold's by the bar of the others. NaN: no image."""
    passed_NC = np.zeros(has_NC.shape, bool)
    for k in range(int(fold_N.max()) + 1):
        inside = fold_N == k
        bar = Bar.of(fit.take(~inside), has_NC[~inside])
        passed_NC[inside] = bar.passes(fit.take(inside))
    with np.errstate(invalid="ignore"):
        own_C = (passed_NC & has_NC).sum(axis=0) / has_NC.sum(axis=0)
        other_C = (passed_NC & ~has_NC).sum(axis=0) / (~has_NC).sum(axis=0)
    return Rates(own_C, other_C)


def _share(own: np.ndarray, value: np.ndarray) -> np.ndarray:
    return np.asarray((np.searchsorted(own, value) + 1) / (len(own) + 1))
