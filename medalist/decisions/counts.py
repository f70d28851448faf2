"""Known class counts: the likeliest labels of which each class has exactly so many.

A price a class turns the constraint into argmax log p - price: labels that are best for some prices are best for the
counts they give (Lagrange). Prices are first moved, one class at a time, to where its count is right (the auction of
Bertsekas 1988 with all of a class's places at once). What ties and rounds leave over is moved by shortest paths between
classes, each step keeping the labels best for their counts (successive shortest paths, Ahuja, Magnanti and Orlin 1993,
section 9.7). So the answer is exact at every size; images that are moved by paths cost most of the time.
Axes: M test images, C classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from medalist.errors import MismatchError
from medalist.metrics import TINY
from medalist.metrics.contract import row_blocks

MAX_SWEEPS = 30


def assign_counts(prob_MC: np.ndarray, counts_C: np.ndarray | Sequence[int]) -> np.ndarray:
    """The labels with the largest product of probabilities of which class c has exactly counts_C[c]; int32 (M,).

    Args:
        prob_MC: calibrated probabilities.
        counts_C: number of images of each class, summing to M.

    Raises:
        MismatchError: counts that are negative, or do not fit the rows and columns.
    """
    counts_C = np.asarray(counts_C, np.int64)
    if counts_C.shape != prob_MC.shape[1:] or (counts_C < 0).any() or counts_C.sum() != len(prob_MC):
        raise MismatchError(
            f"got counts of {counts_C.sum()} images in {len(counts_C)} classes for probabilities of shape "
            f"{prob_MC.shape}; give one count of 0 or more a column, together one an image"
        )
    # Logs keep the precision of the probabilities: 100,000 x 1,000 of float32 are one copy of 400 MB.
    log_MC = np.log(np.maximum(prob_MC, TINY, dtype=np.result_type(prob_MC, np.float32)))
    label_M, _, _ = _two_best(log_MC, _prices(log_MC, counts_C))
    size_C = np.bincount(label_M, minlength=len(counts_C))
    cost_CC, row_CC = _cheapest_moves(log_MC, label_M, len(counts_C))
    while (size_C > counts_C).any():
        path = _shortest_path(cost_CC, size_C > counts_C, size_C < counts_C)
        for start, end in itertools.pairwise(path):
            label_M[row_CC[start, end]] = end
        size_C[path[0]] -= 1
        size_C[path[-1]] += 1
        for label in path:
            cost_CC[label], row_CC[label] = _moves_from(log_MC, label_M, label)
    return np.asarray(label_M, np.int32)


def _two_best(log_MC: np.ndarray, price_C: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each row's best class after prices, what it is worth there, and what the best other class is; float64."""
    best_M, first_M, second_M = np.zeros(len(log_MC), np.int64), np.zeros(len(log_MC)), np.full(len(log_MC), -np.inf)
    for block in row_blocks(*log_MC.shape):
        value_BC = log_MC[block] - price_C
        row_B = np.arange(len(value_BC))
        best_M[block] = value_BC.argmax(axis=1)
        first_M[block] = value_BC[row_B, best_M[block]]
        value_BC[row_B, best_M[block]] = -np.inf
        second_M[block] = value_BC.max(axis=1)
    return best_M, first_M, second_M


def _prices(log_MC: np.ndarray, counts_C: np.ndarray) -> np.ndarray:
    """Prices near those at which every class is the best of as many images as it should have.

    A class's lead needs no more than the two best values of a row. A new price of one class moves that class alone:
    where it is neither of the two best it may become one; where it is, the row is looked at anew. A sweep is so of the
    order of M C steps, not M C^2.
    """
    price_C = np.zeros(log_MC.shape[1])
    if log_MC.shape[1] < 2:
        return price_C
    for _ in range(MAX_SWEEPS):
        two = _two_best(log_MC, price_C)
        size_C = np.bincount(two[0], minlength=len(counts_C))
        if np.abs(size_C - counts_C).sum() <= len(counts_C) // 8:
            break
        for label in np.argsort(-np.abs(size_C - counts_C), kind="stable"):
            best_M, first_M, second_M = two
            own_M = log_MC[:, label].astype(np.float64)
            lead_M = own_M - np.where(best_M == label, second_M, first_M)
            old_M, price_C[label] = own_M - price_C[label], _between(lead_M, counts_C[label])
            _reprice(log_MC, price_C, label, old_M, two)
    return price_C


def _reprice(
    log_MC: np.ndarray,
    price_C: np.ndarray,
    label: int,
    old_M: np.ndarray,
    two: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    """Bring the two best of each row up to date, in place, after a class's price changed its values from `old_M`."""
    best_M, first_M, second_M = two
    new_M = log_MC[:, label] - price_C[label]
    own_M, rises_M = best_M == label, new_M > old_M
    leads_M = rises_M & ~own_M & (new_M > first_M)
    second_M[leads_M], best_M[leads_M] = first_M[leads_M], label
    first_M[leads_M | (rises_M & own_M)] = new_M[leads_M | (rises_M & own_M)]
    follows_M = rises_M & ~own_M & ~leads_M
    second_M[follows_M] = np.maximum(second_M, new_M)[follows_M]
    # Where one of the two best falls, a third class may take its place.
    rows = np.flatnonzero((old_M >= second_M) & (new_M < old_M))
    best_M[rows], first_M[rows], second_M[rows] = _two_best(log_MC[rows], price_C)


def _between(lead_M: np.ndarray, count: int) -> float:
    """A price that `count` of the leads exceed."""
    if count == 0:
        return float(lead_M.max()) + 1.0
    if count == len(lead_M):
        return float(lead_M.min()) - 1.0
    low, high = np.partition(lead_M, [len(lead_M) - count - 1, len(lead_M) - count])[
        [len(lead_M) - count - 1, len(lead_M) - count]
    ]
    return float(low + high) / 2


def _cheapest_moves(log_MC: np.ndarray, label_M: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """What the cheapest move of an image from each class to each other one loses, and which image that is."""
    moves = [_moves_from(log_MC, label_M, label) for label in range(num_classes)]
    return np.stack([cost_C for cost_C, _ in moves]), np.stack([row_C for _, row_C in moves])


def _moves_from(log_MC: np.ndarray, label_M: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
    num_classes = log_MC.shape[1]
    rows = np.flatnonzero(label_M == label)
    if not len(rows):
        return np.full(num_classes, np.inf), np.zeros(num_classes, np.int64)
    loss = log_MC[rows, label, None].astype(np.float64) - log_MC[rows]
    best_C = loss.argmin(axis=0)
    return loss[best_C, np.arange(num_classes)], rows[best_C]


def _shortest_path(cost_CC: np.ndarray, over_C: np.ndarray, under_C: np.ndarray) -> list[int]:
    """Classes on the cheapest way from one with too many images to one with too few (Bellman and Ford).

    S of them came nearer in the last step.
    """
    far_C = np.where(over_C, 0.0, np.inf)
    before_C = np.full(len(far_C), -1)
    news = np.flatnonzero(over_C)
    for _ in range(len(far_C)):
        via_SC = far_C[news, None] + cost_CC[news]
        best_C = via_SC.argmin(axis=0)
        found_C = via_SC[best_C, np.arange(len(far_C))]
        # Rounding must not make a circle of moves that cost nothing.
        nearer_C = found_C < far_C - 1e-12
        far_C = np.where(nearer_C, found_C, far_C)
        before_C = np.where(nearer_C, news[best_C], before_C)
        # Only classes that came nearer can bring others nearer.
        news = np.flatnonzero(nearer_C)
        if not len(news):
            break
    path = [int(np.argmin(np.where(under_C, far_C, np.inf)))]
    while before_C[path[0]] >= 0:
        path.insert(0, int(before_C[path[0]]))
    return path
