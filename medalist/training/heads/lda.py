"""Linear discriminant analysis: Gaussian classes of one covariance, which is shrunk to a multiple of the identity.

covariance = (1 - s) S + s tr(S) / D I, with S the scatter within classes over n (Friedman 1989; Ledoit & Wolf 2004).
Features are standardised, so that D is the mean squared norm of a row, also where rows are given in fewer coordinates.
Where no class has two images, S is 0 and the covariance s I.
Axes: N images, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from medalist.errors import RecipeError
from medalist.fitted import State
from medalist.training.heads.contract import (
    LinearFit,
    fit_linear,
    heads,
    indicators,
    predict_linear,
    row_scale,
)
from medalist.training.moments import Moments, fold_moments, solve, solvers, without
from medalist.training.rows import Rows, blocks, in_order
from medalist.training.weights import mass, part_of

AUTO = "auto"
EMPTY_CLASS = 1e-3  # images that a class without training rows counts for
NO_SCATTER = 1e-3  # mean variance within classes, of 1 in all rows, below which it tells nothing: one image a class


class LdaProblem:
    """All rows' moments; see `contract.Problem`. Its penalties are shrinkages s, or `auto`."""

    penalties: tuple[Any, ...] = tuple(float(10.0 ** (-0.25 * step)) for step in range(13))
    temperatures = tuple(float(1.3 ** (2 - step)) for step in range(16))

    def __init__(self, x_ND: np.ndarray, y: Any, num_classes: int, weight_N: np.ndarray | None = None) -> None:
        self.x_ND, self.y, self.weight_N = x_ND, y, weight_N
        self.target_NC = indicators(y, num_classes)
        self.num_features = row_scale(x_ND, weight_N)
        self.moments = Moments.of(x_ND, self.target_NC, weight_N)

    def path(self, rows: np.ndarray, penalties: Sequence[Any]) -> Iterator[LinearFit]:
        """The discriminants on `rows` at each shrinkage."""
        left_out = np.setdiff1d(np.arange(len(self.x_ND)), rows)
        weight_l = part_of(self.weight_N, left_out)
        moments = self.moments - Moments.of(self.x_ND[left_out], self.target_NC[left_out], weight_l)

        def fourth(mean_CD: np.ndarray) -> float:
            return _fourth(self.x_ND[rows] - mean_CD[self.y[rows]], part_of(self.weight_N, rows))

        return discriminants(moments, self.num_features, penalties, fourth)


class LdaStreamed:
    """Every fold's moments, read once; see `Streamed`."""

    penalties = LdaProblem.penalties[::2]
    temperatures = LdaProblem.temperatures
    side_by_side = True

    def __init__(
        self, rows: Rows, y: Any, fold_N: np.ndarray, num_classes: int, weight_N: np.ndarray | None = None
    ) -> None:
        self.rows, self.y, self.fold_N, self.weight_N = rows, y, fold_N, weight_N
        self.moments_K = fold_moments(rows, indicators(y, num_classes), fold_N, weight_N)
        self.num_features = sum(moments.energy for moments in self.moments_K) / mass(len(rows), weight_N)

    def path(self, left_out: Sequence[int], penalties: Sequence[Any]) -> Iterator[LinearFit]:
        """The discriminants on all rows outside at each shrinkage; `auto` reads the rows once more."""
        inside = np.flatnonzero(~np.isin(self.fold_N, left_out))

        def fourth(mean_CD: np.ndarray) -> float:
            means = mean_CD.astype(np.float32)
            return sum(
                _fourth(self.rows.read(block) - means[self.y[block]], part_of(self.weight_N, block))
                for block in blocks(inside)
            )

        return discriminants(without(self.moments_K, left_out), self.num_features, penalties, fourth)

    def fits(self, left_out: Sequence[Sequence[int]], penalties: Sequence[Any]) -> list[LinearFit]:
        """The discriminants of all training sets, side by side."""
        jobs = zip(left_out, penalties, strict=True)
        return list(in_order(lambda job: next(self.path(job[0], job[1:])), jobs, solvers(self.rows.num_features)))


def discriminants(
    moments: Moments, num_features: float, shrinkages: Sequence[Any], fourth: Callable[[np.ndarray], float]
) -> Iterator[LinearFit]:
    """Log-likelihood ratios of the classes at each shrinkage, their log priors as offset.

    Args:
        moments: of the training rows.
        num_features: D.
        shrinkages: numbers above 0, at most 1, or `auto`: Ledoit and Wolf's.
        fourth: class means -> sum over rows of |row - mean of its class|^4; asked for `auto` only.

    Raises:
        RecipeError: a shrinkage is none of these.
    """
    mean_D, num_rows = moments.mean(), moments.num_rows
    total_DD, sum_CD = moments.centred()
    count_C = np.maximum(moments.count_C.astype(np.float64), EMPTY_CLASS)
    # Scatter within classes = scatter in all - scatter of the class means.
    root_CD = sum_CD / np.sqrt(count_C)[:, None]
    within_DD = (total_DD - root_CD.T @ root_CD) / num_rows
    mean_CD = sum_CD / count_C[:, None]
    sphere = float(np.trace(within_DD)) / num_features
    if sphere < NO_SCATTER:
        # The variance of standardised rows stands for it: the nearest class mean wins.
        within_DD, sphere = np.zeros_like(within_DD), 1.0
    prior_C = np.log(count_C / count_C.sum()).astype(np.float32)
    for shrinkage in shrinkages:
        if shrinkage == AUTO:
            shrinkage = ledoit_wolf(within_DD, num_features, fourth(mean_CD + mean_D), num_rows)
        elif not 0 < shrinkage <= 1:
            raise RecipeError(f"lda got shrinkage={shrinkage!r}; give 'auto', or a number above 0 and at most 1")
        weight_DC = solve((1 - shrinkage) * within_DD, shrinkage * sphere, mean_CD)
        # log N(x; m_c) = x^T S^-1 m_c - m_c^T S^-1 m_c / 2 + what all classes share, x and m_c less the mean row.
        bias_C = -0.5 * np.einsum("cd,dc->c", mean_CD, weight_DC) - mean_D @ weight_DC
        yield LinearFit(weight_DC.astype(np.float32), bias_C.astype(np.float32), prior_C)


def ledoit_wolf(covariance_DD: np.ndarray, num_features: float, fourth: float, num_rows: float) -> float:
    """The shrinkage of least expected squared error (Ledoit & Wolf 2004, lemma 3.3).

    Args:
        covariance_DD: S = sum of x x^T / n of centred rows.
        num_features: D.
        fourth: sum over rows of |x|^4.
        num_rows: n.
    """
    squared = float(np.vdot(covariance_DD, covariance_DD))
    # Both times D: the error of S, (sum |x x^T - S|^2) / n^2, and the distance of S from its sphere.
    error = (fourth / num_rows - squared) / num_rows
    distance = squared - float(np.trace(covariance_DD)) ** 2 / num_features
    return float(np.clip(error / distance, 1e-6, 1)) if distance > 0 else 1.0


def _fourth(x_ND: np.ndarray, weight_N: np.ndarray | None) -> float:
    """Sum over weighted rows of |x|^4."""
    fourth_N = np.square(np.einsum("nd,nd->n", x_ND, x_ND, dtype=np.float64))
    return float(fourth_N.sum() if weight_N is None else weight_N @ fourth_N)


@heads(
    predict=predict_linear,
    tasks=("binary", "multiclass"),
    problem=LdaProblem,
    streamed=LdaStreamed,
    strength="shrinkage",
)
def lda(
    x_ND: np.ndarray,
    y: Any,
    *,
    num_classes: int,
    seed: int = 0,
    weight_N: np.ndarray | None = None,
    shrinkage: float | str = AUTO,
    temperature: float = 1.0,
) -> State:
    """Fit on all rows.

    Args:
        x_ND: float32 (N, D), standardised.
        y: class indices (N,).
        num_classes: C.
        seed: unused; the solution is exact.
        weight_N: of the rows; None: all the same.
        shrinkage: share of the covariance that is taken from the identity, or `auto` for Ledoit and Wolf's;
            `crossval` chooses it where a recipe does not.
        temperature: what a log-likelihood ratio counts in the logit; the exact posterior is 1, too sure where
            features are many. `crossval` chooses it where a recipe does not.
    """
    return fit_linear(LdaProblem, x_ND, y, num_classes, penalty=shrinkage, temperature=temperature, weight_N=weight_N)
