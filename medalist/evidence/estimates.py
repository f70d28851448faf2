"""How sure a score is. Axes: N images, R bootstrap rounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from medalist.evidence.draws import bind, scored
from medalist.registry import Bound


@dataclass(frozen=True)
class Estimate:
    """A score with its standard error and 95 % percentile interval, from `num_rows` images.

    Of many answers the error may be one to first order, or of fewer rounds than asked for; see `estimate`.
    """

    score: float
    stderr: float
    interval95: tuple[float, float]
    num_rows: int


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

    Where every answer is equally good, such as all right, the bootstrap sees no error at all; of N right answers still
    up to 3 / N may be wrong elsewhere (the rule of three, 95 %).

    Rankings of more than 2^16 probabilities are resampled to first order, by the terms of their rows (DeLong, DeLong
    and Clarke-Pearson 1988; the infinitesimal jackknife, Jaeckel 1972). A metric without row terms or a way to reweigh
    is called on the drawn rows: of answers of more than 2^22 numbers it makes fewer rounds than asked for, 200 or more.

    Args:
        metric: a metric's name or call.
        y: the truth, N rows.
        answers: what the metric eats, N rows.
        groups: (N,) names or numbers; rows of a group (duplicates, one patient) are drawn together; None: each alone.
        seed: of the bootstrap.
        rounds: of the bootstrap; 2,000 give the standard error to 1.6 %.

    Raises:
        MismatchError: rows that do not match, fewer than two groups, or a score that is no number, of the answers or
            of half the draws.

    >>> round(estimate("accuracy", np.arange(100) % 2, np.zeros(100, int)).stderr, 2)
    0.05
    """
    found = scored(bind(metric), y, [answers], groups, seed)
    score_R = found.bootstrap(rounds)[:, 0]
    return Estimate(
        float(found.score_A[0]), float(score_R.std() * found.correction), interval95(score_R), found.num_rows
    )


def interval95(score_R: np.ndarray) -> tuple[float, float]:
    """The percentile interval (Efron and Tibshirani 1993, 13.3)."""
    low, high = np.quantile(score_R, (0.025, 0.975))
    return float(low), float(high)
