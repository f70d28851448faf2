"""Whether a blend beats its best member by more than noise, with no head start for either.

Both are chosen on the other folds: the blend's weights and rule, and which member is best. The best member of all rows,
picked with hindsight, would carry the luck of the best of many. Axes: N images, R members, K folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medalist.crossfit import apply_inside, fit_outside
from medalist.decisions.rules import default_rule, rules
from medalist.ensembles.contract import State, ensembles
from medalist.ensembles.members import as_members
from medalist.evidence import Comparison, compare
from medalist.metrics import metrics
from medalist.registry import Bound


@dataclass(frozen=True)
class Against:
    """The blend against the best member, which that was outside each fold (K,), and a sentence for the record."""

    comparison: Comparison
    best_K: tuple[int, ...]
    sentence: str


def against_best(
    prob_NRC: Any,
    y: Any,
    fold_N: np.ndarray,
    *,
    metric: str,
    ensemble: str = "blend",
    rule: str | None = None,
    seed: int = 0,
    groups: np.ndarray | None = None,
    names: Sequence[str] = (),
) -> Against:
    """Compare the cross-fitted blend with the member that was best on the other folds.

    Args:
        prob_NRC: out-of-fold probabilities of R members, dense or `Members`.
        y: class indices (N,), or tags (N, C), dense or CSR.
        fold_N: (N,) fold of each row.
        metric: text.
        ensemble: text.
        rule: text of the decision rule of both; None: the metric's default.
        seed: of the ensembler and of the bootstrap.
        groups: (N,) rows that belong together; None: each for itself.
        names: of the R members, for the sentence.
    """
    members, bound, blend = as_members(prob_NRC), rules.bind(rule or default_rule(metric)), ensembles.bind(ensemble)
    steer = {"metric": metric, "rule": bound.text, "seed": seed} if blend.facts.get("steered") else {}

    def fit_blend(part_NRC: Any, truth: Any) -> State:
        state = blend(part_NRC, truth, **steer)
        return {"blend": state, "rule": bound(blend.facts["apply"](state, part_NRC), truth)}

    def apply_blend(state: State, part_NRC: Any) -> np.ndarray:
        answers: np.ndarray = bound.facts["apply"](state["rule"], blend.facts["apply"](state["blend"], part_NRC))
        return answers

    def apply_member(state: State, part_NRC: Any) -> np.ndarray:
        answers: np.ndarray = bound.facts["apply"](state["rule"], as_members(part_NRC).member(state["member"]))
        return answers

    blended = apply_inside(fit_outside(fit_blend, members, y, fold_N), apply_blend, members, fold_N)
    states = fit_outside(lambda part, truth: _best_member(part, truth, metric, bound), members, y, fold_N)
    single = apply_inside(states, apply_member, members, fold_N)
    found = compare(metric, y, blended, single, groups=groups, seed=seed)
    best_K = tuple(int(state["member"]) for state in states)
    return Against(found, best_K, _sentence(found, best_K, metric, blend.text, names))


def _best_member(prob_NRC: Any, y: Any, metric: str, rule: Bound[Any]) -> State:
    """The member with the best score under its own rule; of equals the first."""
    members, score, states = as_members(prob_NRC), metrics.bind(metric), []
    for r in range(members.shape[1]):
        prob_NC = members.member(r)
        state = rule(prob_NC, y)
        states.append((score(y, rule.facts["apply"](state, prob_NC)), {"member": r, "rule": state}))
    sign = 1 if score.facts["better"] == "higher" else -1
    return states[int(np.nanargmax([sign * value for value, _ in states]))][1]


def _sentence(found: Comparison, best_K: Sequence[int], metric: str, text: str, names: Sequence[str]) -> str:
    members = " or ".join(names[r] if names else f"member {r + 1}" for r in sorted(set(best_K)))
    gap = f"{found.difference:+.4f} +- {found.stderr:.4f} {metric} (positive: {text} is better)"
    return {
        "better": f"{text} beats its best member, {members}: {gap}.",
        "worse": f"{text} is worse than its best member, {members}: {gap}; answer with that member alone.",
    }.get(
        found.verdict,
        f"{text} does not beat its best member, {members}, by more than noise: {gap}; the member alone is simpler.",
    )
