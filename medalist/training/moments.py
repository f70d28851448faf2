"""Rows -> what least squares and discriminant analysis need of them, a fold at a time, in one reading.

Every training set of a cross-validation is all folds but one or two; its moments are the sum of theirs, exactly.
Axes: N images, D features, C classes, K folds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.blas import ssyrk

from medalist.training.rows import Rows, blocks, in_order
from medalist.training.weights import mass, part_of

PIECE = 4096  # rows summed in float32 before they are added in float64
SOLVERS_BYTES = 2**31  # at most, of the matrices of training sets fitted side by side


@dataclass(frozen=True)
class Moments:
    """Sums over a set of rows.

    Args:
        num_rows: their number n, or what they weigh together.
        sum_D: of rows.
        gram_DD: X^T X.
        sum_CD: of the rows of each class or tag, Y^T X.
        count_C: rows of each class or tag.
    """

    num_rows: float
    sum_D: np.ndarray
    gram_DD: np.ndarray
    sum_CD: np.ndarray
    count_C: np.ndarray

    @classmethod
    def of(cls, x_ND: np.ndarray, target_NC: Any, weight_N: np.ndarray | None = None) -> Moments:
        """Of rows in memory, in float64."""
        x_ND = x_ND.astype(np.float64)
        if weight_N is None:
            return cls(len(x_ND), x_ND.sum(axis=0), x_ND.T @ x_ND, target_NC.T @ x_ND, target_NC.sum(axis=0))
        heavy_ND = weight_N.astype(np.float64)[:, None] * x_ND
        count_C = np.asarray(weight_N.astype(np.float64) @ target_NC)
        return cls(float(weight_N.sum()), heavy_ND.sum(axis=0), x_ND.T @ heavy_ND, target_NC.T @ heavy_ND, count_C)

    def __sub__(self, other: Moments) -> Moments:
        """Of the rows that are not among the others."""
        return Moments(
            self.num_rows - other.num_rows,
            self.sum_D - other.sum_D,
            self.gram_DD - other.gram_DD,
            self.sum_CD - other.sum_CD,
            self.count_C - other.count_C,
        )

    def centred(self) -> tuple[np.ndarray, np.ndarray]:
        """X^T X and Y^T X of rows less their mean: sum (x - m)(x - m)^T = X^T X - n m m^T, and the same for Y^T X."""
        mean_D = self.mean()
        gram_DD = np.multiply.outer(-self.num_rows * mean_D, mean_D)
        gram_DD += self.gram_DD
        return gram_DD, self.sum_CD - np.multiply.outer(self.count_C, mean_D)

    def mean(self) -> np.ndarray:
        """The mean row."""
        return self.sum_D / self.num_rows

    @property
    def energy(self) -> float:
        """Sum of the rows' squared norms."""
        return float(np.trace(self.gram_DD, dtype=np.float64))


def fold_moments(rows: Rows, target_NC: Any, fold_N: np.ndarray, weight_N: np.ndarray | None = None) -> list[Moments]:
    """Moments of each fold, products summed in float64 and kept as float32; last those of fold -1, if it has rows.

    Rounding a Gram matrix of n standardised rows moves its eigenvalues by about 1e-8 n sqrt(D) of n D: far less than
    the weakest penalty adds to them.
    """
    folds = [*range(int(fold_N.max()) + 1), *([-1] if (fold_N < 0).any() else [])]
    inside_K = [np.flatnonzero(fold_N == k) for k in folds]
    pieces_K = [blocks(inside, PIECE) for inside in inside_K]
    if weight_N is not None:
        weight_N = weight_N.astype(np.float32)
        target_NC = target_NC.multiply(weight_N[:, None]).tocsr()
    parts = in_order(lambda piece: _piece(rows, target_NC, weight_N, piece), chain.from_iterable(pieces_K))
    return [
        _fold(islice(parts, len(pieces)), target_NC[inside].sum(axis=0))
        for pieces, inside in zip(pieces_K, inside_K, strict=True)
    ]


def without(moments_K: Sequence[Moments], left_out: Collection[int]) -> Moments:
    """Moments in float64 of all folds but those left out."""
    kept = [moments for k, moments in enumerate(moments_K) if k not in left_out]
    gram_DD, sum_CD = (np.zeros(array.shape) for array in (kept[0].gram_DD, kept[0].sum_CD))
    for moments in kept:
        gram_DD += moments.gram_DD
        sum_CD += moments.sum_CD
    num_rows, count_C = sum(m.num_rows for m in kept), np.sum([m.count_C for m in kept], axis=0)
    return Moments(num_rows, np.sum([m.sum_D for m in kept], axis=0), gram_DD, sum_CD, count_C)


def solvers(num_features: int) -> int:
    """How many training sets may be fitted side by side: each holds about three float64 (D, D)."""
    return max(1, SOLVERS_BYTES // (3 * 8 * num_features**2))


def solve(gram_DD: np.ndarray, ridge: float, sum_CD: np.ndarray) -> np.ndarray:
    """(gram + ridge I)^-1 sums^T by Cholesky, float64 (D, C)."""
    # A symmetric matrix and its transpose are the same numbers; LAPACK takes the transposes without another copy.
    shifted_DD = gram_DD.copy()
    shifted_DD[np.diag_indices_from(shifted_DD)] += ridge
    factor = cho_factor(shifted_DD.T, overwrite_a=True, check_finite=False)
    return np.asarray(cho_solve(factor, sum_CD.T, check_finite=False))


def _fold(parts: Iterable[tuple[float, np.ndarray, np.ndarray, np.ndarray]], count_C: np.ndarray) -> Moments:
    """The sum of a fold's pieces."""
    num_rows, sums = 0.0, list[np.ndarray]()
    for rows, *arrays in parts:
        num_rows += rows
        sums = sums or [np.zeros(array.shape) for array in arrays]
        for total, array in zip(sums, arrays, strict=True):
            total += array
    sum_D, gram_DD, sum_CD = sums
    # Only one triangle was summed.
    gram_DD = (np.tril(gram_DD) + np.tril(gram_DD, -1).T).astype(np.float32)
    return Moments(num_rows, sum_D, gram_DD, sum_CD.astype(np.float32), count_C)


def _piece(
    rows: Rows, target_NC: Any, weight_N: np.ndarray | None, piece: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Number, sum, X^T X (one triangle) and Y^T X of a few thousand rows; targets are weighted already."""
    num_features = rows.num_features
    gram_DD = np.zeros((num_features, num_features), np.float32, order="F")
    sum_CD, sum_D = np.zeros((target_NC.shape[1], num_features), np.float32), np.zeros(num_features)
    for block in blocks(piece):
        z_BD = rows.read(block)
        sum_CD += target_NC[block].T @ z_BD
        if weight_N is None:
            sum_D += z_BD.sum(axis=0, dtype=np.float64)
        else:
            sum_D += weight_N[block].astype(np.float64) @ z_BD
            z_BD *= np.sqrt(weight_N[block])[:, None]
        gram_DD = ssyrk(1.0, z_BD.T, beta=1.0, c=gram_DD, overwrite_c=1)
    return mass(len(piece), part_of(weight_N, piece)), sum_D, gram_DD.T, sum_CD
