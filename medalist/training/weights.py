"""Row weights: None where all rows count the same, or float (N,). A row that weighs 0 is as if it were absent, one that
weighs 2 as if it came twice.

Axes: N images, D features.
"""

from __future__ import annotations

import numpy as np


def part_of(weight_N: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    """Weights of some rows."""
    return None if weight_N is None else weight_N[rows]


def mass(num_rows: int, weight_N: np.ndarray | None) -> float:
    """What rows weigh together; without weights their number."""
    return num_rows if weight_N is None else float(weight_N.sum(dtype=np.float64))


def mean_row(x_ND: np.ndarray, weight_N: np.ndarray | None) -> np.ndarray:
    """The mean of rows, float64 (D,)."""
    if weight_N is None:
        return np.asarray(x_ND.mean(axis=0, dtype=np.float64))
    return np.asarray(np.average(x_ND.astype(np.float64), axis=0, weights=weight_N))


def present(rows: np.ndarray, weight_N: np.ndarray | None) -> np.ndarray:
    """Those of the rows that weigh anything."""
    return rows if weight_N is None else rows[weight_N[rows] > 0]
