"""Tags told by each other: ridge regression in two levels, so that `haze` seen by one run can lower another's `water`.

Level 1 stacks each tag's own runs. Level 2 adds, tag by tag, what all tags of all runs still say about what level 1
missed, its penalty chosen by generalised cross-validation (Golub, Heath & Wahba 1979). A heavy penalty leaves level 1,
so that tags without correlations lose little. As in the winning entry of Planet's Amazon competition, 2017.
Axes: R runs, N training images, M images to answer, C tags, F = R C columns, P penalties.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.ensembles.contract import State, ensembles
from medalist.ensembles.members import Members, as_members
from medalist.ensembles.pool import targets
from medalist.errors import RecipeError

MOST_COLUMNS = 4096
PENALTIES = np.geomspace(1e-4, 1e4, 17)  # in units of the columns' mean square


def apply(state: State, prob_MRC: Any) -> np.ndarray:
    """Both levels' answer, cut at 0 and 1, float32 (M, C)."""
    members = as_members(prob_MRC)
    own_RC, across_FC, bias_C = (np.asarray(state[name], np.float64) for name in ("own", "across", "bias"))
    out_MC = np.empty((len(members), members.shape[2]), np.float32)
    for rows, prob_BRC in members.blocks():
        level_1_BC = np.einsum("brc,rc->bc", prob_BRC, own_RC)
        out_MC[rows] = np.clip(level_1_BC + prob_BRC.reshape(len(prob_BRC), -1) @ across_FC + bias_C, 0, 1)
    return out_MC


@ensembles(apply=apply, tasks=("tags",), bends=True)
def ridge_tags(prob_NRC: Any, y_NC: Any, *, penalty: float | None = None) -> State:
    """Learn both levels.

    Args:
        prob_NRC: out-of-fold probabilities of R runs.
        y_NC: tags, dense or CSR.
        penalty: of level 2, in units of the columns' mean square; None: a tag's own, by generalised cross-validation.

    Raises:
        RecipeError: more than 4096 columns (runs times tags).
    """
    members = as_members(prob_NRC)
    num_rows, num_runs, num_tags = members.shape
    if num_runs * num_tags > MOST_COLUMNS:
        raise RecipeError(
            f"ridge_tags takes {MOST_COLUMNS} columns at most, got {num_runs} runs x {num_tags} tags: use stack"
        )
    # 1. Moments of all columns and the truth, both centred.
    cross_FF, with_truth_FC, square_C, mean_F, rate_C = _moments(members, y_NC)
    # 2. Each tag by its own runs, leaning on their mean with the weight of one image.
    own_RC = _own(cross_FF, with_truth_FC, num_runs)
    own_FC = (own_RC[:, :, None] * np.eye(num_tags)).reshape(-1, num_tags)
    # 3. What is missed, by all columns.
    missed_FC = with_truth_FC - cross_FF @ own_FC
    square_C = square_C - 2 * (own_FC * with_truth_FC).sum(axis=0) + (own_FC * (cross_FF @ own_FC)).sum(axis=0)
    across_FC, chosen_C = _across(cross_FF, missed_FC, square_C, num_rows, penalty)
    bias_C = rate_C - mean_F @ (own_FC + across_FC)
    found = {"own": own_RC, "across": across_FC.astype(np.float32), "bias": bias_C, "penalties": chosen_C}
    return {name: values.tolist() for name, values in found.items()}


def _moments(members: Members, y_NC: Any) -> tuple[np.ndarray, ...]:
    """Centred sums X'X (F, F), X'Y (F, C) and Y'Y's diagonal (C,), and the means (F,), (C,)."""
    num_rows, num_runs, num_tags = members.shape
    size = num_runs * num_tags
    cross_FF, with_truth_FC, sum_F, sum_C = (np.zeros(s) for s in ((size, size), (size, num_tags), size, num_tags))
    for rows, prob_BRC in members.blocks():
        x_BF, y_BC = prob_BRC.reshape(-1, size).astype(np.float64), targets(y_NC[rows], num_tags).astype(np.float64)
        cross_FF += x_BF.T @ x_BF
        with_truth_FC += x_BF.T @ y_BC
        sum_F += x_BF.sum(axis=0)
        sum_C += y_BC.sum(axis=0)
    mean_F, rate_C = sum_F / num_rows, sum_C / num_rows
    cross_FF -= num_rows * np.outer(mean_F, mean_F)
    with_truth_FC -= num_rows * np.outer(mean_F, rate_C)
    return cross_FF, with_truth_FC, sum_C - num_rows * rate_C**2, mean_F, rate_C


def _own(cross_FF: np.ndarray, with_truth_FC: np.ndarray, num_runs: int) -> np.ndarray:
    """Weights (R, C) of each tag's own runs: ridge towards 1 / R."""
    num_tags = with_truth_FC.shape[1]
    own_RC = np.empty((num_runs, num_tags))
    for c in range(num_tags):
        at = np.arange(num_runs) * num_tags + c
        block_RR, truth_R = cross_FF[np.ix_(at, at)], with_truth_FC[at, c]
        own_RC[:, c] = np.linalg.solve(block_RR + np.eye(num_runs), truth_R + 1 / num_runs)
    return own_RC


def _across(
    cross_FF: np.ndarray, missed_FC: np.ndarray, square_C: np.ndarray, num_rows: int, penalty: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Level 2's weights (F, C), and the penalty of each tag (C,).

    With X'X = V diag(e) V' and b = V'X'y, a penalty q leaves the squared error y'y - sum b^2 (e + 2q) / (e + q)^2 and
    spends sum e / (e + q) degrees of freedom (one more for the mean); generalised cross-validation takes the least
    error / (1 - spent / N)^2. No level 2 at all, the infinite penalty, is one of the choices.
    """
    value_F, vector_FF = np.linalg.eigh(cross_FF)
    value_F = np.maximum(value_F, 0)
    along_FC, unit = vector_FF.T @ missed_FC, max(value_F.mean(), 1e-12)
    scales = np.append(PENALTIES, np.inf) if penalty is None else np.array([penalty])
    scores_PC = np.empty((len(scales), len(square_C)))
    for p, q in enumerate(scales * unit):
        kept_F = np.zeros_like(value_F) if np.isinf(q) else (value_F + 2 * q) / (value_F + q) ** 2
        spent = min(1 + (value_F / (value_F + q)).sum(), num_rows - 1)
        scores_PC[p] = (square_C - kept_F @ along_FC**2) / (1 - spent / num_rows) ** 2
    chosen_C = scales[scores_PC.argmin(axis=0)]
    weight_FC = along_FC / (value_F[:, None] + chosen_C * unit)
    # JSON knows no infinity: a tag without level 2 is recorded with penalty 0 and weights 0.
    return vector_FF @ weight_FC, np.where(np.isinf(chosen_C), 0.0, chosen_C)
