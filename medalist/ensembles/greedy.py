"""Greedy selection: add, again and again, the run that helps the metric most (Caruana et al. 2004, sections 2.1-2.3).

With replacement, so that a run's weight is how often it was taken; from a start of the best runs together; and, where
`bags` is above 1, as the mean of several selections among half of the runs each. The best point of each walk is kept.
Axes: R runs, N training images, M images to answer, C classes, P the runs of a bag.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.ensembles.argmax import ArgmaxWalk
from medalist.ensembles.contract import State, ensembles
from medalist.ensembles.mean import weighted
from medalist.ensembles.members import Members, as_members
from medalist.ensembles.walks import AnyWalk, LossWalk
from medalist.errors import RecipeError

MOST_AT_START = 10

Walk = LossWalk | ArgmaxWalk | AnyWalk


def apply(state: State, prob_MRC: Any) -> np.ndarray:
    """Mean of the runs, each as often as it was taken, float32 (M, C)."""
    return weighted(np.asarray(state["weights"]), prob_MRC)


@ensembles(apply=apply, steered=True)
def greedy(
    prob_NRC: Any,
    y: Any,
    *,
    metric: str = "log_loss",
    rule: str | None = None,
    seed: int = 0,
    rounds: int = 50,
    bags: int = 1,
    start: int | None = None,
    rows: int = 5000,
) -> State:
    """Select runs for a metric.

    Args:
        prob_NRC: out-of-fold probabilities of R runs; rows of classes sum to 1.
        y: class indices (N,), or tags (N, C), dense or CSR.
        metric: text. Log-loss is followed on the true class alone (a rule's temperature comes after the blend) and
            accuracy on what can change a row's largest column, both on all rows and exactly.
        rule: text of the decision rule inside any other metric; None: the metric's default.
        seed: of bags, and of the rows drawn.
        rounds: runs added after the start.
        bags: selections, each among half of the runs.
        start: runs at the start, the best ones; None: as many of the best 10 as are best together.
        rows: images that a metric other than log-loss and accuracy is followed on.

    Raises:
        RecipeError: rounds, bags, start or rows below what makes sense.
    """
    _check(rounds=(rounds, 0), bags=(bags, 1), start=(1 if start is None else start, 1), rows=(rows, 1))
    members = as_members(prob_NRC)
    num_runs = members.shape[1]
    if num_runs == 1:
        return {"weights": [1.0], "scores": []}
    walk = _walk(members, y, metric, rule, seed, rows)
    rng, share_R, scores = np.random.default_rng(seed), np.zeros(num_runs), []
    for _ in range(bags):
        size = num_runs if bags == 1 else (num_runs + 1) // 2
        count_R, score = _select(walk, np.sort(rng.choice(num_runs, size, replace=False)), rounds, start)
        share_R += count_R / count_R.sum() / bags
        scores.append(score)
    return {"weights": share_R.tolist(), "scores": scores}


def _walk(members: Members, y: Any, metric: str, rule: str | None, seed: int, rows: int) -> Walk:
    if metric == "log_loss" and rule in (None, "calibrated", "as_is"):
        return LossWalk(members, y, seed)
    if metric == "accuracy" and rule in (None, "argmax"):
        return ArgmaxWalk(members, np.asarray(y))
    return AnyWalk(members, y, metric, rule, seed, rows)


def _select(walk: Walk, bag_P: np.ndarray, rounds: int, start: int | None) -> tuple[np.ndarray, float]:
    """How often each of all runs is taken, integers (R,), at the best point of the walk, and the score there."""
    best_P = bag_P[np.argsort(-walk.alone_R[bag_P], kind="stable")]
    taken = list(best_P[: _best_start(walk, best_P) if start is None else start])
    walk.begin(bag_P)
    for run in taken:
        walk.add(run)
    best, size = walk.score(), len(taken)
    for _ in range(rounds):
        score_P = walk.scores_with()
        place = int(np.argmax(score_P))
        walk.add(bag_P[place])
        taken.append(bag_P[place])
        if score_P[place] > best:
            best, size = float(score_P[place]), len(taken)
    return np.bincount(taken[:size], minlength=len(walk.alone_R)), float(best)


def _best_start(walk: Walk, best_P: np.ndarray) -> int:
    """How many of the best runs are best together; of equals the fewest."""
    walk.begin(best_P)
    scores = []
    for run in best_P[:MOST_AT_START]:
        walk.add(run)
        scores.append(walk.score())
    return int(np.argmax(scores)) + 1


def _check(**given: tuple[int, int]) -> None:
    for name, (value, least) in given.items():
        if value < least:
            raise RecipeError(f"greedy takes {name}= of at least {least}, got {value!r}")
