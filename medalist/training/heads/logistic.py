"""Logistic regression with an L2 penalty: binary, multinomial, or one-vs-rest for tags; a warm-started path.

Minimises sum of log-losses + penalty s / 2 |W|^2, with s the mean squared norm of a row; the intercept is free.
scikit-learn's C is 1 / (penalty s). Axes: N images, D features, E = D + 1 with the intercept last, C classes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from medalist.fitted import State
from medalist.training.heads.contract import (
    EVERY_TASK,
    LinearFit,
    fit_linear,
    heads,
    is_tags,
    link,
    predict_linear,
    row_scale,
    targets,
)
from medalist.training.heads.descent import Memory, downhill
from medalist.training.heads.passes import PENALTIES, LogisticStreamed
from medalist.training.weights import mass, part_of

MEMORY = 10
MAX_ITERATIONS = 300
MAX_TRIALS = 20
TOLERANCE = 3e-7  # of the Newton decrement a row: about how far the mean loss may lie above its minimum
EMPTY_CLASS = 1e-3  # images that a class without training rows counts for


class LogisticProblem:
    """All rows and their targets; see `contract.Problem`."""

    penalties = PENALTIES
    temperatures: tuple[float, ...] = (1.0,)

    def __init__(self, x_ND: np.ndarray, y: Any, num_classes: int, weight_N: np.ndarray | None = None) -> None:
        self.binary = not is_tags(y) and num_classes == 2
        self.sigmoid = is_tags(y) or self.binary
        self.x_ND = x_ND
        self.weight_N = None if weight_N is None else weight_N.astype(np.float32)
        self.target_NC = targets(y, num_classes)[:, 1 if self.binary else 0 :]
        self.unit = row_scale(x_ND, weight_N)
        self.variance_E = np.append(_mean_square(x_ND, weight_N), np.float32(1.0))

    def path(self, rows: np.ndarray, penalties: Sequence[float]) -> Iterator[LinearFit]:
        """Fit on `rows`, each penalty's solver starting from the solution before."""
        weight_n = part_of(self.weight_N, rows)
        task = _Rows(self.x_ND[rows], self.target_NC[rows], self.variance_E, self.sigmoid, weight_n)
        weight_EC = task.start()
        for penalty in penalties:
            weight_EC = task.solve(weight_EC, penalty * self.unit)
            # One sigmoid column w of a binary task is the two softmax columns -w/2, w/2.
            both_EC = np.hstack([-0.5 * weight_EC, 0.5 * weight_EC]) if self.binary else weight_EC
            yield LinearFit(both_EC[:-1], both_EC[-1], np.zeros(both_EC.shape[1], np.float32))


def _mean_square(x_ND: np.ndarray, weight_N: np.ndarray | None) -> np.ndarray:
    """Of each feature, float32 (D,)."""
    if weight_N is None:
        return np.asarray(np.einsum("nd,nd->d", x_ND, x_ND) / len(x_ND))
    return np.asarray(np.average(np.square(x_ND), axis=0, weights=weight_N), np.float32)


class _Rows:
    """The objective on one set of training rows, and its solver."""

    def __init__(
        self,
        x_ND: np.ndarray,
        target_NC: np.ndarray,
        variance_E: np.ndarray,
        sigmoid: bool,
        weight_N: np.ndarray | None,
    ) -> None:
        self.x_ND, self.target_NC, self.variance_E, self.sigmoid = x_ND, target_NC, variance_E, sigmoid
        self.weight_N1 = None if weight_N is None else weight_N[:, None]
        self.num_rows = mass(len(x_ND), weight_N)

    def start(self) -> np.ndarray:
        """The optimum of an infinite penalty: no weights, the intercept at the class prior."""
        count_C = self._weighed(self.target_NC).sum(axis=0, dtype=np.float64) + EMPTY_CLASS
        rest_C = self.num_rows - count_C + 2 * EMPTY_CLASS if self.sigmoid else 1.0
        weight_EC = np.zeros((len(self.variance_E), len(count_C)), np.float32)
        weight_EC[-1] = np.log(count_C / rest_C)
        return weight_EC

    def solve(self, weight_EC: np.ndarray, strength: float) -> np.ndarray:
        """L-BFGS (Nocedal & Wright 2006, algorithm 7.5) with the Hessian's diagonal as its first guess.

        Scores are linear in the step, so that a line search costs no matrix product: two products an iteration.
        """
        score_NC = self._scores(weight_EC)
        prob_NC = link(score_NC, self.sigmoid)
        inverse_EC = self._inverse_diagonal(prob_NC, strength)
        gradient_EC = self._gradient(prob_NC, weight_EC, strength)
        memory: Memory = deque(maxlen=MEMORY)
        for _ in range(MAX_ITERATIONS):
            direction_EC = downhill(gradient_EC, memory, lambda out_EC: out_EC * inverse_EC)
            slope = float(np.vdot(gradient_EC, direction_EC))
            if -slope <= TOLERANCE * self.num_rows:
                break
            along_NC = self._scores(direction_EC)
            step, prob_NC = self._search(score_NC, along_NC, weight_EC, direction_EC, slope, strength)
            change_EC = step * direction_EC
            weight_EC, score_NC = weight_EC + change_EC, score_NC + step * along_NC
            bend_EC = -gradient_EC
            gradient_EC = self._gradient(prob_NC, weight_EC, strength)
            bend_EC += gradient_EC
            curvature = float(np.vdot(change_EC, bend_EC))
            if curvature > 0:
                memory.append((change_EC, bend_EC, curvature))
        return weight_EC

    def _weighed(self, array_NC: np.ndarray) -> np.ndarray:
        """Rows times their weights."""
        return array_NC if self.weight_N1 is None else self.weight_N1 * array_NC

    def _scores(self, weight_EC: np.ndarray) -> np.ndarray:
        score_NC: np.ndarray = self.x_ND @ weight_EC[:-1]
        score_NC += weight_EC[-1]
        return score_NC

    def _gradient(self, prob_NC: np.ndarray, weight_EC: np.ndarray, strength: float) -> np.ndarray:
        """X^T (P - Y) + strength W; the intercept's row is free of the penalty."""
        error_NC = self._weighed(prob_NC - self.target_NC)
        gradient_EC = np.float32(strength) * weight_EC
        gradient_EC[:-1] += self.x_ND.T @ error_NC
        gradient_EC[-1] = error_NC.sum(axis=0)
        return gradient_EC

    def _inverse_diagonal(self, prob_NC: np.ndarray, strength: float) -> np.ndarray:
        """1 / diagonal of the Hessian along principal axes: curvature p (1 - p) x variance + strength."""
        curvature_C = self._weighed(prob_NC * (1 - prob_NC)).sum(axis=0)
        hessian_EC = self.variance_E[:, None] * np.maximum(curvature_C, EMPTY_CLASS)
        hessian_EC[:-1] += np.float32(strength)
        return np.asarray(1 / hessian_EC)

    def _search(
        self,
        score_NC: np.ndarray,
        along_NC: np.ndarray,
        weight_EC: np.ndarray,
        direction_EC: np.ndarray,
        slope: float,
        strength: float,
    ) -> tuple[float, np.ndarray]:
        """A step whose slope is at most half of the first one's, and the probabilities there.

        The objective is convex along the line: a rising slope brackets the minimum from above, a falling from below.
        """
        pull = strength * float(np.vdot(weight_EC[:-1], direction_EC[:-1]))
        stretch = strength * float(np.vdot(direction_EC[:-1], direction_EC[:-1]))
        low, high, step = 0.0, np.inf, 1.0
        for _ in range(MAX_TRIALS):
            prob_NC = link(score_NC + np.float32(step) * along_NC, self.sigmoid)
            there = float(np.vdot(self._weighed(prob_NC - self.target_NC), along_NC)) + pull + step * stretch
            if abs(there) <= 0.5 * abs(slope):
                break
            low, high = (step, high) if there < 0 else (low, step)
            step = 2 * step if high == np.inf else 0.5 * (low + high)
        return step, prob_NC


@heads(predict=predict_linear, tasks=EVERY_TASK, problem=LogisticProblem, streamed=LogisticStreamed)
def logistic(
    x_ND: np.ndarray,
    y: Any,
    *,
    num_classes: int,
    seed: int = 0,
    weight_N: np.ndarray | None = None,
    penalty: float = 0.01,
) -> State:
    """Fit on all rows.

    Args:
        x_ND: float32 (N, D), standardised; fastest along principal axes (`training.reduce.rotate`).
        y: class indices (N,), or tags (N, C).
        num_classes: C.
        seed: unused; the problem is convex.
        weight_N: of the rows; None: all the same.
        penalty: in units of the mean squared norm of a row; `crossval` chooses it where a recipe does not.
    """
    return fit_linear(LogisticProblem, x_ND, y, num_classes, penalty=penalty, temperature=1.0, weight_N=weight_N)
