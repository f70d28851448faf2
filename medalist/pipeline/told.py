"""What a chain has learnt, and of which members, as sentences for the summary.

Axes: N training images, R members, V views.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from medalist.crossfit import apply_inside
from medalist.ensembles import ensembles, flips
from medalist.ensembles.members import as_members
from medalist.pipeline.chain import VIEWS, Chain, Crossfitted, State
from medalist.predictions import Predictions
from medalist.store import hash_bytes

SMALL = 1e-3


def tell_copies(runs: Sequence[Predictions]) -> list[str]:
    """The members whose out-of-fold answers are those of another, to the bit."""
    named: dict[str, list[str]] = {}
    for run in runs:
        named.setdefault(hash_bytes(np.asarray(run.oof_NC).tobytes()), []).append(run.name)
    told = "have the same out-of-fold answers: they add nothing to each other; leave out all but one"
    return [f"{', '.join(names[:-1])} and {names[-1]} {told}" for names in named.values() if len(names) > 1]


def tell_weights(state: State, names: Sequence[str]) -> list[str]:
    """The blend's weights, the largest first; nothing where it has none a member."""
    weights = state["blend"].get("weights")
    if weights is None or np.ndim(weights) != 1 or len(weights) != len(names):
        return []
    ordered = sorted(zip(weights, names, strict=True), key=lambda pair: -pair[0])
    total, surer = float(sum(weights)), "surer" if sum(weights) > 1 else "less sure"
    sums = "" if abs(total - 1) < SMALL else f" (they sum to {total:.2f}, not 1: the blend is {surer} than a plain mix)"
    told = ", ".join(f"{weight:.3f} {name}" for weight, name in ordered)
    return [f"weights: {told}{sums}"]


def tell_views(
    chain: Chain, found: Crossfitted, prob_NRC: Any, y: Any, fold_N: np.ndarray, names: Sequence[str]
) -> list[str]:
    """For each learner the weights of its views, and how many answers they change for better and worse, unseen."""
    if chain.num_views == 1:
        return []
    told = []
    for place, part_NVC in enumerate(chain.learners(prob_NRC)):
        seen_NC = apply_inside(found.states, partial(_one_learner, place), part_NVC, fold_N)
        right, wrong = flips(y, as_members(part_NVC).member(0), seen_NC)
        weights = found.state["views"][place]["weights"]
        own = names[place * chain.num_views : (place + 1) * chain.num_views]
        shares = ", ".join(f"{weight:.2f} {name}" for weight, name in zip(weights, own, strict=True))
        told.append(f"views: {shares}; beside the first alone they correct {right} answers and corrupt {wrong}")
    return told


def _one_learner(place: int, state: State, part_NVC: Any) -> np.ndarray:
    seen_NC: np.ndarray = ensembles.bind(VIEWS).facts["apply"](state["views"][place], part_NVC)
    return seen_NC


def tell_rule(state: State) -> list[str]:
    """What a rule wants known: where its threshold lies, what its clip risks."""
    rule, facts = state["rule"], state["rule"].get("facts", {})
    if "value_if_calibrated" in facts:
        wanted = facts["value_if_calibrated"]
        return [f"one threshold {rule['value']:.3f}; calibrated tags would want {wanted:.3f}, a gap is miscalibration"]
    if "log_loss_one_more" in facts:
        gain = f", expected gain {facts['expected_gain']:.5f}" if facts.get("expected_gain", 0) > 0 else ""
        clip = f"clip: {facts['beyond']} answers lie beyond it, {facts['errors']} of them wrong{gain}; log-loss"
        worse = f"{facts['log_loss_one_more']:.4f} with one mistake more"
        return [f"{clip} {facts['log_loss_in_sample']:.4f} on the rows it was fitted on, {worse}"]
    return []
