"""What each member is worth: by itself, beside the blend, and how its views and the members differ.

Axes: N training images, R members, V views, C classes, K folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from medalist.crossfit import apply_inside
from medalist.ensembles import flips
from medalist.ensembles.members import as_members
from medalist.evidence import Comparison, compare
from medalist.metrics import metrics
from medalist.pipeline.chain import Chain, Crossfitted
from medalist.predictions import Predictions


@dataclass(frozen=True)
class Alone:
    """One member without the others, decided by the same rule.

    Args:
        name: of the member.
        answers_N: cross-fitted.
        score: of those.
        in_sample: on rows that member and rule were fitted on; None: not known.
        outside_K: score on the rows outside each fold, by the rule fitted on them.
    """

    name: str
    answers_N: np.ndarray
    score: float
    in_sample: float | None
    outside_K: tuple[float, ...]


def alone(chain: Chain, run: Predictions, y: Any, fold_N: np.ndarray) -> Alone:
    """One member through the chain.

    Args:
        chain: of the blend that it is a member of.
        run: the member.
        y: class indices (N,), or tags (N, C) as CSR.
        fold_N: fold of each row.
    """
    chain, metric, prob_N1C = replace(chain, num_views=1), metrics.bind(chain.metric), run.oof_NC[:, None]
    found = chain.crossfit(prob_N1C, y, fold_N)
    rest = [np.flatnonzero(fold_N != fold) for fold in np.unique(fold_N)]
    outside = (
        metric(y[rows], chain.answers(state, prob_N1C[rows])) for state, rows in zip(found.states, rest, strict=True)
    )
    in_sample = metric(y, chain.answers(found.state, run.fit_NC[:, None])) if run.fit_known else None
    return Alone(run.name, found.answers_N, metric(y, found.answers_N), in_sample, tuple(outside))


def against_best(
    chain: Chain,
    answers_N: np.ndarray,
    members: Sequence[Alone],
    y: Any,
    fold_N: np.ndarray,
    groups: np.ndarray | None = None,
) -> tuple[Comparison, str]:
    """Compare a cross-fitted blend with the member that was best on the other folds, and say it in a sentence.

    Both are chosen on the other folds. The best member of all rows, picked with hindsight, would carry the luck of the
    best of many.

    Args:
        chain: that blended.
        answers_N: of the blend, cross-fitted.
        members: each by itself.
        y: the truth.
        fold_N: fold of each row.
        groups: (N,) rows that are drawn together; None: each alone.
    """
    way = 1 if metrics.bind(chain.metric).facts["better"] == "higher" else -1
    best_K = [int(np.argmax(np.nan_to_num(score_R, nan=-np.inf))) for score_R in _by_fold(members, way)]
    single_N = members[0].answers_N.copy()
    for fold, best in zip(np.unique(fold_N), best_K, strict=True):
        single_N[fold_N == fold] = members[best].answers_N[fold_N == fold]
    found = compare(chain.metric, y, answers_N, single_N, groups=groups, seed=chain.seed)
    names = " or ".join(dict.fromkeys(members[best].name for best in best_K))
    return found, _sentence(found, chain, names)


def _by_fold(members: Sequence[Alone], way: int) -> np.ndarray:
    """Scores (K, R) on the rows outside each fold, larger is better."""
    return way * np.array([member.outside_K for member in members], np.float64).T


def _sentence(found: Comparison, chain: Chain, names: str) -> str:
    gap = f"{found.difference:+.4f} +- {found.stderr:.4f} {chain.metric} (positive: {chain.ensemble} is better)"
    return {
        "better": f"{chain.ensemble} beats its best member, {names}: {gap}",
        "worse": f"{chain.ensemble} is worse than its best member, {names}: {gap}; answer with that member alone",
    }.get(
        found.verdict,
        f"{chain.ensemble} does not beat its best member, {names}, by more than noise: {gap}; that alone is simpler",
    )


def tell_weights(state: dict[str, Any], names: Sequence[str]) -> list[str]:
    """The blend's weights as a sentence, the largest first; nothing where it has none a member."""
    weights = state["blend"].get("weights")
    if weights is None or np.ndim(weights) != 1 or len(weights) != len(names):
        return []
    ordered = sorted(zip(weights, names, strict=True), key=lambda pair: -pair[0])
    return ["weights: " + ", ".join(f"{weight:.3f} {name}" for weight, name in ordered)]


def tell_views(
    chain: Chain, found: Crossfitted, prob_NRC: Any, y: Any, fold_N: np.ndarray, names: Sequence[str]
) -> list[str]:
    """For each learner the weights of its views, and how many answers they change for better and worse, unseen."""
    if chain.num_views == 1:
        return []
    seen_NLC = apply_inside(found.states, chain.seen, prob_NRC, fold_N)
    told = []
    for place, part_NVC in enumerate(chain.learners(prob_NRC)):
        right, wrong = flips(y, as_members(part_NVC).member(0), seen_NLC[:, place])
        weights = found.state["views"][place]["weights"]
        own = names[place * chain.num_views : (place + 1) * chain.num_views]
        shares = ", ".join(f"{weight:.2f} {name}" for weight, name in zip(weights, own, strict=True))
        told.append(f"views: {shares}; beside the first alone they correct {right} answers and corrupt {wrong}")
    return told
