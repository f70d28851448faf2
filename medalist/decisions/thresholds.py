"""Thresholds: probabilities of tags -> sets of tags.

Axes: N images, C tags, E events (one tag of one image joins its set as the threshold falls).
"""

from __future__ import annotations

import numpy as np

# The search looks at this many of the largest probabilities, and is exact on any set with no more: 35,000 images x
# 7,000 tags are searched down to where an image has 239 tags on average.
MAX_EVENTS = 2**23


def cut(prob_NC: np.ndarray, threshold: float | np.ndarray, at_least: int) -> np.ndarray:
    """Tags with a probability of `threshold` or more, and in any case the `at_least` likeliest; boolean (N, C).

    Equal probabilities rank by column; what has one below 0 is never taken. `threshold` may be one a tag, (C,).
    """
    # float64 on purpose: the threshold lies between two neighbouring float32 values and must not round onto one.
    set_NC = np.asarray(prob_NC >= np.float64(threshold))
    short_N = np.flatnonzero(np.count_nonzero(set_NC, axis=1) < at_least)
    rest_NC = prob_NC[short_N]
    for _ in range(min(at_least, prob_NC.shape[1]) if len(short_N) else 0):
        best_N = rest_NC.argmax(axis=1)
        row_N = np.arange(len(rest_NC))
        set_NC[short_N, best_N] |= rest_NC[row_N, best_N] >= 0
        rest_NC[row_N, best_N] = -np.inf
    return set_NC


def best_threshold(prob_NC: np.ndarray, y_NC: np.ndarray, *, at_least: int = 1, beta: float = 1.0) -> float:
    """The one threshold with the largest mean F-beta of the sets that `cut` gives.

    As the threshold falls, tags join the sets in the order of their probability. The k-th tag to join image i moves its
    F from (1 + b^2) h / (b^2 m + k - 1) to (1 + b^2) h' / (b^2 m + k), with m true tags and h, h' of them among the
    k - 1, k likeliest. Sorted over all images, the cumulative sum of these steps is the mean F at every possible cut.

    Args:
        prob_NC: probabilities; below 0 a tag is never taken.
        y_NC: boolean truth.
        at_least: number of tags that every image gets.
        beta: weight of recall against precision.

    Returns:
        The middle between the best cut's last probability and the next one; of equal cuts the one with fewest tags.
    """
    # 1. Events in the order of each image's ranking.
    row_E, column_E = np.nonzero(cut(prob_NC, _floor(prob_NC), at_least))
    prob_E = prob_NC[row_E, column_E]
    order = np.lexsort((-prob_E, row_E))
    row_E, column_E, prob_E = row_E[order], column_E[order], prob_E[order]
    # 2. Each event's step; the first `at_least` of an image are taken at every cut.
    step_E, rank_E = _steps(row_E, y_NC[row_E, column_E], np.count_nonzero(y_NC, axis=1), beta)
    free_E = rank_E > at_least
    start = np.count_nonzero(~y_NC.any(axis=1)) + step_E[~free_E].sum()
    # 3. Steps by falling probability.
    prob_E, step_E = prob_E[free_E], step_E[free_E]
    order = np.argsort(-prob_E, kind="stable")
    return _middle_of_best(prob_E[order].astype(np.float64), start + np.cumsum(step_E[order]), start)


def _floor(prob_NC: np.ndarray) -> float:
    """The probability from which on there are at most MAX_EVENTS."""
    if prob_NC.size <= MAX_EVENTS:
        return 0.0
    first_out = np.partition(prob_NC, prob_NC.size - MAX_EVENTS - 1, axis=None)[prob_NC.size - MAX_EVENTS - 1]
    return float(np.nextafter(first_out, np.float32(2)))


def _steps(row_E: np.ndarray, hit_E: np.ndarray, size_N: np.ndarray, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """By how much each event moves its image's F, and its rank in its image from 1; events are sorted by image."""
    first_N = np.searchsorted(row_E, np.arange(len(size_N)))
    rank_E = np.arange(1, len(row_E) + 1) - first_N[row_E]
    hits_E = np.cumsum(hit_E)
    hits_E = hits_E - np.append(0, hits_E)[first_N[row_E]]
    true_E = beta**2 * size_N[row_E]
    after_E = (1 + beta**2) * hits_E / (true_E + rank_E)
    # An empty answer to an empty truth is right.
    empty_E = (size_N[row_E] == 0) & (rank_E == 1)
    before_E = np.where(empty_E, 1.0, (1 + beta**2) * (hits_E - hit_E) / np.where(empty_E, 1.0, true_E + rank_E - 1))
    return after_E - before_E, rank_E


def _middle_of_best(prob_E: np.ndarray, total_E: np.ndarray, start: float) -> float:
    """The best of the cuts "nothing" (total `start`) and "down to here" after each run of equal probabilities."""
    last_E = np.append(prob_E[1:] != prob_E[:-1], True)[: len(prob_E)]
    level = np.concatenate([[2.0], prob_E[last_E]])
    best = int(np.argmax(np.concatenate([[start], total_E[last_E]])))
    return float((level[best] + level[min(best + 1, len(level) - 1)]) / 2)
