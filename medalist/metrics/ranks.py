"""Metrics of a ranking by probability: area under the ROC curve, average precision.

Each column is sorted once. A draw then needs cumulative sums of its weights in that order, looked up at each positive:
equal probabilities count half a pair in the area, and are one threshold in the average precision, as in scikit-learn.

    binary          the second column
    macro           the mean over classes (one against the rest) or tags; columns that the rows do not define are left
                    out (no positive row; for the area also: no negative one), NaN if there is no other
    micro           all (image, class) pairs as one column

Axes: N images, C classes or tags, P positives of a column.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medalist.errors import MismatchError
from medalist.metrics.contract import TAGS, Score, check_ranks, dense, metrics, once, one_hot, row_blocks
from medalist.metrics.placements import area_influence, macro_terms, micro_terms, precision_influence, second_terms

if TYPE_CHECKING:
    from medalist.metrics.contract import Truth

SEVERAL = ("multiclass", *TAGS)
Column = Callable[[np.ndarray, np.ndarray], Score]


def area(y_N: np.ndarray, prob_N: np.ndarray) -> Score:
    """P(positive above negative) + P(equal) / 2, of weighted rows (Mann and Whitney 1947)."""
    order = np.argsort(prob_N, kind="stable")
    positive, negative = order[y_N[order]], order[~y_N[order]]
    below_P, upto_P = (np.searchsorted(prob_N[negative], prob_N[positive], side) for side in ("left", "right"))

    def score(weight_N: np.ndarray) -> float:
        sum_N, weight_P = _running(weight_N[negative]), weight_N[positive]
        num_pairs = weight_P.sum() * sum_N[-1]
        return _dot(weight_P, sum_N[below_P] + sum_N[upto_P]) / (2 * num_pairs) if num_pairs > 0 else np.nan

    return score


def precision_area(y_N: np.ndarray, prob_N: np.ndarray) -> Score:
    """Mean over the positives of the precision at their probability, of weighted rows."""
    order = np.argsort(-prob_N, kind="stable")
    positive = order[y_N[order]]
    among_all_P = np.searchsorted(-prob_N[order], -prob_N[positive], "right")
    among_positive_P = np.searchsorted(-prob_N[positive], -prob_N[positive], "right")

    def score(weight_N: np.ndarray) -> float:
        all_N, positive_P = _running(weight_N[order]), _running(weight_N[positive])
        # Before the first row that was drawn both sums are 0, and so is its weight.
        precision_P = positive_P[among_positive_P] / np.maximum(all_N[among_all_P], 1e-300)
        return _dot(weight_N[positive], precision_P) / positive_P[-1] if positive_P[-1] > 0 else np.nan

    return score


def _running(weight: np.ndarray) -> np.ndarray:
    """Sums of the first 0, 1, ... weights."""
    return np.append(0.0, np.cumsum(weight))


def _dot(a_N: np.ndarray, b_N: np.ndarray) -> float:
    # Not `@`: a BLAS wakes all its threads for it, which on busy cores takes 20 times as long as the sum.
    return float(np.einsum("n,n->", a_N, b_N))


def second(column: Column) -> Any:
    """The `reweigh` of two classes."""

    def reweigh(y_N: np.ndarray, prob_NC: np.ndarray) -> Score:
        check_ranks(y_N, prob_NC)
        if prob_NC.shape[1] != 2:
            raise MismatchError(f"got {prob_NC.shape[1]} columns for a metric of two classes; try its _macro")
        return column(np.asarray(y_N == 1), prob_NC[:, 1])

    return reweigh


def macro(column: Column) -> Any:
    """The `reweigh` of a mean over columns."""

    def reweigh(y: Truth, prob_NC: np.ndarray) -> Score:
        check_ranks(y, prob_NC)
        y_NC = one_hot(y, prob_NC.shape[1])
        columns = [column(y_NC[:, c], prob_NC[:, c]) for c in range(prob_NC.shape[1])]
        return lambda weight_N: _mean_of_known([score(weight_N) for score in columns])

    return reweigh


def _mean_of_known(scores: Sequence[float]) -> float:
    known = [score for score in scores if not np.isnan(score)]
    return float(np.mean(known)) if known else np.nan


def micro(column: Column) -> Any:
    """The `reweigh` of all pairs of image and class as one column."""

    def reweigh(y: Truth, prob_NC: np.ndarray) -> Score:
        check_ranks(y, prob_NC)
        num_classes = prob_NC.shape[1]
        score = column(one_hot(y, num_classes).ravel(), prob_NC.ravel())
        return lambda weight_N: score(np.repeat(weight_N, num_classes))

    return reweigh


area_second, area_macro, area_micro = second(area), macro(area), micro(area)
precision_second, precision_macro, precision_micro = (
    second(precision_area),
    macro(precision_area),
    micro(precision_area),
)


@metrics(eats="prob", better="higher", tasks=("binary",), reweigh=area_second, linear=second_terms(area_influence))
def roc_auc(y_N: np.ndarray, prob_NC: np.ndarray) -> float:
    """Share of pairs, one image of each class, that are in the right order by the second class's probability."""
    return once(area_second(y_N, prob_NC), y_N)


@metrics(eats="prob", better="higher", tasks=SEVERAL, reweigh=area_macro, linear=macro_terms(area_influence))
def roc_auc_macro(y: Truth, prob_NC: np.ndarray) -> float:
    """Mean over classes (one against the rest) or tags of the area under the ROC curve."""
    return once(area_macro(y, prob_NC), y)


@metrics(eats="prob", better="higher", tasks=SEVERAL, reweigh=area_micro, linear=micro_terms(area_influence))
def roc_auc_micro(y: Truth, prob_NC: np.ndarray) -> float:
    """Area under the ROC curve of all (image, class) pairs together."""
    return once(area_micro(y, prob_NC), y)


@metrics(
    eats="prob", better="higher", tasks=("binary",), reweigh=precision_second, linear=second_terms(precision_influence)
)
def average_precision(y_N: np.ndarray, prob_NC: np.ndarray) -> float:
    """Mean over the second class's images of the precision at their probability; no interpolation."""
    return once(precision_second(y_N, prob_NC), y_N)


@metrics(eats="prob", better="higher", tasks=SEVERAL, reweigh=precision_macro, linear=macro_terms(precision_influence))
def average_precision_macro(y: Truth, prob_NC: np.ndarray) -> float:
    """Mean over classes or tags of their average precision."""
    return once(precision_macro(y, prob_NC), y)


@metrics(eats="prob", better="higher", tasks=SEVERAL, reweigh=precision_micro, linear=micro_terms(precision_influence))
def average_precision_micro(y: Truth, prob_NC: np.ndarray) -> float:
    """Average precision of all (image, class) pairs together."""
    return once(precision_micro(y, prob_NC), y)


def row_precisions(y_NC: Truth, prob_NC: np.ndarray) -> np.ndarray:
    """Average precision of each image's ranking of tags; 0 without true tags."""
    check_ranks(y_NC, prob_NC)
    y_NC = dense(y_NC)
    return np.concatenate([_row_precisions(y_NC[rows], prob_NC[rows]) for rows in row_blocks(*prob_NC.shape)])


def _row_precisions(y_NC: np.ndarray, prob_NC: np.ndarray) -> np.ndarray:
    order_NC = np.argsort(-prob_NC, axis=1, kind="stable")
    prob_NC, y_NC = (np.take_along_axis(part_NC, order_NC, axis=1) for part_NC in (prob_NC, y_NC))
    # Equal probabilities are one threshold: each is judged where the last of them stands.
    last_NC = np.diff(prob_NC, axis=1, append=-np.inf) != 0
    place_NC = np.where(last_NC, np.arange(prob_NC.shape[1]), prob_NC.shape[1])
    place_NC = np.minimum.accumulate(place_NC[:, ::-1], axis=1)[:, ::-1]
    precision_NC = np.take_along_axis(np.cumsum(y_NC, axis=1), place_NC, axis=1) / (place_NC + 1)
    return np.asarray((precision_NC * y_NC).sum(axis=1) / np.maximum(np.count_nonzero(y_NC, axis=1), 1))


@metrics(eats="prob", better="higher", tasks=TAGS, rows=row_precisions)
def average_precision_samples(y_NC: Truth, prob_NC: np.ndarray) -> float:
    """Mean over images of the average precision of their ranking of tags; 0 without true tags, as in scikit-learn."""
    return float(row_precisions(y_NC, prob_NC).mean())
