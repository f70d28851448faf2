"""Evidence: how sure a score is, and whether one set of answers beats another; every "better" goes through here.

Axes: N images, G groups (or blocks of groups), R bootstrap rounds, A sets of answers under comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medalist.errors import MismatchError
from medalist.metrics import metrics
from medalist.registry import Bound

# More groups than this are merged at random into as many blocks. Sums of independent groups are independent again, so
# the variance stays unbiased (the random-group method: Wolter, Introduction to Variance Estimation, chapter 2); at this
# number it is itself known to 0.7 %, and 700,000 rows take a fraction of a second.
MAX_BLOCKS = 10_000


@dataclass(frozen=True)
class Estimate:
    """A score with its standard error and 95 % percentile interval, from `num_rows` images."""

    score: float
    stderr: float
    interval95: tuple[float, float]
    num_rows: int


@dataclass(frozen=True)
class Comparison:
    """How much better a is than b (positive: a is better, whichever way the metric goes), and the verdict.

    `better` and `worse` take a difference of at least 2 standard errors, `equal` one of at most 1; between them
    it is `not distinguishable`.
    """

    difference: float
    stderr: float
    verdict: str


def estimate(
    metric: str | Bound[Any],
    y: Any,
    answers: Any,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
    rounds: int = 2000,
) -> Estimate:
    """Score `answers`, with a bootstrap over groups for its error.

    Args:
        metric: a metric's name or call.
        y: the truth, N rows.
        answers: what the metric eats, N rows.
        groups: (N,) names or numbers; rows of a group (duplicates, one patient) are drawn together; None: each alone.
        seed: of the bootstrap.
        rounds: of the bootstrap; 2,000 give the standard error to 1.6 %.

    Raises:
        MismatchError: rows that do not match, fewer than two groups, or a score that is no number.

    >>> round(estimate("accuracy", np.arange(100) % 2, np.zeros(100, int)).stderr, 2)
    0.05
    """
    score_A, score_RA, correction = _bootstrap(metric, y, [answers], groups, seed, rounds)
    low, high = np.quantile(score_RA[:, 0], (0.025, 0.975))
    stderr = float(score_RA[:, 0].std() * correction)
    return Estimate(float(score_A[0]), stderr, (float(low), float(high)), int(y.shape[0]))


def compare(
    metric: str | Bound[Any],
    y: Any,
    a: Any,
    b: Any,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
    rounds: int = 2000,
) -> Comparison:
    """Compare two sets of answers to the same images: both are scored on the same draws of groups.

    Args and Raises: as for `estimate`, with `a` and `b` in place of `answers`.
    """
    score_A, score_RA, correction = _bootstrap(metric, y, [a, b], groups, seed, rounds)
    sign = 1.0 if _bind(metric).facts["better"] == "higher" else -1.0
    difference = sign * float(score_A[0] - score_A[1])
    stderr = float((score_RA[:, 0] - score_RA[:, 1]).std() * correction)
    return Comparison(difference, stderr, verdict(difference, stderr))


def verdict(difference: float, stderr: float) -> str:
    """The house's rule: 2 standard errors make a difference, 1 makes none, between them nobody knows."""
    if abs(difference) <= stderr:
        return "equal"
    if abs(difference) < 2 * stderr:
        return "not distinguishable"
    return "better" if difference > 0 else "worse"


def _bootstrap(
    metric: str | Bound[Any], y: Any, answers: Sequence[Any], groups: np.ndarray | None, seed: int, rounds: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Scores of each set of answers, (A,); on R draws of the groups, (R, A); and what makes their spread unbiased."""
    bound = _bind(metric)
    score_A = np.array([bound(y, part) for part in answers])
    if not np.isfinite(score_A).all():
        raise MismatchError(f"{bound.text} is {score_A[~np.isfinite(score_A)][0]}: some answers are no numbers")
    rng = np.random.default_rng(seed)
    block_N, num_blocks = _blocks(groups, int(y.shape[0]), rng)
    rescore = _by_terms(bound, y, answers, block_N) if bound.facts.get("rows") else _by_rows(bound, y, answers, block_N)
    score_RA = np.empty((rounds, len(answers)))
    for score_A_of_round in score_RA:
        drawn_G = np.bincount(rng.integers(num_blocks, size=num_blocks), minlength=num_blocks)
        score_A_of_round[:] = rescore(drawn_G)
    # Drawing G of G with replacement spreads by (G - 1) / G of the variance (Efron and Tibshirani 1993, 5.3).
    return score_A, score_RA, float(np.sqrt(num_blocks / (num_blocks - 1)))


def _blocks(groups: np.ndarray | None, num_rows: int, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """The block of each row, (N,), and how many there are: a group each, or many groups merged at random."""
    if groups is not None and len(groups) != num_rows:
        raise MismatchError(f"got {len(groups)} groups for {num_rows} rows")
    group_N = np.arange(num_rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    num_groups = int(group_N.max(initial=-1)) + 1
    if num_groups < 2:
        raise MismatchError(f"got {num_groups} group of rows: a standard error needs at least 2")
    if num_groups <= MAX_BLOCKS:
        return group_N, num_groups
    return (rng.permutation(num_groups) % MAX_BLOCKS)[group_N], MAX_BLOCKS


def _by_terms(
    bound: Bound[Any], y: Any, answers: Sequence[Any], block_N: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Rescore a draw from each block's sums: the mean of the drawn rows' terms."""
    rows = bound.facts["rows"]
    sum_AG = np.array([np.bincount(block_N, rows(y, part, **bound.arguments)) for part in answers])
    size_G = np.bincount(block_N)

    def rescore(drawn_G: np.ndarray) -> np.ndarray:
        return np.asarray(sum_AG @ drawn_G / (size_G @ drawn_G))

    return rescore


def _by_rows(
    bound: Bound[Any], y: Any, answers: Sequence[Any], block_N: np.ndarray
) -> Callable[[np.ndarray], np.ndarray]:
    """Rescore a draw by calling the metric on the drawn rows, for metrics that are no mean over rows."""

    def rescore(drawn_G: np.ndarray) -> np.ndarray:
        row_N = np.repeat(np.arange(len(block_N)), drawn_G[block_N])
        return np.array([bound(y[row_N], part[row_N]) for part in answers])

    return rescore


def _bind(metric: str | Bound[Any]) -> Bound[Any]:
    return metrics.bind(metric) if isinstance(metric, str) else metric
