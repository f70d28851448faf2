"""Samples F: the set of an image with the largest expected F over what its tags might be.

Where tags are independent with known probabilities, the best set of k tags is the k likeliest (Lewis 1995), and only k
is open. With h of them true, r true tags among the others, E F(k) = sum_h sum_r P(h) P(r) (1 + b^2) h / (k + b^2 (h +
r)). The inner sum is computed from the least likely tag up (Ye, Chai, Lee and Chieu 2012, algorithm 1): with s_k(x) =
E 1 / (x + b^2 r_k) over the tags after the k-th,

    s_k(x) = p_{k+1} s_{k+1}(x + b^2) + (1 - p_{k+1}) s_{k+1}(x),

on a grid of step 1/den for b^2 = num/den: O((num + den) Q^2) steps an image, all images of a chunk at once. Where b^2
is no such fraction, or num + den is large, the points are k + b^2 n for each k on its own: O(Q^3) steps, for any beta.

Truncation: only the Q likeliest tags are candidates. How many of the others are true is taken as a Poisson number,
which is off by at most the sum of their squared probabilities in total variation (Le Cam 1960), 0 where there are none.
Axes: M images, C tags, Q candidates, J points of the grid, R number of true tags beyond the candidates.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

CHUNK_BYTES = 2**26
MAX_DENOMINATOR = 16  # of beta^2 for the common grid; the betas 0.5, 1, 1.5, 2 and 3 are such
MAX_POINTS = 32  # num + den for the common grid


def best_sets(
    prob_MC: np.ndarray, *, beta: float, at_least: int = 0, at_most: int | None = None, candidates: int = 100
) -> np.ndarray:
    """The set of each image with the largest expected F-beta, boolean (M, C).

    Args:
        prob_MC: calibrated probabilities of independent tags; a tag below 0 is -(1 + p): never taken, true with
            probability p.
        beta: weight of recall against precision.
        at_least: smallest number of tags in a set, where so many may be taken.
        at_most: largest number of tags in a set.
        candidates: only so many of an image's likeliest tags may be taken.

    Returns:
        Sets; of equally good ones the smallest. An empty set scores 1 where no tag is true.
    """
    set_MC = np.zeros(prob_MC.shape, bool)
    num = min(candidates, prob_MC.shape[1])
    step = max(1, CHUNK_BYTES // (8 * max(num * num, prob_MC.shape[1])))
    for start in range(0, len(prob_MC), step):
        prob_BC = np.asarray(prob_MC[start : start + step], np.float64)
        top_BQ = _likeliest(prob_BC, num)
        top_prob_BQ = np.take_along_axis(prob_BC, top_BQ, axis=1)
        barred_BQ = top_prob_BQ < 0
        rest_B = np.where(prob_BC < 0, -1 - prob_BC, prob_BC).sum(axis=1) - np.where(barred_BQ, 0, top_prob_BQ).sum(1)
        score_BK = expected_f(np.where(barred_BQ, 0, top_prob_BQ), np.maximum(rest_B, 0), beta)
        size_B = _best_size(score_BK, np.count_nonzero(~barred_BQ, axis=1), at_least, at_most)
        np.put_along_axis(set_MC[start : start + step], top_BQ, np.arange(num) < size_B[:, None], axis=1)
    return set_MC


def _likeliest(prob_BC: np.ndarray, num: int) -> np.ndarray:
    """Columns of the `num` largest of each row, largest first; equal ones by column."""
    if num < prob_BC.shape[1]:
        part_BQ = np.sort(np.argpartition(-prob_BC, num - 1, axis=1)[:, :num], axis=1)
    else:
        part_BQ = np.broadcast_to(np.arange(num), prob_BC.shape)
    order_BQ = np.argsort(-np.take_along_axis(prob_BC, part_BQ, axis=1), axis=1, kind="stable")
    return np.take_along_axis(part_BQ, order_BQ, axis=1)


def _best_size(score_BK: np.ndarray, most_B: np.ndarray, at_least: int, at_most: int | None) -> np.ndarray:
    """The number of tags with the largest expected F within the limits."""
    size_K = np.arange(score_BK.shape[1])
    high_B = most_B if at_most is None else np.minimum(most_B, at_most)
    low_B = np.minimum(at_least, high_B)
    allowed_BK = (size_K >= low_B[:, None]) & (size_K <= high_B[:, None])
    return np.asarray(np.argmax(np.where(allowed_BK, score_BK, -1.0), axis=1))


def expected_f(prob_MQ: np.ndarray, rest_M: np.ndarray, beta: float) -> np.ndarray:
    """Expected F-beta of the k first tags of each row, k = 0 ... Q: (M, Q + 1).

    Args:
        prob_MQ: probabilities of the candidates, falling along each row.
        rest_M: expected number of true tags that are no candidates.
        beta: weight of recall against precision.
    """
    hit_KMQ = _prefix_counts(prob_MQ)
    score_MK = np.zeros((len(prob_MQ), prob_MQ.shape[1] + 1))
    score_MK[:, 0] = np.prod(1 - prob_MQ, axis=1) * np.exp(-rest_M)
    ratio = Fraction(beta * beta).limit_denominator(MAX_DENOMINATOR)
    exact = abs(float(ratio) - beta * beta) <= 1e-12 * beta * beta
    if exact and ratio.numerator + ratio.denominator <= MAX_POINTS:
        _by_grid(score_MK, hit_KMQ, prob_MQ, rest_M, ratio)
    else:
        _by_counts(score_MK, hit_KMQ, prob_MQ, rest_M, beta * beta)
    return score_MK


def _by_grid(
    score_MK: np.ndarray, hit_KMQ: np.ndarray, prob_MQ: np.ndarray, rest_M: np.ndarray, ratio: Fraction
) -> None:
    """Fill in the scores of k = 1 ... Q, all k on one grid."""
    num, den = ratio.numerator, ratio.denominator
    num_tags = prob_MQ.shape[1]
    x_J = np.arange((num + den) * num_tags + 1) / den
    # x = 0 is never asked for.
    grid_JM = np.concatenate([np.zeros((1, len(rest_M))), _poisson_start(x_J[1:], rest_M, num / den)])
    for k in range(num_tags, 0, -1):
        # h = 1 ... k true among the first k: x = k + b^2 h is point den k + num h of the grid.
        at_HM = grid_JM[den * k + num : (den + num) * k + 1 : num]
        hits_HM = hit_KMQ[k, 1 : k + 1] * np.arange(1, k + 1)[:, None]
        score_MK[:, k] = (1 + num / den) * (hits_HM * at_HM).sum(axis=0)
        length = (num + den) * (k - 1) + 1
        prob_M = prob_MQ[:, k - 1]
        grid_JM = grid_JM[:length] + prob_M * (grid_JM[num : length + num] - grid_JM[:length])


def _by_counts(
    score_MK: np.ndarray, hit_KMQ: np.ndarray, prob_MQ: np.ndarray, rest_M: np.ndarray, square: float
) -> None:
    """Fill in the scores of k = 1 ... Q, each k at its own x = k + b^2 n, n = 0 ... Q true tags in all."""
    num_tags = prob_MQ.shape[1]
    for k in range(1, num_tags + 1):
        at_NM = _poisson_start(k + square * np.arange(num_tags + 1), rest_M, square)
        for prob_M in prob_MQ[:, k:].T:
            at_NM = at_NM[:-1] + prob_M * (at_NM[1:] - at_NM[:-1])
        hits_HM = hit_KMQ[k, 1 : k + 1] * np.arange(1, k + 1)[:, None]
        score_MK[:, k] = (1 + square) * (hits_HM * at_NM[1:]).sum(axis=0)


def _prefix_counts(prob_MQ: np.ndarray) -> np.ndarray:
    """P(h of the first k tags are true), (Q + 1, Q + 1, M) by k and h."""
    num_images, num_tags = prob_MQ.shape
    hit_KMQ = np.zeros((num_tags + 1, num_tags + 1, num_images))
    hit_KMQ[0, 0] = 1
    for k in range(num_tags):
        hit_KMQ[k + 1, : k + 2] = hit_KMQ[k, : k + 2] * (1 - prob_MQ[:, k])
        hit_KMQ[k + 1, 1 : k + 2] += hit_KMQ[k, : k + 1] * prob_MQ[:, k]
    return hit_KMQ


def _poisson_start(x_J: np.ndarray, rest_M: np.ndarray, square: float) -> np.ndarray:
    """s_Q(x) = E 1 / (x + b^2 r), r a Poisson number with mean `rest_M`, at x > 0: (J, M)."""
    from scipy.stats import poisson

    most = int(poisson.isf(1e-12, max(float(rest_M.max(initial=0.0)), 1e-12))) + 1
    mass_RM = poisson.pmf(np.arange(most + 1)[:, None], rest_M)
    start_JM = np.zeros((len(x_J), len(rest_M)))
    for true, mass_M in enumerate(mass_RM):
        start_JM += mass_M / (x_J[:, None] + true * square)
    return start_JM
