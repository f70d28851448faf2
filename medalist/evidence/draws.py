"""Sets of answers, scored on bootstrap draws of groups of rows.

Axes: N images, G groups (or blocks of groups), B draws scored at a time, R bootstrap rounds, A sets of answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
BATCH = 64
# Answers of more numbers than this are reweighed to first order where the metric says how.
MOST_REWEIGHED = 2**16
# A metric that knows no other way than to be called on the drawn rows reads so many numbers at most, in 200 rounds or
# more; 200 give a standard error to 5 %.
MOST_READ, FEWEST_ROUNDS = 2**33, 200

Rescore = Callable[[Sequence[int], np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Scored:
    """Sets of answers to the same rows, ready to be scored on any draw of the rows' groups.

    Args:
        score_A: their scores.
        num_rows: N.
        num_blocks: G.
        rescore: `(chosen, drawn_GB) -> score_AB` of the chosen sets, with block g counted drawn_GB[g] times.
        rng: that drew the blocks; it draws on.
        mean: whether `rescore` is a mean of row terms, the metric's own or those to first order.
        most_rounds: more are not made; 200 or more, less than asked for only where each costs a call on many numbers.
    """

    score_A: np.ndarray
    num_rows: int
    num_blocks: int
    rescore: Rescore
    rng: np.random.Generator
    mean: bool
    most_rounds: int

    def draws(self, rounds: int, size: int | None = None) -> Iterator[np.ndarray]:
        """How often each block is drawn, (G, B) a batch, `size` blocks a draw; as many as there are unless given."""
        rounds = min(rounds, self.most_rounds)
        for start in range(0, rounds, BATCH):
            batch = min(BATCH, rounds - start)
            yield np.stack([self._draw(size or self.num_blocks) for _ in range(batch)], axis=1)

    def _draw(self, size: int) -> np.ndarray:
        if size > 20 * self.num_blocks:  # the same distribution, for the cost of the blocks
            return self.rng.multinomial(size, np.full(self.num_blocks, 1 / self.num_blocks))
        return np.bincount(self.rng.integers(self.num_blocks, size=size), minlength=self.num_blocks)

    def bootstrap(self, rounds: int, size: int | None = None) -> np.ndarray:
        """Scores (R, A) on draws of `size` blocks; rounds that some score is undefined on are left out.

        Raises:
            MismatchError: that is every second round or more.
        """
        everything = range(len(self.score_A))
        score_RA = np.concatenate([self.rescore(everything, drawn_GB).T for drawn_GB in self.draws(rounds, size)])
        return known(score_RA)

    @property
    def correction(self) -> float:
        """Drawing G of G with replacement spreads by (G - 1) / G of the variance (Efron and Tibshirani 1993, 5.3)."""
        return float(np.sqrt(self.num_blocks / (self.num_blocks - 1)))


def scored(
    metric: Bound[Any],
    y: Any,
    answers: Sequence[Any],
    groups: np.ndarray | None,
    seed: int,
    max_blocks: int = MAX_BLOCKS,
) -> Scored:
    """Score the answers and prepare them for draws.

    Raises:
        MismatchError: rows that do not match, fewer than two groups, or a score that is no number.
    """
    score_A = np.array([metric(y, part) for part in answers])
    if not np.isfinite(score_A).all():
        what = score_A[~np.isfinite(score_A)][0]
        raise MismatchError(f"{metric.text} is {what}: some answers are no numbers, or the truth lacks a class")
    rng, num_rows = np.random.default_rng(seed), int(y.shape[0])
    block_N, num_blocks = _blocks(groups, num_rows, rng, max_blocks)
    size = int(np.size(answers[0]))
    ways = {"rows": _by_terms, "linear": _by_terms, "reweigh": _by_weights}
    facts = [fact for fact in ways if metric.facts.get(fact) and (fact != "linear" or size > MOST_REWEIGHED)]
    fact = facts[0] if facts else ""
    rescore = ways.get(fact, _by_rows)(metric, y, answers, block_N)
    most_rounds = 2**62 if fact else max(FEWEST_ROUNDS, MOST_READ // max(size, 1))
    return Scored(score_A, num_rows, num_blocks, rescore, rng, fact in ("rows", "linear"), most_rounds)


def known(score_RA: np.ndarray) -> np.ndarray:
    """The rounds whose scores are all numbers; a draw may lack a class.

    Raises:
        MismatchError: not even half of them.
    """
    known_R = np.isfinite(score_RA).all(axis=1)
    if 2 * known_R.sum() <= len(known_R):
        raise MismatchError("most draws of these rows have no score: a class has too few of them; label more images")
    return np.asarray(score_RA[known_R])


def bind(metric: str | Bound[Any]) -> Bound[Any]:
    """A metric by name, or as it is."""
    return metrics.bind(metric) if isinstance(metric, str) else metric


def sign(metric: Bound[Any]) -> float:
    """1 where higher is better, else -1."""
    return 1.0 if metric.facts["better"] == "higher" else -1.0


def _blocks(
    groups: np.ndarray | None, num_rows: int, rng: np.random.Generator, max_blocks: int
) -> tuple[np.ndarray, int]:
    """The block of each row, (N,), and how many there are: a group each, or many groups merged at random."""
    if groups is not None and len(groups) != num_rows:
        raise MismatchError(f"got {len(groups)} groups for {num_rows} rows")
    group_N = np.arange(num_rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    num_groups = int(group_N.max(initial=-1)) + 1
    if num_groups < 2:
        raise MismatchError(f"got {num_groups} group of rows: a standard error needs at least 2")
    if num_groups <= max_blocks:
        return group_N, num_groups
    return (rng.permutation(num_groups) % max_blocks)[group_N], max_blocks


def _by_terms(metric: Bound[Any], y: Any, answers: Sequence[Any], block_N: np.ndarray) -> Rescore:
    """Rescore from each block's sums: the mean of the drawn rows' terms, exact or to first order."""
    rows = metric.facts.get("rows") or metric.facts["linear"]
    sum_AG = np.array([np.bincount(block_N, rows(y, part, **metric.arguments)) for part in answers])
    size_G = np.bincount(block_N).astype(np.float64)

    def rescore(chosen: Sequence[int], drawn_GB: np.ndarray) -> np.ndarray:
        drawn_GB = drawn_GB.astype(np.float64)
        part_AG = sum_AG if len(chosen) == len(sum_AG) else sum_AG[list(chosen)]
        return np.asarray(part_AG @ drawn_GB / (size_G @ drawn_GB))

    return rescore


def _by_weights(metric: Bound[Any], y: Any, answers: Sequence[Any], block_N: np.ndarray) -> Rescore:
    """Rescore by the metric's own way to count rows several times."""
    scores = [metric.facts["reweigh"](y, part, **metric.arguments) for part in answers]

    def rescore(chosen: Sequence[int], drawn_GB: np.ndarray) -> np.ndarray:
        weights = (drawn_G[block_N] for drawn_G in np.ascontiguousarray(drawn_GB.T, np.float64))
        return np.array([[scores[a](weight_N) for a in chosen] for weight_N in weights]).T

    return rescore


def _by_rows(metric: Bound[Any], y: Any, answers: Sequence[Any], block_N: np.ndarray) -> Rescore:
    """Rescore by calling the metric on the drawn rows, for metrics that say no more of themselves."""

    def rescore(chosen: Sequence[int], drawn_GB: np.ndarray) -> np.ndarray:
        rows = [np.repeat(np.arange(len(block_N)), drawn_G[block_N]) for drawn_G in drawn_GB.T]
        return np.array([[metric(y[row_N], answers[a][row_N]) for row_N in rows] for a in chosen])

    return rescore
