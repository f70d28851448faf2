"""Tag sets of several runs as one: their union, their intersection, or the tags with enough votes.

Each run has its own threshold. Its probabilities are bent so that this threshold lands on 0.5, and the largest,
smallest or k-th largest over runs is handed on: the rule `threshold(value=0.5)` then gives the union, intersection or
vote of the runs' sets, and any other rule still has probabilities to order. Where every labelled row has a tag, that
rule gives an image whose fused set is empty its likeliest tag; `threshold(value=0.5, at_least=0)` leaves it empty.
Axes: R runs, N training images, M images to answer, C tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from medalist.decisions.rules import rules
from medalist.ensembles.contract import State, ensembles
from medalist.ensembles.members import Members, as_members
from medalist.errors import RecipeError
from medalist.metrics import dense, metrics

Threshold = float | Sequence[float] | None

HALF = np.float32(0.5)
RULE = "threshold(value=0.5)"
BELOW_HALF = np.nextafter(HALF, np.float32(0))
GRID = np.linspace(0.02, 0.98, 49)
MOST = 2**24  # numbers of one run that a threshold is searched on


def apply(state: State, prob_MRC: Any) -> np.ndarray:
    """The k-th largest of the bent probabilities, k = state["least"], float32 (M, C)."""
    members = as_members(prob_MRC)
    num_rows, num_runs, num_classes = members.shape
    place = num_runs - int(state["least"])
    out_MC = np.empty((num_rows, num_classes), np.float32)
    threshold_R1 = np.asarray(state["thresholds"], np.float64)[:, None]
    for rows, part_BRC in members.blocks():
        out_MC[rows] = np.partition(bend(part_BRC, threshold_R1), place, axis=1)[:, place]
    return out_MC


def alone(arguments: dict[str, Any], r: int) -> dict[str, Any]:
    """Of a fusion, those of the same fusion of member r by itself: its own threshold, and one vote is enough.

    >>> alone({"threshold": [0.3, 0.4], "least": 2}, 1)
    {'threshold': 0.4, 'least': 1}
    """
    own = dict(arguments)
    if np.ndim(own.get("threshold", 0.0)):
        own["threshold"] = own["threshold"][r]
    if "least" in own:
        own["least"] = 1
    return own


@ensembles(apply=apply, alone=alone, tasks=("tags",), steered=True, bends=True, rule=RULE)
def union(
    prob_NRC: Any,
    y: Any,
    *,
    metric: str = "f1_samples",
    rule: str | None = None,
    seed: int = 0,
    threshold: Threshold = None,
) -> State:
    """Tags that any run has.

    Args:
        prob_NRC: out-of-fold probabilities of R runs.
        y: tags (N, C), dense or CSR.
        metric: that thresholds are fitted for.
        rule: not used: a run's own set is what is above its threshold.
        seed: of the rows drawn where there are many.
        threshold: of all runs, or one a run; None: that with the best score of each run alone.

    Raises:
        RecipeError: thresholds outside 0 to 1, or as many as there are no runs.
    """
    return _fused(as_members(prob_NRC), y, metric, seed, threshold, least=1)


@ensembles(apply=apply, alone=alone, tasks=("tags",), steered=True, bends=True, rule=RULE)
def intersection(
    prob_NRC: Any,
    y: Any,
    *,
    metric: str = "f1_samples",
    rule: str | None = None,
    seed: int = 0,
    threshold: Threshold = None,
) -> State:
    """Tags that all runs have; arguments and Raises as for `union`."""
    members = as_members(prob_NRC)
    return _fused(members, y, metric, seed, threshold, least=members.shape[1])


@ensembles(apply=apply, alone=alone, tasks=("tags",), steered=True, bends=True, rule=RULE)
def vote(
    prob_NRC: Any,
    y: Any,
    *,
    metric: str = "f1_samples",
    rule: str | None = None,
    seed: int = 0,
    threshold: Threshold = None,
    least: int | None = None,
) -> State:
    """Tags that at least `least` runs have (None: more than half of them); the rest as for `union`."""
    members = as_members(prob_NRC)
    return _fused(members, y, metric, seed, threshold, least=members.shape[1] // 2 + 1 if least is None else least)


def bend(prob: np.ndarray, threshold: np.ndarray | float) -> np.ndarray:
    """A rising map of [0, 1] onto itself, straight on both sides of the threshold, which lands on 0.5; float32.

    What is at or above the threshold (compared in float64, as the rules do) ends at or above 0.5, nothing else.
    """
    prob, threshold = np.asarray(prob, np.float64), np.asarray(threshold, np.float64)
    at_least = prob >= threshold
    low = np.minimum(0.5 * prob / np.maximum(threshold, 1e-12), BELOW_HALF)
    high = np.clip(0.5 + 0.5 * (prob - threshold) / np.maximum(1 - threshold, 1e-12), HALF, 1.0)
    bent: np.ndarray = np.where(at_least, high, low).astype(np.float32)
    return bent


def _fused(members: Members, y: Any, metric: str, seed: int, threshold: Threshold, *, least: int) -> State:
    num_runs = members.shape[1]
    if not 1 <= least <= num_runs:
        raise RecipeError(f"vote takes least= between 1 and the number of runs, {num_runs}, got {least}")
    if threshold is None:
        found = [_best_threshold(members[:, r : r + 1], y, metric, seed) for r in range(num_runs)]
    else:
        found = [float(value) for value in np.broadcast_to(threshold, num_runs)] if _fits(threshold, num_runs) else []
    if not found or not all(0 <= value <= 1 for value in found):
        raise RecipeError(f"threshold is one number between 0 and 1, or one for each of {num_runs} runs: {threshold}")
    return {"thresholds": found, "least": least}


def _fits(threshold: float | Sequence[float], num_runs: int) -> bool:
    return np.ndim(threshold) == 0 or np.shape(threshold) == (num_runs,)


def _best_threshold(member: Members, y: Any, metric: str, seed: int) -> float:
    """One run's threshold: exact for F of sets and micro F, from a grid of 49 for other metrics of sets."""
    dense_N1C, rows = member.sample(MOST, seed)
    prob_NC, y_NC, bound = dense_N1C[:, 0], dense(y[rows]), metrics.bind(metric)
    family, _, average = bound.name.partition("_")
    known = family in ("f1", "fbeta") and average in ("samples", "micro")
    if known or bound.facts["eats"] != "sets":
        beta, average = bound.arguments.get("beta", 1.0), average if known else "samples"
        return float(rules.bind(f"threshold(average={average!r}, beta={beta!r}, at_least=0)")(prob_NC, y_NC)["value"])
    sign = 1 if bound.facts["better"] == "higher" else -1
    return float(GRID[int(np.nanargmax([sign * bound(y_NC, prob_NC >= value) for value in GRID]))])
