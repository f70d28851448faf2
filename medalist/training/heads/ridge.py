"""Ridge regression on 0/1 targets, its scores turned into probabilities: fast, many targets, strong at few rows.

Minimises |X W + b - Y|^2 + penalty s |W|^2, with s the mean squared norm of a row; the intercept is free. One Gram
matrix of all rows serves every fold (the held-out rows' share is taken off), one Cholesky factor every target.
Axes: N images, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from medalist.fitted import State
from medalist.training.heads.contract import (
    EVERY_TASK,
    LinearFit,
    fit_linear,
    heads,
    indicators,
    is_tags,
    predict_linear,
    row_scale,
    targets,
)
from medalist.training.moments import fold_moments, solve, solvers, without
from medalist.training.rows import Rows, in_order
from medalist.training.weights import mass, mean_row, part_of


class RidgeProblem:
    """All rows' Gram matrix and moments; see `contract.Problem`."""

    penalties = tuple(float(10.0 ** (2 - 0.25 * step)) for step in range(17))
    temperatures = tuple(float(1.3**step) for step in range(16))

    def __init__(self, x_ND: np.ndarray, y: Any, num_classes: int, weight_N: np.ndarray | None = None) -> None:
        self.x_ND, self.tags, self.weight_N = x_ND, is_tags(y), weight_N
        self.target_NC = targets(y, num_classes)
        self.unit = row_scale(x_ND, weight_N)
        self.gram_DD, self.moment_DC = _moments(x_ND, self.target_NC, weight_N)

    def path(self, rows: np.ndarray, penalties: Sequence[float]) -> Iterator[LinearFit]:
        """Exact solutions on `rows`, one Cholesky factorisation a penalty."""
        from scipy.linalg import cho_factor, cho_solve

        left_out = np.setdiff1d(np.arange(len(self.x_ND)), rows)
        gram_DD, moment_DC = _moments(self.x_ND[left_out], self.target_NC[left_out], part_of(self.weight_N, left_out))
        weight_n = part_of(self.weight_N, rows)
        mean_D, share_C = mean_row(self.x_ND[rows], weight_n), mean_row(self.target_NC[rows], weight_n)
        num_rows = mass(len(rows), weight_n)
        # Centred on the rows: sum (x - m)(x - m)^T = X^T X - n m m^T, and the same for X^T Y.
        gram_DD = self.gram_DD - gram_DD - num_rows * np.outer(mean_D, mean_D)
        moment_DC = self.moment_DC - moment_DC - num_rows * np.outer(mean_D, share_C)
        offset_C = _offset(share_C, num_rows, self.tags)
        for penalty in penalties:
            factor = cho_factor(gram_DD + penalty * self.unit * np.eye(len(mean_D)), overwrite_a=True)
            weight_DC = cho_solve(factor, moment_DC)
            yield LinearFit(weight_DC.astype(np.float32), (-mean_D @ weight_DC).astype(np.float32), offset_C)


class RidgeStreamed:
    """Every fold's moments, read once; the Gram matrix of any training set is a sum of theirs. See `Streamed`."""

    penalties = RidgeProblem.penalties[::2]
    temperatures = tuple(float(1.3**step) for step in range(26))  # a thousand classes want hundreds
    side_by_side = True

    def __init__(
        self, rows: Rows, y: Any, fold_N: np.ndarray, num_classes: int, weight_N: np.ndarray | None = None
    ) -> None:
        self.tags = is_tags(y)
        self.moments_K = fold_moments(rows, indicators(y, num_classes), fold_N, weight_N)
        self.unit = sum(moments.energy for moments in self.moments_K) / mass(len(rows), weight_N)

    def path(self, left_out: Sequence[int], penalties: Sequence[float]) -> Iterator[LinearFit]:
        """Exact solutions on all rows outside, one Cholesky factorisation a penalty."""
        moments = without(self.moments_K, left_out)
        gram_DD, moment_CD = moments.centred()
        offset_C = _offset(moments.count_C / moments.num_rows, moments.num_rows, self.tags)
        for penalty in penalties:
            weight_DC = solve(gram_DD, penalty * self.unit, moment_CD)
            yield LinearFit(weight_DC.astype(np.float32), (-moments.mean() @ weight_DC).astype(np.float32), offset_C)

    def fits(self, left_out: Sequence[Sequence[int]], penalties: Sequence[float]) -> list[LinearFit]:
        """Exact solutions, training sets side by side."""
        jobs = zip(left_out, penalties, strict=True)
        most = solvers(len(self.moments_K[0].sum_D))
        return list(in_order(lambda job: next(self.path(job[0], job[1:])), jobs, most))


def _offset(share_C: np.ndarray, num_rows: float, tags: bool) -> np.ndarray:
    """What an image with average scores is taken for: a tag's log-odds; of classes the scores speak alone."""
    if not tags:
        return np.zeros(len(share_C), np.float32)
    share_C = (share_C * num_rows + 0.5) / (num_rows + 1)
    return np.log(share_C / (1 - share_C)).astype(np.float32)


def _moments(x_ND: np.ndarray, target_NC: np.ndarray, weight_N: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """X^T X and X^T Y of weighted rows in float64."""
    x_ND, target_NC = x_ND.astype(np.float64), target_NC.astype(np.float64)
    if weight_N is not None:
        root_N1 = np.sqrt(weight_N.astype(np.float64))[:, None]
        x_ND, target_NC = root_N1 * x_ND, root_N1 * target_NC
    return x_ND.T @ x_ND, x_ND.T @ target_NC


@heads(predict=predict_linear, tasks=EVERY_TASK, problem=RidgeProblem, streamed=RidgeStreamed)
def ridge(
    x_ND: np.ndarray,
    y: Any,
    *,
    num_classes: int,
    seed: int = 0,
    weight_N: np.ndarray | None = None,
    penalty: float = 1.0,
    temperature: float = 10.0,
) -> State:
    """Fit on all rows.

    Args:
        x_ND: float32 (N, D), standardised.
        y: class indices (N,), or tags (N, C).
        num_classes: C.
        seed: unused; the solution is exact.
        weight_N: of the rows; None: all the same.
        penalty: in units of the mean squared norm of a row; `crossval` chooses it where a recipe does not.
        temperature: what a score, less its mean, counts in the logit; for tags on top of their log-odds.
    """
    return fit_linear(RidgeProblem, x_ND, y, num_classes, penalty=penalty, temperature=temperature, weight_N=weight_N)
