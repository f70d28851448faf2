"""Micro F: one threshold for all tags, exact at any size.

F at a cut that takes K tags, T of them true, is (1 + b^2) T / (b^2 P + K), with P true tags in all. Float32 numbers
of 0 or more are ordered as their bits are, so a histogram of the upper bits tells K and T at the edge of every bin. A
bin can hold a better cut only where all its true tags, taken without a false one, would give one; those few are sorted.
Axes: N images, C tags, B bins, P true tags, V values of the bins that are sorted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy.sparse import csr_array

SHIFT = 14  # bins of 9 bits of mantissa: 2^-9 of a value wide
NUM_BINS = (int(np.float32(1.0).view(np.uint32)) >> SHIFT) + 1
BLOCK = 2**23


def best_micro_threshold(
    prob_NC: np.ndarray, y_NC: np.ndarray | csr_array, *, beta: float = 1.0
) -> tuple[float, float]:
    """The threshold with the largest micro F-beta, and that F; (0.5, 0) where no image has a tag.

    For calibrated probabilities the best threshold is F / (1 + b^2), for F1 half of it (Lipton, Elkan and
    Naryanaswamy 2014, theorem 1): a gap between the two numbers tells of probabilities that are not.

    Args:
        prob_NC: probabilities, an array or a memory map; below 0 a tag is never taken.
        y_NC: true tags.
        beta: weight of recall against precision.
    """
    from scipy.sparse import csr_array

    row_P, tag_P = csr_array(y_NC).nonzero()
    num_true = len(row_P)
    true_P = np.sort(np.asarray(prob_NC[row_P, tag_P], np.float32))
    true_P = true_P[true_P >= 0]
    if not len(true_P):
        return 0.5, 0.0
    # 1. Bins that may hold the best cut.
    all_B = sum((np.bincount(_bins(part), minlength=NUM_BINS) for part in _parts(prob_NC)), np.zeros(NUM_BINS, int))
    true_B = np.bincount(_bins(true_P), minlength=NUM_BINS)
    above_B, hit_B = np.cumsum(all_B[::-1])[::-1] - all_B, np.cumsum(true_B[::-1])[::-1]
    gain = 1 + beta**2
    edge_B = gain * hit_B / (beta**2 * num_true + above_B + all_B)
    open_B = (true_B > 0) & (gain * hit_B / (beta**2 * num_true + above_B + true_B) >= edge_B.max())
    # 2. Their values, sorted; a cut lies at a true one. K counts them and the bins above that were not sorted.
    value_V = np.sort(np.concatenate([part[open_B[_bins(part)]] for part in _parts(prob_NC)]))
    cut_P = true_P[open_B[_bins(true_P)]]
    closed_B = np.where(open_B, 0, all_B)
    skipped_P = (np.cumsum(closed_B[::-1])[::-1] - closed_B)[_bins(cut_P)]
    taken_P = len(value_V) - np.searchsorted(value_V, cut_P) + skipped_P
    score_P = gain * (len(true_P) - np.searchsorted(true_P, cut_P)) / (beta**2 * num_true + taken_P)
    best = len(score_P) - 1 - int(np.argmax(score_P[::-1]))
    return _middle(value_V, cut_P[best]), float(score_P[best])


def _parts(prob_NC: np.ndarray) -> Iterator[np.ndarray]:
    """All values of 0 or more, float32, a block of rows at a time."""
    step = max(1, BLOCK // max(prob_NC.shape[1], 1))
    for start in range(0, len(prob_NC), step):
        part = np.asarray(prob_NC[start : start + step], np.float32)
        yield part[part >= 0]


def _bins(value_V: np.ndarray) -> np.ndarray:
    # + 0.0 makes 0 of -0, whose bits are those of a large number.
    return (value_V + np.float32(0)).view(np.uint32) >> SHIFT


def _middle(value_V: np.ndarray, value: np.float32) -> float:
    """Half way down to the next value, at most to the edge of the bin: below it values were not looked at."""
    edge = (_bins(np.array([value])) << SHIFT).astype(np.uint32).view(np.float32)[0]
    first = int(np.searchsorted(value_V, value))
    below = max(value_V[first - 1], edge) if first else edge
    return (float(value) + float(below)) / 2
