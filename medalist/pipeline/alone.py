"""What each member is worth by itself, and whether the blend beats the best of them.

Axes: N training images, R members, C classes, K folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medalist.evidence import Comparison, compare, estimate
from medalist.metrics import metrics
from medalist.pipeline.chain import Chain, Crossfitted, State
from medalist.pipeline.foldscores import each_fold
from medalist.predictions import Predictions

ROUNDS = 500  # of the bootstrap for a member's standard error, which they give to 3 %
MOST = 5000  # rows outside a fold on which members are ranked


@dataclass(frozen=True)
class Alone:
    """One member without the others, decided by the same rule.

    Args:
        run: the member.
        chain: that decides it by itself.
        states: of that chain, of the rows outside each fold.
        score: of the cross-fitted answers.
        stderr: of the score.
        in_sample: on rows that member and rule were fitted on; None: not known.
        outside_K: score on rows outside each fold, by the rule fitted on them; for ranking alone.
        inside_K: score of the cross-fitted answers to each fold's rows; None where the metric has none there.
    """

    run: Predictions
    chain: Chain
    states: tuple[State, ...]
    score: float
    stderr: float
    in_sample: float | None
    outside_K: tuple[float, ...]
    inside_K: tuple[float | None, ...]

    def answers(self, place: int, rows: np.ndarray) -> np.ndarray:
        """Answers to rows of a fold by the state that did not see it."""
        return self.chain.answers(self.states[place], self.run.oof_NC[rows][:, None])


def alone(
    chain: Chain, member: int, run: Predictions, y: Any, fold_N: np.ndarray, groups: np.ndarray | None = None
) -> Alone:
    """One member through the chain.

    Args:
        chain: of the blend that it is a member of.
        member: its place there.
        run: what it predicts.
        y: class indices (N,), or tags (N, C) as CSR.
        fold_N: fold of each row.
        groups: (N,) rows that are drawn together; None: each alone.
    """
    chain, metric, prob_N1C = chain.by_itself(member), metrics.bind(chain.metric), run.oof_NC[:, None]
    found = chain.crossfit(prob_N1C, y, fold_N)
    outside = []
    for state, fold in zip(found.states, np.unique(fold_N), strict=True):
        rows = np.flatnonzero(fold_N != fold)
        rows = rows[:: -(-len(rows) // MOST)]
        outside.append(metric(y[rows], chain.answers(state, prob_N1C[rows])))
    in_sample = metric(y, chain.answers(found.state, run.fit_NC[:, None])) if run.fit_known else None
    told = estimate(metric, y, found.answers_N, groups=groups, seed=chain.seed, rounds=ROUNDS)
    inside = each_fold(metric, y, found.answers_N, fold_N)
    return Alone(run, chain, found.states, told.score, told.stderr, in_sample, tuple(outside), inside)


def against_best(
    chain: Chain, found: Crossfitted, members: Sequence[Alone], y: Any, fold_N: np.ndarray, groups: np.ndarray | None
) -> tuple[Comparison, str]:
    """Compare a cross-fitted blend with the member that was best on the other folds, and say it in a sentence.

    Both are chosen on the other folds. The best member of all rows, picked with hindsight, would carry the luck of the
    best of many.

    Args:
        chain: that blended.
        found: the blend, cross-fitted.
        members: each by itself.
        y: the truth.
        fold_N: fold of each row.
        groups: (N,) rows that are drawn together; None: each alone.
    """
    way = 1 if metrics.bind(chain.metric).facts["better"] == "higher" else -1
    score_RK = way * np.array([member.outside_K for member in members], np.float64)
    best_K = [members[r] for r in np.argmax(np.nan_to_num(score_RK, nan=-np.inf), axis=0)]
    single_N = np.empty_like(found.answers_N)
    for place, fold in enumerate(np.unique(fold_N)):
        rows = np.flatnonzero(fold_N == fold)
        single_N[rows] = best_K[place].answers(place, rows)
    gap = compare(chain.metric, y, found.answers_N, single_N, groups=groups, seed=chain.seed)
    names = list(dict.fromkeys(member.run.name for member in best_K))
    return gap, _sentence(gap, chain, " or ".join(names) + ", as the other folds chose" * (len(names) > 1))


def _sentence(found: Comparison, chain: Chain, names: str) -> str:
    gap = f"{found.difference:+.4f} +- {found.stderr:.4f} {chain.metric} (positive: {chain.ensemble} is better)"
    return {
        "better": f"{chain.ensemble} beats its best member, {names}: {gap}",
        "worse": f"{chain.ensemble} is worse than its best member, {names}: {gap}; answer with that member alone",
    }.get(
        found.verdict,
        f"{chain.ensemble} does not beat its best member, {names}, by more than noise: {gap}; by what can be told, that"
        " member alone would do as well",
    )
