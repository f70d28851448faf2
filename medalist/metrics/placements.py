"""Row terms of rankings: what each image does to an area under the ROC curve or an average precision.

A draw of many images of many classes costs sums over all their pairs. Terms cost that once: to first order the score of
reweighted rows is the weighted mean of score + influence, where influence i is N d score / d weight i (the
infinitesimal jackknife: Jaeckel 1972; Efron and Tibshirani 1993, section 21.6). For the area these are the placement
values of DeLong, DeLong and Clarke-Pearson 1988. Only positives are sorted; every answer is looked up among them, and
what it does depends on how many positives are below it (`low`) and not above it (`high`) alone.

Axes: N images, C classes or tags, K answers of a column, P its positives in rising order, S = P + 1 numbers of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from medalist.metrics.contract import check_ranks, one_hot, row_blocks

if TYPE_CHECKING:
    from medalist.metrics.contract import Truth

# (low_P, high_P, below_P, upto_P, num_all) of the positives, with how many of all answers are below and not above each,
# -> score, and what an answer does: by false or true, by low or high, by the number: (2, 2, S).
Influence = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int], tuple[float, np.ndarray]]


def area_influence(
    low_P: np.ndarray, high_P: np.ndarray, below_P: np.ndarray, upto_P: np.ndarray, num_all: int
) -> tuple[float, np.ndarray]:
    """The area is the mean placement of positives among negatives, and of negatives among positives."""
    num_true, num_false = len(low_P), num_all - len(low_P)
    place_P = (below_P - low_P + upto_P - high_P) / (2 * max(num_false, 1))
    score = float(place_P.mean()) if num_false else np.nan
    does_22S = np.zeros((2, 2, num_true + 1))
    does_22S[0] = (1 - np.arange(num_true + 1) / num_true - score) / (2 * max(num_false, 1))
    does_22S[1, 0, :-1] = (place_P - score) / num_true
    return score, does_22S


def precision_influence(
    low_P: np.ndarray, high_P: np.ndarray, below_P: np.ndarray, upto_P: np.ndarray, num_all: int
) -> tuple[float, np.ndarray]:
    """With h hits among a answers from a positive up, it adds h / a: one more answer above takes h / a^2 of that."""
    num_true, all_P = len(low_P), num_all - below_P
    hit_P = num_true - low_P
    score = float((hit_P / all_P).mean())
    does_22S = np.zeros((2, 2, num_true + 1))
    does_22S[:, 1, 1:] = -np.cumsum(hit_P / all_P**2) / num_true
    does_22S[1, 1, 1:] += np.cumsum(1 / all_P) / num_true
    does_22S[1, 0, :-1] = (hit_P / all_P - score) / num_true
    return score, does_22S


def column_influence(influence: Influence, y_K: np.ndarray, prob_K: np.ndarray) -> tuple[float, np.ndarray]:
    """Score of a column, NaN where it has none, and d score / d weight of each answer."""
    true_P = np.sort(prob_K[y_K])
    if not len(true_P):
        return np.nan, np.zeros(len(y_K))
    high_P = np.searchsorted(true_P, true_P, "right")
    low_K = np.empty(len(prob_K), np.int32)
    below_S, upto_S = np.zeros((2, len(true_P) + 1), np.int64)
    for block in row_blocks(len(prob_K), 1):
        low_K[block] = np.searchsorted(true_P, prob_K[block])
        upto_S += np.bincount(low_K[block], minlength=len(upto_S))
        below_S += np.bincount(_high(prob_K[block], low_K[block], true_P, high_P), minlength=len(below_S))
    low_P = np.searchsorted(true_P, true_P)
    below_P, upto_P = np.cumsum(below_S)[low_P], np.cumsum(upto_S)[low_P]
    score, does_22S = influence(low_P, high_P, below_P, upto_P, len(prob_K))
    influence_K = np.empty(len(prob_K))
    for block in row_blocks(len(prob_K), 1):
        low_B, high_B = low_K[block], _high(prob_K[block], low_K[block], true_P, high_P)
        influence_K[block] = does_22S[0, 0][low_B] + does_22S[0, 1][high_B]
        true = np.flatnonzero(y_K[block])
        influence_K[block][true] = does_22S[1, 0][low_B[true]] + does_22S[1, 1][high_B[true]]
    return score, influence_K


def _high(prob_B: np.ndarray, low_B: np.ndarray, true_P: np.ndarray, high_P: np.ndarray) -> np.ndarray:
    """How many positives are not above each answer, given how many are below it: more only where some are equal."""
    high_B = low_B.copy()
    equal = np.flatnonzero(true_P[np.minimum(low_B, len(true_P) - 1)] == prob_B)
    # Above all positives none is equal, so `low` is a place there.
    high_B[equal] = high_P[low_B[equal]]
    return high_B


def second_terms(influence: Influence) -> Any:
    """Terms (N,) of two classes, by the second's probability."""

    def terms(y_N: np.ndarray, prob_NC: np.ndarray) -> np.ndarray:
        check_ranks(y_N, prob_NC)
        score, influence_N = column_influence(influence, np.asarray(y_N == 1), prob_NC[:, 1])
        return score + len(y_N) * influence_N

    return terms


def macro_terms(influence: Influence) -> Any:
    """Terms (N,) of a mean over the columns that have a score."""

    def terms(y: Truth, prob_NC: np.ndarray) -> np.ndarray:
        check_ranks(y, prob_NC)
        y_NC = one_hot(y, prob_NC.shape[1])
        sum_N, scores = np.zeros(len(prob_NC)), []
        for true_N, prob_N in zip(y_NC.T, prob_NC.T, strict=True):
            score, influence_N = column_influence(influence, true_N, np.ascontiguousarray(prob_N))
            if np.isfinite(score):
                scores.append(score)
                sum_N += influence_N
        return np.asarray((sum(scores) + len(sum_N) * sum_N) / max(len(scores), 1))

    return terms


def micro_terms(influence: Influence) -> Any:
    """Terms (N,) of all pairs of image and class as one column."""

    def terms(y: Truth, prob_NC: np.ndarray) -> np.ndarray:
        check_ranks(y, prob_NC)
        score, influence_K = column_influence(influence, one_hot(y, prob_NC.shape[1]).ravel(), prob_NC.ravel())
        return np.asarray(score + len(prob_NC) * influence_K.reshape(prob_NC.shape).sum(axis=1))

    return terms
