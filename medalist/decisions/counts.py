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
    log_MC = np.log(np.maximum(np.asarray(prob_MC, np.float64), TINY))
    label_M = np.argmax(log_MC - _prices(log_MC, counts_C), axis=1)
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


def _prices(log_MC: np.ndarray, counts_C: np.ndarray) -> np.ndarray:
    """Prices near those at which every class is the best of as many images as it should have."""
    price_C = np.zeros(log_MC.shape[1])
    if log_MC.shape[1] < 2:
        return price_C
    for _ in range(MAX_SWEEPS):
        size_C = np.bincount(np.argmax(log_MC - price_C, axis=1), minlength=len(counts_C))
        if np.abs(size_C - counts_C).sum() <= 2 * len(counts_C):
            break
        for label in np.argsort(-np.abs(size_C - counts_C), kind="stable"):
            others_MC = log_MC - price_C
            others_MC[:, label] = -np.inf
            lead_M = log_MC[:, label] - others_MC.max(axis=1)
            price_C[label] = _between(lead_M, counts_C[label])
    return price_C


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
    loss = log_MC[rows, label][:, None] - log_MC[rows]
    best_C = loss.argmin(axis=0)
    return loss[best_C, np.arange(num_classes)], rows[best_C]


def _shortest_path(cost_CC: np.ndarray, over_C: np.ndarray, under_C: np.ndarray) -> list[int]:
    """Classes on the cheapest way from one with too many images to one with too few (Bellman and Ford)."""
    far_C = np.where(over_C, 0.0, np.inf)
    before_C = np.full(len(far_C), -1)
    for _ in range(len(far_C)):
        via_CC = far_C[:, None] + cost_CC
        best_C = via_CC.argmin(axis=0)
        found_C = via_CC[best_C, np.arange(len(far_C))]
        # Rounding must not make a circle of moves that cost nothing.
        nearer_C = found_C < far_C - 1e-12
        if not nearer_C.any():
            break
        far_C = np.where(nearer_C, found_C, far_C)
        before_C = np.where(nearer_C, best_C, before_C)
    path = [int(np.argmin(np.where(under_C, far_C, np.inf)))]
    while before_C[path[0]] >= 0:
        path.insert(0, int(before_C[path[0]]))
    return path
