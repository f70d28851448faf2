"""Many two-level factors in few runs: which runs to make, and each factor's effect from all of them.

Plackett and Burman's designs of 8 and 16 runs (1946; of these sizes they are the saturated fractions of Box and Hunter,
Hadamard matrices of Sylvester): each column is balanced and orthogonal to every other, so that each effect is a
difference of two means of half of the runs. An effect is mixed with products of two others, unless there are at most
half as many factors as runs: those get columns whose products all fall on spare ones (resolution IV).

Axes: R runs, F factors, S spare columns, B bootstrap rounds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medalist.errors import RecipeError
from medalist.evidence import Comparison, holm, two_sided, verdict
from medalist.evidence.draws import bind, scored, sign

FEW, MOST = 4, 15  # factors that 8 runs take without mixing, and that 16 take at all
ENOUGH_SPARE = 3  # columns that tell the noise; with fewer, the small effects do (Lenth)


@dataclass(frozen=True)
class Design:
    """Which factors are on in which run.

    Args:
        sign_RF: 1 where run r has factor f, else -1.
        spare_RS: columns that no factor took; what they show is noise and mixed products.
    """

    sign_RF: np.ndarray
    spare_RS: np.ndarray

    @property
    def clear(self) -> bool:
        """Whether no effect is mixed with a product of two factors."""
        num_runs, num_factors = self.sign_RF.shape
        return bool(2 * num_factors <= num_runs)


def design(num_factors: int, *, seed: int = 0) -> Design:
    """The runs for so many factors.

    Args:
        num_factors: F, 1 to 15.
        seed: of which factor takes which column, which level is on, and of the order of the runs.

    Raises:
        RecipeError: more than 15 factors, or none.

    >>> found = design(15)
    >>> found.sign_RF.shape, abs(found.sign_RF.T @ found.sign_RF - 16 * np.eye(15)).max()
    ((16, 15), 0.0)
    """
    from scipy.linalg import hadamard

    if not 1 <= num_factors <= MOST:
        raise RecipeError(f"a screening takes 1 to {MOST} factors, got {num_factors}; name fewer operations")
    num_runs = 8 if num_factors <= FEW else 16
    rng = np.random.default_rng([seed, num_runs])
    matrix_RR = hadamard(num_runs)
    # Column i times column j is column i xor j: two with an odd number of binary ones give one with an even number.
    odd = [i for i in range(1, num_runs) if i.bit_count() % 2]
    even = [i for i in range(1, num_runs) if not i.bit_count() % 2]
    columns = [*rng.permutation(odd), *rng.permutation(even)]
    sign_RC = matrix_RR[:, columns] * rng.choice([-1, 1], num_runs - 1)
    sign_RC = sign_RC[rng.permutation(num_runs)]
    return Design(sign_RC[:, :num_factors], sign_RC[:, num_factors:])


def effects(
    metric: str,
    y: Any,
    answers_R: Sequence[Any],
    design: Design,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
    rounds: int = 1000,
) -> list[Comparison]:
    """What each factor does, from all runs; positive: the runs with it are better than those without.

    Two variances add up, as in `evidence.compare_seeds`: of the rows (a bootstrap of the difference, all runs on the
    same draws) and of the runs (training noise and mixed products: what the spare columns show, which no factor moved;
    without three of them Lenth's pseudo standard error of all columns). p is Student's with the degrees of freedom of
    Welch and Satterthwaite, then Holm's over the factors.

    Args:
        metric: a metric's name or call.
        y: the truth, N rows.
        answers_R: what the metric eats, N rows a run.
        design: of the runs.
        groups: (N,) drawn together.
        seed, rounds: of the bootstrap.

    Raises:
        MismatchError: as `evidence.estimate`.
    """
    bound = bind(metric)
    found = scored(bound, y, answers_R, groups, seed)
    half, way = len(answers_R) / 2, sign(bound)
    effect_F = way * found.score_A @ design.sign_RF / half
    spare_S = way * found.score_A @ design.spare_RS / half
    rows_F = (found.bootstrap(rounds) @ design.sign_RF / half).std(axis=0) * found.correction
    noise, freedom = run_noise(effect_F, spare_S)
    stderr_F = np.hypot(rows_F, noise)
    freedoms = [_welch(rows, found.num_blocks - 1, noise, freedom) for rows in rows_F]
    p_F = [two_sided(d, e, df) for d, e, df in zip(effect_F, stderr_F, freedoms, strict=True)]
    return [
        Comparison(float(d), float(e), verdict(d, e, p), float(p))
        for d, e, p in zip(effect_F, stderr_F, holm(p_F), strict=True)
    ]


def run_noise(effect_F: np.ndarray, spare_S: np.ndarray) -> tuple[float, float]:
    """Standard error of an effect between runs, and its degrees of freedom.

    A spare column's effect has no mean but zero: with S of them the mean square has S degrees of freedom.
    """
    if len(spare_S) >= ENOUGH_SPARE:
        return float(np.sqrt(np.mean(spare_S**2))), float(len(spare_S))
    return lenth(np.concatenate([effect_F, spare_S]))


def lenth(effect_M: np.ndarray) -> tuple[float, float]:
    """Pseudo standard error of M effects of which few are real, and its degrees of freedom M / 3 (Lenth 1989, 2).

    >>> [round(part, 2) for part in lenth(np.array([0.1, -0.2, 0.3, 9.0]))]
    [0.3, 1.33]
    """
    size_M = np.abs(effect_M)
    first = 1.5 * np.median(size_M)
    small = size_M[size_M < 2.5 * first]
    return float(1.5 * np.median(small)) if len(small) else 0.0, len(effect_M) / 3


def _welch(rows: float, rows_freedom: float, noise: float, noise_freedom: float) -> float:
    """Degrees of freedom of a sum of two estimated variances (Welch 1947, Satterthwaite 1946)."""
    total, weight = rows**2 + noise**2, rows**4 / rows_freedom + noise**4 / noise_freedom
    return total**2 / weight if weight > 0 else math.inf


def one_at_a_time(num_factors: int, num_runs: int) -> int:
    """Runs that trying one factor after the other takes for effects as sure as a design's of `num_runs` runs.

    With s^2 the variance of a run, an effect of the design has s^2 (2 / R + 2 / R) = 4 s^2 / R; the difference of two
    arms of n runs has 2 s^2 / n: n = R / 2 runs an arm, and one more arm to compare with.

    >>> one_at_a_time(15, 16)
    128
    """
    return (num_factors + 1) * num_runs // 2
