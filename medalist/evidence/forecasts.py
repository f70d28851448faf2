"""What the leaderboard will say: the expected score on a test set of a known size, its interval, and surprise at it.

Axes: R bootstrap rounds, L scores on a leaderboard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from medalist.errors import MismatchError
from medalist.evidence.comparisons import two_sided
from medalist.evidence.draws import MAX_BLOCKS, bind, scored
from medalist.evidence.estimates import interval95
from medalist.evidence.selection import BestOfMany
from medalist.registry import Bound

MOST_Z = 100.0  # beyond it a forecast of no spread makes z absurd
FEW_BLOCKS = 300  # a test set of fewer blocks is drawn in groups as they are


@dataclass(frozen=True)
class Forecast:
    """The score that `num_test` new images are expected to give, its standard error and 95 % interval.

    Of many answers the error may be one to first order, or of fewer rounds than asked for; see `estimate`.
    """

    score: float
    stderr: float
    interval95: tuple[float, float]
    num_test: int


class Surprise(NamedTuple):
    """How many standard errors an observed score is from its forecast (positive: higher), and the two-sided p."""

    z: float
    p: float

    def told(self, better: str) -> str:
        """With its sign in words, for a metric of which `higher` or `lower` is better; chance alone has none.

        >>> Surprise(-2.5, 0.012).told("higher"), Surprise(-0.1, 0.92).told("higher")
        ('z -2.5, worse than forecast', 'z -0.1, as forecast')
        """
        size = f"z {self.z:+.1f}" if abs(self.z) <= MOST_Z else f"z more than {MOST_Z:.0f}"
        if abs(self.z) < 1:
            return f"{size}, as forecast"
        if abs(self.z) < 2:
            return f"{size}, within what was forecast"
        return f"{size}, {'better' if (self.z > 0) == (better == 'higher') else 'worse'} than forecast"


class Ranks(NamedTuple):
    """Places on a leaderboard, 1 the first: if all goes well, as expected, if all goes badly."""

    best: int
    expected: int
    worst: int


def forecast(
    metric: str | Bound[Any],
    y: Any,
    answers: Any,
    *,
    num_test: int,
    groups: np.ndarray | None = None,
    seed: int = 0,
    rounds: int = 2000,
    after: BestOfMany | None = None,
) -> Forecast:
    """Forecast the score of a test set from cross-fitted answers to the training rows.

    Two things are not known: what the answers are worth (the error of a score on N rows), and which rows the test set
    holds (the error of one on M). With t the score on the test set and s the one here, t - s is imitated by the
    difference of two independent bootstrap scores, on as many groups as give M rows and on all N (a bootstrap-root
    prediction interval). Their expectations cancel but for what the metric itself owes to the number of rows;
    a mean of row terms owes nothing.

    Test rows are taken to be drawn as the training rows were, and answered by a model as good as those of the folds.

    Args:
        metric: a metric's name or call.
        y: the truth, N rows.
        answers: what the metric eats, N rows; no row's answer may have learnt from its label.
        num_test: M.
        groups: (N,) of each row, drawn together; test rows are taken to come in such groups too.
        seed, rounds: of the bootstrap.
        after: where the answers were chosen as the best of many: what `best_of_many` found; the forecast then has its
            score and error instead of the naive ones.

    Raises:
        MismatchError: as for `estimate`, or a test set of fewer than one row.

    >>> round(forecast("accuracy", np.arange(100) % 2, np.zeros(100, int), num_test=100).stderr, 2)
    0.07
    """
    if num_test < 1:
        raise MismatchError(f"got num_test={num_test}, expected the number of test images, 1 or more")
    bound, share = bind(metric), num_test / int(y.shape[0])
    many = share * MAX_BLOCKS >= FEW_BLOCKS
    found = scored(bound, y, [answers], groups, seed, MAX_BLOCKS if many else int(y.shape[0]))
    here_R = found.bootstrap(rounds)[:, 0]
    there_R = found.bootstrap(rounds, max(1, round(share * found.num_blocks)))[:, 0]
    # A mean is expected to be what it is; only other metrics owe something to the number of rows.
    drift = 0.0 if found.mean else float(there_R.mean() - here_R.mean())
    here_R, there_R = ((part_R - part_R.mean()) * found.correction for part_R in (here_R, there_R))
    if after is not None:
        here_R *= after.stderr / here_R.std() if here_R.std() > 0 else 1.0
    score = drift + (float(found.score_A[0]) if after is None else after.score)
    return _around(score, here_R, there_R, num_test)


def _around(score: float, here_R: np.ndarray, there_R: np.ndarray, num_test: int) -> Forecast:
    """The forecast with the errors of a score on the training rows and on the test rows; each lost some rounds."""
    rounds = min(len(here_R), len(there_R))
    error_R = there_R[:rounds] - here_R[:rounds]
    return Forecast(score, float(error_R.std()), interval95(score + error_R), num_test)


def surprise(forecast: Forecast, observed: float) -> Surprise:
    """How surprising an observed score is: z in standard errors, and p of one as far away or farther, either way."""
    difference = observed - forecast.score
    z = difference / forecast.stderr if forecast.stderr > 0 else float(np.sign(difference)) * np.inf
    return Surprise(float(z) if difference else 0.0, two_sided(difference, forecast.stderr))


def rank_interval(forecast: Forecast, board: np.ndarray, better: str) -> Ranks:
    """The place that the forecast takes among the scores of a leaderboard (L,).

    Args:
        forecast: of the own submission, which is not on the board.
        board: the others' scores.
        better: `higher` or `lower`.

    Raises:
        MismatchError: scores that are no numbers.

    >>> rank_interval(Forecast(0.8, 0.05, (0.7, 0.9), 300), np.array([0.95, 0.85, 0.75, 0.5]), "higher")
    Ranks(best=2, expected=3, worst=4)
    """
    board_L = np.asarray(board, np.float64)
    if not np.isfinite(board_L).all():
        raise MismatchError("the leaderboard has scores that are no numbers; leave those rows out")
    way = 1.0 if better == "higher" else -1.0
    # One ahead for each better score; equals share the better place.
    low, expected, high = (
        1 + int((way * board_L > way * score).sum())
        for score in (forecast.interval95[0], forecast.score, forecast.interval95[1])
    )
    return Ranks(min(low, high), expected, max(low, high))
