"""Macro F: a threshold a tag from one sort a tag; those of rare tags lean on what all tags have in common.

F of a tag is largest at a cut just below one of its true rows: between two of them a lower cut only adds false ones.
So a column is sorted once, by value, and looked up at its true rows: F = (1 + b^2) hits / (b^2 positives + taken).

A tag with three true rows knows little about its best cut, but how many rows a cut takes is known well. Each tag
therefore gets `weight` imagined true rows that are found as those of the average tag are: recall at t becomes (hits +
weight recall(t)) / (positives + weight), with recall(t) over all tags. A tag without a true row gets the global
threshold, one with a thousand its own. How alike tags are tells the weight (empirical Bayes: Robbins 1956): at the
global threshold the hits of tag c are a beta-binomial draw of its true rows, and another of its taken rows; each draw's
precision a + b is estimated by maximum likelihood (Kleinman 1973, "Proportions with extraneous variance"). A beta of
precision w is worth w rows; recall and precision both move the cut, so 1 / weight is the sum of both 1 / w.

Memory is that of a block of columns: 35,000 x 6,941 from a memory map take well under 6 GB.
Axes: N images, C tags, B tags of a block, P true rows of a tag, G levels, E candidates for a cut.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

BLOCK_BYTES = 2**27
NUM_LEVELS = 128
WEIGHTS = (1e-2, 1e4)


@dataclass(frozen=True)
class Curve:
    """A tag's column where a cut may lie: its true rows' probabilities, then the G levels.

    `taken_E` rows are at or above `value_E`, `hit_E` of them true; `below_E` is the next smaller probability of the
    column, or the value itself.
    """

    num_true: int
    value_E: np.ndarray
    hit_E: np.ndarray
    taken_E: np.ndarray
    below_E: np.ndarray


def best_tag_thresholds(
    prob_NC: np.ndarray, y_NC: np.ndarray | csr_array, *, beta: float = 1.0, shrink: float | None = None
) -> tuple[np.ndarray, float, float]:
    """The threshold of each tag with the largest F-beta.

    Args:
        prob_NC: probabilities, an array or a memory map; below 0 a tag is never taken.
        y_NC: true tags.
        beta: weight of recall against precision.
        shrink: number of imagined true rows; 0 takes each tag's own best cut, None estimates it.

    Returns:
        Thresholds (C,), the threshold that all tags together would take, and the number of imagined rows.
    """
    columns = tags_by_column(y_NC)
    level_G = _levels(prob_NC, columns)
    curves = list(_curves(prob_NC, columns, level_G))
    pool = _Pool.of(curves, level_G, np.inf)
    if shrink is None:
        shrink = _weight(curves, pool.best(beta), level_G)
        pool = _Pool.of(curves, level_G, shrink)
    threshold_C = np.array([_best_cut(curve, pool, beta, shrink) for curve in curves])
    return threshold_C, float(level_G[pool.best(beta)]), float(shrink)


def tags_by_column(y_NC: np.ndarray | csr_array) -> list[np.ndarray]:
    """The rows that have each tag, ascending: C arrays."""
    from scipy.sparse import csc_array

    columns = csc_array(y_NC)
    columns.eliminate_zeros()
    columns.sort_indices()
    return np.split(columns.indices, columns.indptr[1:-1])


def _levels(prob_NC: np.ndarray, columns: list[np.ndarray]) -> np.ndarray:
    """G levels, ascending float32: quantiles of the true rows' probabilities; 0.5 where no tag has a true row."""
    true_P = np.concatenate([prob_NC[rows, tag] for tag, rows in enumerate(columns)]).astype(np.float64)
    true_P = true_P[true_P >= 0]
    level_G = np.quantile(true_P, np.linspace(0, 1, NUM_LEVELS)) if len(true_P) else np.full(NUM_LEVELS, 0.5)
    return level_G.astype(np.float32)


def _curves(prob_NC: np.ndarray, columns: list[np.ndarray], level_G: np.ndarray) -> Iterator[Curve]:
    """One sort a tag, a block of columns at a time."""
    num_rows, num_tags = prob_NC.shape
    size = max(1, BLOCK_BYTES // (4 * max(num_rows, 1)))
    for start in range(0, num_tags, size):
        prob_BN = np.array(prob_NC[:, start : start + size].T, np.float32, order="C")
        true_values = [prob_N[rows] for prob_N, rows in zip(prob_BN, columns[start:], strict=False)]
        prob_BN.sort(axis=1)
        for sorted_N, true_P in zip(prob_BN, true_values, strict=True):
            yield _curve(sorted_N, np.sort(true_P[true_P >= 0]), len(true_P), level_G)


def _curve(sorted_N: np.ndarray, true_P: np.ndarray, num_true: int, level_G: np.ndarray) -> Curve:
    """Look a sorted column up at its true rows and at the levels."""
    first_E = np.concatenate([np.searchsorted(sorted_N, true_P), np.searchsorted(sorted_N, level_G)])
    value_E = np.concatenate([true_P, level_G])
    hit_E = len(true_P) - np.searchsorted(true_P, value_E)
    below_E = np.where(first_E > 0, sorted_N[first_E - 1], value_E) if len(sorted_N) else value_E
    return Curve(num_true, value_E, hit_E, len(sorted_N) - first_E, below_E)


@dataclass(frozen=True)
class _Pool:
    """What all tags have in common, for one true row: how many are found and how many taken at each level."""

    level_G: np.ndarray
    recall_G: np.ndarray
    load_G: np.ndarray

    @classmethod
    def of(cls, curves: list[Curve], level_G: np.ndarray, weight: float) -> _Pool:
        """Tags with n true rows count n / (n + weight) each, as means with extraneous variance do (Kleinman 1973)."""
        share_C = np.array([1.0 if np.isinf(weight) else 1.0 / (curve.num_true + weight) for curve in curves])
        share_C = np.where([curve.num_true > 0 for curve in curves], share_C, 0.0)
        total = max(float(share_C @ [curve.num_true for curve in curves]), 1e-300)
        hit_G, taken_G = np.zeros(len(level_G)), np.zeros(len(level_G))
        for curve, share in zip(curves, share_C, strict=True):
            hit_G += share * curve.hit_E[-len(level_G) :]
            taken_G += share * curve.taken_E[-len(level_G) :]
        return cls(level_G, hit_G / total, taken_G / total)

    def best(self, beta: float) -> int:
        """The level with the largest F; of equal ones the highest."""
        score_G = (1 + beta**2) * self.recall_G / (beta**2 + self.load_G)
        return int(len(score_G) - 1 - np.argmax(score_G[::-1]))


def _weight(curves: list[Curve], best: int, level_G: np.ndarray) -> float:
    """How many true rows the average tag is worth: variances between tags, of recall and of precision, add up."""
    at = best - len(level_G)
    true_C, taken_C, hit_C = np.array([(c.num_true, c.taken_E[at], c.hit_E[at]) for c in curves], np.float64).T
    return 1 / (1 / _alike(hit_C, true_C) + 1 / _alike(hit_C, taken_C))


def _alike(hit_C: np.ndarray, out_of_C: np.ndarray) -> float:
    """The precision a + b of a beta-binomial with the pooled mean, by maximum likelihood."""
    from scipy.optimize import minimize_scalar
    from scipy.special import betaln

    # Half a hit and half a miss keep the mean off 0 and 1.
    mean = (hit_C.sum() + 0.5) / (out_of_C.sum() + 1)

    def cost(log_weight: float) -> float:
        a, b = np.exp(log_weight) * np.array([mean, 1 - mean])
        return -float((betaln(hit_C + a, out_of_C - hit_C + b) - betaln(a, b)).sum())

    return float(np.exp(minimize_scalar(cost, bounds=np.log(WEIGHTS), method="bounded").x))


def _best_cut(curve: Curve, pool: _Pool, beta: float, weight: float) -> float:
    """The best candidate's middle with what lies below it; of equal candidates the highest.

    Without imagined rows the levels are no candidates, and a tag without a true row takes the global threshold.
    """
    end = len(curve.value_E) - (0 if weight else len(pool.level_G))
    if not end or not curve.num_true:
        return float(pool.level_G[pool.best(beta)])
    value_E, below_E = curve.value_E[:end], curve.below_E[:end]
    hit_E = curve.hit_E[:end] + weight * np.interp(value_E, pool.level_G, pool.recall_G)
    recall_E = hit_E / (curve.num_true + weight)
    score_E = recall_E / (beta**2 * curve.num_true + curve.taken_E[:end])
    best = np.lexsort((value_E, score_E))[-1]
    below = max(float(below_E[best]), 0.0)
    if weight:
        below = max(below, float(pool.level_G[max(np.searchsorted(pool.level_G, value_E[best]) - 1, 0)]))
    return (float(value_E[best]) + min(below, float(value_E[best]))) / 2
