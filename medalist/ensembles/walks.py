"""What greedy selection walks on: the sum of the runs taken so far, and the score that each more run would give.

A walk has `alone_R`, the score of each run alone; `begin(bag_P)`, nothing taken; `add(run)`; `score()` of what is
taken; `scores_with()`, (P,) the score with each run of the bag added. Higher is better for all of them.
`argmax` holds the walk for accuracy. Axes: R runs, N images, C classes or tags, E entries, P the runs of a bag.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from medalist.decisions.rules import default_rule, rules
from medalist.ensembles.members import Members
from medalist.ensembles.pool import targets
from medalist.metrics import TINY, metrics
from medalist.metrics.contract import is_tags

MOST = 2**26  # numbers held in memory
STRIP = 2**11  # entries scored at once, so that they stay in the processor's cache


class LossWalk:
    """Log-loss. Only what a run gave to the truth counts: one number a row, or for tags one an image and tag.

    Exact for rows that sum to 1. Tags beyond 2^26 numbers are followed on a sample of images.
    """

    def __init__(self, members: Members, y: Any, seed: int) -> None:
        self._right_ER = _right_of_tags(members, y, seed) if is_tags(y) else members.true(np.asarray(y))
        self.begin(np.arange(members.shape[1]))
        self.alone_R = self.scores_with()

    def begin(self, bag_P: np.ndarray) -> None:
        self._bag_P, self._whole = bag_P, len(bag_P) == self._right_ER.shape[1]
        self._sum_E, self._size = np.zeros(len(self._right_ER)), 0

    def add(self, run: int) -> None:
        self._sum_E += self._right_ER[:, run]
        self._size += 1

    def score(self) -> float:
        return float(np.log(np.maximum(self._sum_E / self._size, TINY)).mean())

    def scores_with(self) -> np.ndarray:
        total_P = np.zeros(len(self._bag_P))
        for start in range(0, len(self._sum_E), STRIP):
            right_EP = self._right_ER[start : start + STRIP]
            right_EP = right_EP if self._whole else right_EP[:, self._bag_P]
            sum_EP = (self._sum_E[start : start + STRIP, None] + right_EP) / (self._size + 1)
            total_P += np.log(np.maximum(sum_EP, TINY, out=sum_EP), out=sum_EP).sum(axis=0)
        return total_P / len(self._sum_E)


def _right_of_tags(members: Members, y: Any, seed: int) -> np.ndarray:
    """What each run gave to what is true of each image and tag, float32 (E, R)."""
    prob_NRC, rows = members.sample(MOST, seed)
    y_NC = targets(y[rows], members.shape[2]) > 0
    return np.stack([np.where(y_NC, p, 1 - p).ravel() for p in prob_NRC.transpose(1, 0, 2)], axis=1)


class AnyWalk:
    """Any metric with its decision rule inside, on a sample of images.

    The rule is fitted anew on what is taken after each step, and candidates are decided by it: a fit a round, not one
    a candidate. A run alone is decided by a rule of its own.
    """

    def __init__(self, members: Members, y: Any, metric: str, rule: str | None, seed: int, most_rows: int) -> None:
        _, num_runs, num_classes = members.shape
        self._prob_NRC, rows = members.sample(min(MOST, most_rows * num_runs * num_classes), seed)
        self._y = y[rows]
        self._metric = metrics.bind(metric)
        self._sign = 1 if self._metric.facts["better"] == "higher" else -1
        bound = rules.bind(rule or default_rule(metric))
        # Groups go by class names, which stay with the pipeline.
        own = {key: value for key, value in bound.arguments.items() if key != "exclusive"}
        self._rule = replace(bound, arguments=own)
        alone = [self._prob_NRC[:, r] for r in range(num_runs)]
        self.alone_R = np.array([self._score(prob_NC, self._rule(prob_NC, self._y)) for prob_NC in alone])

    def _score(self, prob_NC: np.ndarray, state: dict[str, Any]) -> float:
        score = self._sign * self._metric(self._y, self._rule.facts["apply"](state, prob_NC))
        return float(score) if np.isfinite(score) else -np.inf

    def _mean(self) -> np.ndarray:
        return np.asarray(self._sum_NC / self._size, np.float32)

    def begin(self, bag_P: np.ndarray) -> None:
        self._bag_P, self._size = bag_P, 0
        self._sum_NC = np.zeros(self._prob_NRC[:, 0].shape)

    def add(self, run: int) -> None:
        self._sum_NC += self._prob_NRC[:, run]
        self._size += 1

    def score(self) -> float:
        return self._score(self._mean(), self._rule(self._mean(), self._y))

    def scores_with(self) -> np.ndarray:
        state = self._rule(self._mean(), self._y)
        sums = (self._sum_NC + self._prob_NRC[:, run] for run in self._bag_P)
        return np.array([self._score(np.asarray(s / (self._size + 1), np.float32), state) for s in sums])
