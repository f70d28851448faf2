"""Features and classes -> how far each image is from its likes, against how far images are from theirs.

Far is the cosine distance of raw pooled features to the fifth nearest image that shows another picture. Standardised
features do not serve: with the mean gone, unlike images are no farther apart than like ones (planted strangers: mean
average precision 0.81 raw, 0.18 standardised; a local density ratio 0.15; the mean of five neighbours 0.76).

Axes: N images that are compared with, Q images that are asked about, D features, B rows of a block.
"""

from __future__ import annotations

import numpy as np

NEIGHBOUR = 5
FEW = 50  # images of a class from which on it has a scale of its own: of 22 much alike, three were called strange
FLAGGED = 3.5  # robust standard deviations (Iglewicz & Hoaglin 1993, section 3.3)
TO_SIGMA = 1.4826  # of the median absolute deviation
MOST_COMPARED = 20_000  # images drawn of more, so that the cost grows with N alone
BLOCK = 256


def distances(
    x_QD: np.ndarray,
    x_ND: np.ndarray,
    group_Q: np.ndarray,
    group_N: np.ndarray,
    *,
    neighbour: int = NEIGHBOUR,
    seed: int = 0,
) -> np.ndarray:
    """Cosine distance of each row to its n-th nearest one of another group.

    Args:
        x_QD: rows of norm 1 (a row of zeros is at distance 1 from all).
        x_ND: likewise; it may hold the rows of `x_QD` themselves.
        group_Q: pictures of one group (duplicates) are no neighbours; a number that `group_N` lacks excludes none.
        group_N: likewise.
        neighbour: n.
        seed: of the rows that are compared with, where there are more than MOST_COMPARED.

    Returns:
        float32 (Q,) from 0 to 2; infinite where there are fewer neighbours.
    """
    if len(x_ND) > MOST_COMPARED:
        drawn = np.random.default_rng(seed).choice(len(x_ND), MOST_COMPARED, replace=False)
        x_ND, group_N = x_ND[drawn], group_N[drawn]
    far_Q = np.full(len(x_QD), np.inf, np.float32)
    if len(x_ND) < neighbour:
        return far_Q
    for start in range(0, len(x_QD), BLOCK):
        rows = slice(start, start + BLOCK)
        far_BN = 1 - x_QD[rows] @ x_ND.T
        far_BN[group_Q[rows, None] == group_N[None]] = np.inf
        far_Q[rows] = np.partition(far_BN, neighbour - 1, axis=1)[:, neighbour - 1]
    return far_Q


def deviations(far_Q: np.ndarray, far_N: np.ndarray) -> np.ndarray:
    """How many robust standard deviations each distance lies above the median of `far_N`; 0 where those are all equal.

    More than FLAGGED is an outlier. Both may be infinite where an image has too few neighbours, which says nothing: 0.
    """
    known_N = far_N[np.isfinite(far_N)]
    if not len(known_N):
        return np.zeros(len(far_Q))
    middle = np.median(known_N)
    scale = TO_SIGMA * np.median(np.abs(known_N - middle))
    if scale <= 0:
        return np.zeros(len(far_Q))
    return np.where(np.isfinite(far_Q), (np.where(np.isfinite(far_Q), far_Q, 0) - middle) / scale, 0.0)


def class_deviations(x_ND: np.ndarray, y_N: np.ndarray, group_N: np.ndarray) -> np.ndarray:
    """(N,) `deviations` among the images of each row's own class; 0 in classes of fewer than FEW images."""
    found_N = np.zeros(len(y_N))
    for c in np.unique(y_N):
        rows = np.flatnonzero(y_N == c)
        if len(rows) >= FEW:
            far_R = distances(x_ND[rows], x_ND[rows], group_N[rows], group_N[rows])
            found_N[rows] = deviations(far_R, far_R)
    return found_N
