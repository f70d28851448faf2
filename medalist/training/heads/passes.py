"""Logistic regression on rows read in blocks: L-BFGS from the ridge solution, a few passes over the data a model.

The objective is `logistic`'s. A score's Hessian is about w X^T X + strength I, with w its mean p (1 - p): its inverse,
by the Cholesky factor of one Gram matrix of all rows (their labels unseen), turns the first step into ridge regression
and the later ones into nearly Newton's. Axes: N images, B images of a block, D features, E = D + 1 with the intercept
last, C scores, M models fitted together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from medalist.training.heads.contract import LinearFit, indicators, is_tags, link
from medalist.training.heads.descent import MEMORY, Descent, lbfgs, together
from medalist.training.moments import fold_moments
from medalist.training.rows import Rows, blocks, in_order
from medalist.training.weights import mass, part_of

PENALTIES = tuple(float(10.0 ** (1 - 0.5 * step)) for step in range(13))
MAX_PASSES, TRIAL_PASSES = 60, 30
TOLERANCE, TRIAL_TOLERANCE = 4e-5, 2e-4  # of the estimated Newton decrement a row
TRIAL_ROWS = 8000  # at least, where there are as many, and
TRIAL_WORK = 2**35  # rows x features x scores that a penalty is tried on
TRIAL_BYTES = 2**28  # at most, of their features
TOGETHER = 4  # penalties tried at once, and
TOGETHER_BYTES = 2**29  # of the weights and memories of models fitted at once
SAMPLE = 2048  # training rows on which the ridge solution's scale is found
SOLVED = 128  # columns solved for at a time
EMPTY_CLASS = 1e-3  # images that a class without training rows counts for
FLOOR = 1e-7  # of the Gram matrix's trace, the least that is added to its diagonal: float32 bears no less
LEAST_CURVATURE = 0.05  # of that at the class shares
NARROW = 256  # columns of all models up to which they are multiplied as one matrix


@dataclass(frozen=True)
class Model:
    """One of the models fitted together: which of the rows are its own, and what its squared weights cost."""

    inside_N: np.ndarray
    strength: float


class LogisticStreamed:
    """The rows, and their Gram matrix; see `contract.Streamed`."""

    penalties = PENALTIES
    temperatures: tuple[float, ...] = (1.0,)
    side_by_side = False

    def __init__(
        self, rows: Rows, y: Any, fold_N: np.ndarray, num_classes: int, weight_N: np.ndarray | None = None
    ) -> None:
        self.rows, self.fold_N = rows, fold_N
        self.weight_N = None if weight_N is None else weight_N.astype(np.float32)
        self.binary = not is_tags(y) and num_classes == 2
        self.sigmoid = is_tags(y) or self.binary
        self.target_NC = indicators(y, num_classes)[:, 1 if self.binary else 0 :]
        (moments,) = fold_moments(rows, indicators(0 * fold_N, 1), 0 * fold_N, weight_N)
        self.gram = Gram(moments.gram_DD, mass(len(rows), weight_N))
        self.unit = moments.energy / self.gram.num_rows
        self.num_scores = int(self.target_NC.shape[1])

    def path(self, left_out: Sequence[int], penalties: Sequence[float]) -> Iterator[LinearFit]:
        """Fits on a sample of the rows outside, a few penalties at once."""
        outside = np.flatnonzero(~np.isin(self.fold_N, left_out))
        work = TRIAL_WORK // (self.rows.num_features * self.num_scores)
        wanted = min(max(TRIAL_ROWS, work), TRIAL_BYTES // (4 * self.rows.num_features), len(outside))
        sample = np.sort(np.random.default_rng(len(outside)).choice(outside, wanted, replace=False))
        loaded, weight_n = _Loaded(self.rows.read(sample)), part_of(self.weight_N, sample)
        objective = Objective(loaded, self.target_NC[sample], self.sigmoid, self.gram, weight_n)
        every = np.ones(wanted, bool)
        at_once = min(TOGETHER, self._at_once())
        for start in range(0, len(penalties), at_once):
            models = [Model(every, penalty * self.unit) for penalty in penalties[start : start + at_once]]
            yield from map(self._fit, objective.minimise(models, TRIAL_TOLERANCE, TRIAL_PASSES))

    def fits(self, left_out: Sequence[Sequence[int]], penalties: Sequence[float]) -> list[LinearFit]:
        """Fits on all rows outside, as many at once as memory allows."""
        objective = Objective(self.rows, self.target_NC, self.sigmoid, self.gram, self.weight_N)
        models = [
            Model(~np.isin(self.fold_N, folds), penalty * self.unit)
            for folds, penalty in zip(left_out, penalties, strict=True)
        ]
        fits, at_once = list[LinearFit](), self._at_once()
        for start in range(0, len(models), at_once):
            fits += map(self._fit, objective.minimise(models[start : start + at_once], TOLERANCE, MAX_PASSES))
        return fits

    def _at_once(self) -> int:
        one = 4 * (self.rows.num_features + 1) * self.num_scores * (2 * MEMORY + 5)
        return max(1, TOGETHER_BYTES // one)

    def _fit(self, weight_EC: np.ndarray) -> LinearFit:
        # One sigmoid column w of a binary task is the two softmax columns -w/2, w/2.
        both_EC = np.hstack([-0.5 * weight_EC, 0.5 * weight_EC]) if self.binary else weight_EC
        return LinearFit(both_EC[:-1], both_EC[-1], np.zeros(both_EC.shape[1], np.float32))


class _Loaded:
    """Standardised rows in memory, read as `Rows` are."""

    def __init__(self, z_ND: np.ndarray) -> None:
        self.z_ND = z_ND

    def __len__(self) -> int:
        return len(self.z_ND)

    def read(self, rows: np.ndarray) -> np.ndarray:
        return np.asarray(self.z_ND[rows])


class Gram:
    """X^T X of all rows, and Cholesky factors of it with something on its diagonal, rounded to a power of four."""

    def __init__(self, gram_DD: np.ndarray, num_rows: float) -> None:
        self.gram_DD, self.num_rows = gram_DD, num_rows
        self.floor = FLOOR * float(np.trace(gram_DD))
        self._factors: dict[int, Any] = {}

    def solve(self, ridge_C: np.ndarray, right_DC: np.ndarray) -> np.ndarray:
        """(gram + ridge_c I)^-1 of each column c."""
        power_C = np.round(0.5 * np.log2(np.maximum(ridge_C, self.floor))).astype(int)
        out_DC = np.empty_like(right_DC)
        missing = [power for power in np.unique(power_C) if power not in self._factors]
        self._factors |= zip(missing, in_order(self._factor, missing), strict=True)
        jobs = [(p, part) for p in np.unique(power_C) for part in blocks(np.flatnonzero(power_C == p), SOLVED)]
        solved = in_order(lambda job: cho_solve(self._factors[job[0]], right_DC[:, job[1]], check_finite=False), jobs)
        for (_, columns), part_DC in zip(jobs, solved, strict=True):
            out_DC[:, columns] = part_DC
        return out_DC

    def _factor(self, power: int) -> Any:
        shifted_DD = self.gram_DD.copy()
        shifted_DD[np.diag_indices_from(shifted_DD)] += np.float32(4.0**power)
        return cho_factor(shifted_DD.T, overwrite_a=True, check_finite=False)


class Objective:
    """Log-losses of models on their shares of the rows, and their minima."""

    def __init__(self, rows: Any, target_NC: Any, sigmoid: bool, gram: Gram, weight_N: np.ndarray | None) -> None:
        self.rows, self.target_NC, self.sigmoid, self.gram = rows, target_NC, sigmoid, gram
        self.weight_N = weight_N

    def _num_rows(self, inside: np.ndarray) -> float:
        return mass(len(inside), part_of(self.weight_N, inside))

    def minimise(self, models: Sequence[Model], tolerance: float, max_passes: int) -> list[np.ndarray]:
        """Weights float32 (E, C) of each model."""
        descents = [self._descend(model, tolerance, max_passes) for model in models]
        return together(descents, lambda points: self._gradients(points, models))

    def _descend(self, model: Model, tolerance: float, max_passes: int) -> Descent:
        """From the class shares by ridge regression, its scale found on a few of the rows, to the minimum."""
        inside = np.flatnonzero(model.inside_N)
        num_rows = self._num_rows(inside)
        start_EC = self._at_shares(inside)
        # A score that is sure of every row is flat; its floor is as `logistic`'s.
        shares_C = _curvature(link(start_EC[-1:], self.sigmoid))
        curvature_C = np.maximum(shares_C, np.float32(EMPTY_CLASS / num_rows))
        gradient_EC = yield start_EC
        direction_EC = self._newton(-gradient_EC, model, curvature_C)
        sample = inside[:: max(1, len(inside) // SAMPLE)][:SAMPLE]
        score_BC = self.rows.read(sample) @ direction_EC[:-1] + direction_EC[-1]
        target_BC, weight_B = self.target_NC[sample].toarray(), part_of(self.weight_N, sample)
        cost = 0.5 * model.strength * float(np.vdot(direction_EC[:-1], direction_EC[:-1]))
        cost = cost * mass(len(sample), weight_B) / num_rows
        scales = np.geomspace(0.1, 100, 25, dtype=np.float32)
        losses = [self._loss(start_EC[-1] + t * score_BC, target_BC, weight_B) + cost * t**2 for t in scales]
        scale = scales[int(np.argmin(losses))]
        prob_BC = link(start_EC[-1] + scale * score_BC, self.sigmoid)
        curvature_C = np.maximum(_curvature(prob_BC), LEAST_CURVATURE * curvature_C)

        def precondition(out_EC: np.ndarray) -> np.ndarray:
            return self._newton(out_EC, model, curvature_C)

        start_EC = start_EC + scale * direction_EC
        return (yield from lbfgs(start_EC, precondition, tolerance * num_rows, max_passes - 1))

    def _at_shares(self, inside: np.ndarray) -> np.ndarray:
        """The optimum of an infinite penalty: no weights, the intercept at the class shares."""
        target_nC, weight_n = self.target_NC[inside], part_of(self.weight_N, inside)
        count_C = target_nC.sum(axis=0, dtype=np.float64) if weight_n is None else weight_n.astype(float) @ target_nC
        count_C = count_C + EMPTY_CLASS
        rest_C = self._num_rows(inside) - count_C + 2 * EMPTY_CLASS if self.sigmoid else 1.0
        weight_EC = np.zeros((len(self.gram.gram_DD) + 1, len(count_C)), np.float32)
        weight_EC[-1] = np.log(count_C / rest_C)
        return weight_EC

    def _newton(self, out_EC: np.ndarray, model: Model, curvature_C: np.ndarray) -> np.ndarray:
        """(w share X^T X + strength I)^-1 of each column; the intercept apart, as features are centred."""
        num_inside = np.float64(self._num_rows(np.flatnonzero(model.inside_N)))
        weight_C = curvature_C * num_inside / self.gram.num_rows
        step_EC = np.empty_like(out_EC)
        step_EC[:-1] = self.gram.solve(model.strength / weight_C, out_EC[:-1]) / weight_C
        step_EC[-1] = out_EC[-1] / (curvature_C * num_inside)
        return step_EC

    def _gradients(self, points: dict[int, np.ndarray], models: Sequence[Model]) -> list[np.ndarray]:
        """Gradients (E, C) of the models asked for, in one pass.

        A model's bits must not tell when another, which learns from its held-out rows, was done: the blocks of rows are
        the same until all are, and a matrix holds either all models to the end, or one.
        """
        inside_NM = np.column_stack([model.inside_N for model in models])
        if self.weight_N is not None:
            inside_NM = inside_NM * self.weight_N[:, None]
        num_scores = self.target_NC.shape[1]
        narrow = len(models) * num_scores <= NARROW
        groups = [list(range(len(models)))] if narrow else [[m] for m in points]
        done_EC = np.zeros_like(next(iter(points.values())))
        weights = [np.hstack([points.get(m, done_EC) for m in group]) for group in groups]

        def block(rows: np.ndarray) -> list[np.ndarray]:
            z_BD, target_BC, inside_BM = self.rows.read(rows), self.target_NC[rows].toarray(), inside_NM[rows]
            parts = []
            for group, weight_ES in zip(groups, weights, strict=True):
                error_BS = self._errors(z_BD, weight_ES, target_BC, inside_BM[:, group])
                parts.append(np.vstack([z_BD.T @ error_BS, error_BS.sum(axis=0)]))
            return parts

        totals = [np.zeros_like(weight_ES) for weight_ES in weights]
        for parts in in_order(block, blocks(np.flatnonzero(inside_NM.any(axis=1)))):
            for total_ES, part_ES in zip(totals, parts, strict=True):
                total_ES += part_ES
        # Contiguous: products with strided arrays are summed in another order.
        if narrow:
            parts_M = np.hsplit(totals[0], len(models))
            totals = [np.ascontiguousarray(parts_M[m]) for m in points]
        for gradient_EC, (m, point_EC) in zip(totals, points.items(), strict=True):
            gradient_EC[:-1] += np.float32(models[m].strength) * point_EC[:-1]
        return totals

    def _errors(
        self, z_BD: np.ndarray, weight_ES: np.ndarray, target_BC: np.ndarray, inside_BM: np.ndarray
    ) -> np.ndarray:
        """Probabilities less targets (B, S) of models' scores, times weights, 0 on the rows that are not their own."""
        score_BS = z_BD @ weight_ES[:-1]
        score_BS += weight_ES[-1]
        error_BMC = link(score_BS.reshape(-1, target_BC.shape[1]), self.sigmoid).reshape(*inside_BM.shape, -1)
        error_BMC -= target_BC[:, None]
        error_BMC *= inside_BM[:, :, None]
        return error_BMC.reshape(score_BS.shape)

    def _loss(self, score_BC: np.ndarray, target_BC: np.ndarray, weight_B: np.ndarray | None) -> float:
        """Summed log-loss of weighted rows."""
        top_B1 = score_BC.max(axis=1, keepdims=True)
        sums = np.logaddexp(0, score_BC) if self.sigmoid else top_B1 + np.log(np.exp(score_BC - top_B1).sum(1))[:, None]
        if weight_B is not None:
            sums, target_BC = weight_B[:, None] * sums, weight_B[:, None] * target_BC
        return float(sums.sum(dtype=np.float64) - np.vdot(target_BC, score_BC))


def _curvature(prob_BC: np.ndarray) -> np.ndarray:
    """Mean p (1 - p) of each score."""
    return np.asarray((prob_BC * (1 - prob_BC)).mean(axis=0))
