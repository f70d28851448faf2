"""Whether one set of answers beats another: paired, with error and p value, for one arm, several, or several seeds.

Axes: R bootstrap rounds, A sets of answers, S seeds, M hypotheses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medalist.errors import MismatchError
from medalist.evidence.draws import bind, scored, sign
from medalist.registry import Bound

LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """How much better a is than b (positive: a is better, whichever way the metric goes), and the verdict.

    `better` and `worse` take a difference of at least 2 standard errors and p of at most 0.05, `equal` one of at most
    1 standard error; anything else is `not distinguishable`. `p` is two-sided; where several arms answer one question
    it is Holm's. Of many answers the error may be one to first order, or of fewer rounds; see `estimate`.
    """

    difference: float
    stderr: float
    verdict: str
    p: float


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
    return compare_arms(metric, y, b, {"a": a}, groups=groups, seed=seed, rounds=rounds)["a"]


def compare_arms(
    metric: str | Bound[Any],
    y: Any,
    baseline: Any,
    arms: Mapping[str, Any],
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
    rounds: int = 2000,
) -> dict[str, Comparison]:
    """Compare each arm of one question with the baseline, on the same draws; p values and verdicts are Holm's.

    Args and Raises: as for `estimate`, with `baseline` and the values of `arms` in place of `answers`.

    >>> y = np.arange(100) % 2
    >>> compare_arms("accuracy", y, np.zeros(100, int), {"truth": y, "ones": np.ones(100, int)})["truth"].verdict
    'better'
    """
    bound = bind(metric)
    found = scored(bound, y, [baseline, *arms.values()], groups, seed)
    score_RA = found.bootstrap(rounds)
    difference_A = sign(bound) * (found.score_A[1:] - found.score_A[0])
    stderr_A = (score_RA[:, 1:] - score_RA[:, :1]).std(axis=0) * found.correction
    p_A = holm([two_sided(d, e) for d, e in zip(difference_A, stderr_A, strict=True)])
    return {
        name: Comparison(float(d), float(e), verdict(d, e, p), float(p))
        for name, d, e, p in zip(arms, difference_A, stderr_A, p_A, strict=True)
    }


def compare_seeds(
    metric: str | Bound[Any],
    y: Any,
    a: Sequence[Any],
    b: Sequence[Any],
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
    rounds: int = 2000,
) -> Comparison:
    """Compare two ways of training, each seen through several seeds, on the same images.

    The model: seed s of the S seeds shows d_s = d + (what the rows do) + (what the seed does), the rows' part common to
    all seeds. So var(mean of d_s) = (bootstrap variance of the mean over the rows) + (variance of d_s) / S: more seeds
    shrink the second alone, and folds are no seeds (Bouthillier et al. 2021, Accounting for Variance in Machine
    Learning Benchmarks, sections 2 and 3). What seed and rows do together counts in both, a little on the safe side. p
    is Student's with the degrees of freedom of Welch and Satterthwaite, so that two seeds prove little.

    Args:
        a: S sets of answers, one a seed (which also drew the folds, if it should count).
        b: S sets of answers; those of seed s may share the folds with a's or not.

    Other arguments and Raises: as for `estimate`; MismatchError also for unequal numbers of seeds, or one.
    """
    if len(a) != len(b) or len(a) < 2:
        raise MismatchError(f"got {len(a)} and {len(b)} seeds, expected equal numbers, 2 or more; compare takes one")
    bound = bind(metric)
    found = scored(bound, y, [*a, *b], groups, seed)
    score_RA, num_seeds = found.bootstrap(rounds), len(a)
    gain_S = sign(bound) * (found.score_A[:num_seeds] - found.score_A[num_seeds:])
    mean_R = (score_RA[:, :num_seeds] - score_RA[:, num_seeds:]).mean(axis=1)
    parts = np.array([(mean_R.std() * found.correction) ** 2, gain_S.var(ddof=1) / num_seeds])
    difference, stderr = float(gain_S.mean()), float(np.sqrt(parts.sum()))
    weight = float((parts**2 / [found.num_blocks - 1, num_seeds - 1]).sum())
    p = two_sided(difference, stderr, freedom=parts.sum() ** 2 / weight if weight > 0 else math.inf)
    return Comparison(difference, stderr, verdict(difference, stderr, p), p)


def verdict(difference: float, stderr: float, p: float = 0.0) -> str:
    """The house's rule: 2 standard errors (and p <= 0.05) make a difference, 1 makes none, between nobody knows."""
    if abs(difference) <= stderr:
        return "equal"
    if abs(difference) < 2 * stderr or p > LEVEL:
        return "not distinguishable"
    return "better" if difference > 0 else "worse"


def two_sided(difference: float, stderr: float, freedom: float = math.inf) -> float:
    """P(a difference this large or larger, either way) if there is none: normal, or Student's.

    >>> round(two_sided(1.96, 1.0), 3), round(two_sided(4.303, 1.0, freedom=2), 3)
    (0.05, 0.05)
    """
    if stderr == 0:
        return 1.0 if difference == 0 else 0.0
    if math.isinf(freedom):
        return math.erfc(abs(difference) / stderr / math.sqrt(2))
    from scipy.special import stdtr

    return float(2 * stdtr(freedom, -abs(difference) / stderr))


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p values (M,) adjusted so that one false alarm among all is as rare as each alone promised (Holm 1979).

    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    p_M = np.asarray(p_values, np.float64)
    order = np.argsort(p_M, kind="stable")
    stepped_M = np.minimum(1.0, p_M[order] * np.arange(len(p_M), 0, -1))
    adjusted_M = np.empty(len(p_M))
    adjusted_M[order] = np.maximum.accumulate(stepped_M)
    return adjusted_M
