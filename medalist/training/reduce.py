"""Raw features -> standardised ones, rotated to their principal axes; a learner that L2 bounds loses nothing by it.

Axes: N training images, D features, R = rank <= min(N, D), C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medalist.fitted import State
from medalist.training.weights import mean_row, present

SMALLEST_EIGENVALUE = 1e-10  # relative to the largest: float32 features carry nothing below it
FLAT = 1e-6  # a feature whose deviation is a smaller share of its mean is constant


@dataclass(frozen=True)
class Standard:
    """What turns raw features into standardised ones, measured on all training rows, labels unseen.

    A feature that is never negative there (pooled after a ReLU) is a count of evidence: its square root is taken
    first, which evens out its variance (Hellinger's kernel; Arandjelovic & Zisserman 2012, Perronnin et al. 2010).

    Args:
        root_D: which features are rooted.
        mean_D, scale_D: mean and standard deviation after the root; a constant feature has scale 1.
    """

    root_D: np.ndarray
    mean_D: np.ndarray
    scale_D: np.ndarray

    def __call__(self, x_ND: np.ndarray) -> np.ndarray:
        """Standardise raw rows, float32."""
        z_ND = (rooted(np.asarray(x_ND, np.float32), self.root_D) - self.mean_D) / self.scale_D
        return np.asarray(z_ND, np.float32)

    def state(self) -> State:
        """As arrays to save beside a head's own; `from_state` reads them."""
        return {"root_D": self.root_D.astype(np.uint8), "mean_D": self.mean_D, "scale_D": self.scale_D}

    @classmethod
    def of_moments(cls, root_D: np.ndarray, mean_D: np.ndarray, scale_D: np.ndarray) -> Standard:
        """From means and deviations in float64; a constant feature's deviation is set to 1."""
        flat_D = scale_D <= FLAT * np.maximum(np.abs(mean_D), FLAT)
        return cls(root_D, mean_D.astype(np.float32), np.where(flat_D, 1.0, scale_D).astype(np.float32))

    @classmethod
    def from_state(cls, state: State) -> Standard:
        """The standardisation inside a head's state."""
        return cls(state["root_D"].astype(bool), state["mean_D"], state["scale_D"])


def standard(x_ND: np.ndarray, *, root: bool = True, weight_N: np.ndarray | None = None) -> Standard:
    """Measure each column of weighted rows in float64; `root=False` leaves all of them unrooted."""
    rows = present(np.arange(len(x_ND)), weight_N)
    x_ND = x_ND if len(rows) == len(x_ND) else x_ND[rows]
    root_D = np.all(x_ND >= 0, axis=0) if root else np.zeros(x_ND.shape[1], bool)
    x_ND = rooted(x_ND, root_D)
    if weight_N is not None:
        mean_D = mean_row(x_ND, weight_N[rows])
        return Standard.of_moments(root_D, mean_D, np.sqrt(mean_row(np.square(x_ND - mean_D), weight_N[rows])))
    return Standard.of_moments(root_D, x_ND.mean(axis=0, dtype=np.float64), x_ND.std(axis=0, dtype=np.float64))


def rooted(x_ND: np.ndarray, root_D: np.ndarray) -> np.ndarray:
    """The square root of the columns of `root_D`; a new image's negative value keeps its sign."""
    return np.where(root_D, np.sign(x_ND) * np.sqrt(np.abs(x_ND)), x_ND) if root_D.any() else x_ND


def rotate(z_ND: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotate rows to their principal axes, largest variance first.

    All inner products between the N rows stay as they are, and so does |W| of any W in their span, where the optimum
    of every loss with an L2 penalty lies (representer theorem): the reduced problem is the same problem. One
    eigendecomposition of the smaller of the two Gram matrices serves all folds, since each fold's rows lie in the
    span of all rows. Along the principal axes a Hessian is nearly diagonal, which the solvers use.

    Returns:
        x_NR and the orthonormal basis_DR with `x_NR = z_ND @ basis_DR`.
    """
    wide = z_ND.shape[0] < z_ND.shape[1]
    gram = (z_ND @ z_ND.T if wide else z_ND.T @ z_ND).astype(np.float64)
    value, vector = np.linalg.eigh(gram)
    keep = np.flatnonzero(value > SMALLEST_EIGENVALUE * max(value[-1], 1.0))[::-1]
    value, vector = value[keep], vector[:, keep]
    if not wide:
        return z_ND @ vector.astype(np.float32), vector.astype(np.float32)
    # z = U S V^T: the Gram matrix of rows gives U and S, then x = U S and V = z^T U / S.
    basis_DR = z_ND.T @ (vector / np.sqrt(value)).astype(np.float32)
    return (vector * np.sqrt(value)).astype(np.float32), basis_DR
