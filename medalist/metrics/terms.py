"""Metrics that are means over images: accuracy, top-k, log-loss, Brier, MAP@k.

Their row terms are all that the bootstrap needs. Axes: N images, C classes or tags, K ranks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from medalist.metrics.contract import (
    CLASSES,
    TAGS,
    TINY,
    check_above,
    check_labels,
    check_prob,
    check_ranks,
    dense,
    is_tags,
    metrics,
    one_hot,
    row_blocks,
)

if TYPE_CHECKING:
    from medalist.metrics.contract import Truth


def hits(y_N: np.ndarray, label_N: np.ndarray) -> np.ndarray:
    """1 where the label is right, else 0."""
    check_labels(y_N, label_N)
    return np.asarray(y_N == label_N, np.float64)


@metrics(eats="labels", better="higher", tasks=CLASSES, rows=hits)
def accuracy(y_N: np.ndarray, label_N: np.ndarray) -> float:
    """Share of images with the right label."""
    return float(hits(y_N, label_N).mean())


def near_hits(y_N: np.ndarray, prob_NC: np.ndarray, *, k: int = 5) -> np.ndarray:
    """1 where the true class is among the k likeliest, else 0."""
    check_ranks(y_N, prob_NC)
    check_above("k", k, 0)
    true_N1 = prob_NC[np.arange(len(y_N)), y_N][:, None]
    before_NC = (prob_NC > true_N1) | ((prob_NC == true_N1) & (np.arange(prob_NC.shape[1]) < y_N[:, None]))
    return np.asarray(np.count_nonzero(before_NC, axis=1) < k, np.float64)


@metrics(eats="prob", better="higher", tasks=CLASSES, rows=near_hits)
def top_k_accuracy(y_N: np.ndarray, prob_NC: np.ndarray, *, k: int = 5) -> float:
    """Share of images whose true class is among the k likeliest; equal probabilities rank by column."""
    return float(near_hits(y_N, prob_NC, k=k).mean())


def surprises(y: Truth, prob_NC: np.ndarray) -> np.ndarray:
    """-log of the true class's share of its row; for tags the mean over tags of -log of what was true of each.

    Raises:
        MismatchError: another number of rows, or a class index or tag without a column.
    """
    check_prob(y, prob_NC)
    if is_tags(y):
        right_NC = np.where(dense(y), prob_NC, 1 - prob_NC.astype(np.float64))
        return np.asarray(-np.log(np.clip(right_NC, TINY, 1.0)).mean(axis=1))
    true_N = prob_NC[np.arange(len(prob_NC)), y].astype(np.float64) / prob_NC.sum(axis=1, dtype=np.float64)
    surprise_N: np.ndarray = -np.log(np.clip(true_N, TINY, 1.0))
    return surprise_N


@metrics(eats="prob", better="lower", tasks=CLASSES + TAGS, rows=surprises)
def log_loss(y: Truth, prob_NC: np.ndarray) -> float:
    """Mean negative log-likelihood of the true class; rows are rescaled to sum to 1, as Kaggle does.

    For tags the mean over tags of the two-class log-loss of each, with nothing rescaled.
    """
    return float(surprises(y, prob_NC).mean())


def squares(y: Truth, prob_NC: np.ndarray) -> np.ndarray:
    """Squared distance of each row to the truth: a sum over classes (half of it for two), a mean over tags."""
    check_prob(y, prob_NC)
    square_NC = (prob_NC.astype(np.float64) - one_hot(y, prob_NC.shape[1])) ** 2
    mean = is_tags(y) or prob_NC.shape[1] == 2
    return np.asarray(square_NC.mean(axis=1) if mean else square_NC.sum(axis=1))


@metrics(eats="prob", better="lower", tasks=CLASSES + TAGS, rows=squares)
def brier(y: Truth, prob_NC: np.ndarray) -> float:
    """Mean squared distance of the probabilities to the truth (Brier 1950).

    Of two classes it is (p - y)^2 of the second; of more the sum over classes, between 0 and 2, as scikit-learn has
    it; of tags the mean over them.
    """
    return float(squares(y, prob_NC).mean())


def precisions_at_k(y: Truth, prob_NC: np.ndarray, *, k: int = 5) -> np.ndarray:
    """Average precision of each image's k likeliest classes: sum_{r <= k, r-th is true} precision(r) / min(m, k)."""
    check_ranks(y, prob_NC)
    check_above("k", k, 0)
    top_NK = likeliest(prob_NC, k)
    if is_tags(y):
        y_NC = dense(y)
        true_NK, size_N = np.take_along_axis(y_NC, top_NK, axis=1), np.count_nonzero(y_NC, axis=1)
    else:
        true_NK, size_N = top_NK == np.asarray(y)[:, None], np.ones(len(prob_NC), int)
    precision_NK = np.cumsum(true_NK, axis=1) / np.arange(1, top_NK.shape[1] + 1)
    return np.asarray((precision_NK * true_NK).sum(axis=1) / np.clip(size_N, 1, k))


@metrics(eats="prob", better="higher", tasks=CLASSES + TAGS, rows=precisions_at_k)
def map_at_k(y: Truth, prob_NC: np.ndarray, *, k: int = 5) -> float:
    """Mean average precision of the k likeliest classes or tags; equal probabilities rank by column.

    With one true class it is 1 / rank, or 0 beyond k. An image without true tags scores 0, as on Kaggle.
    """
    return float(precisions_at_k(y, prob_NC, k=k).mean())


def likeliest(prob_NC: np.ndarray, k: int) -> np.ndarray:
    """Columns of the k largest of each row, largest first, equal ones by column; (N, min(k, C))."""
    top_NK = np.empty((len(prob_NC), min(k, prob_NC.shape[1])), np.intp)
    for block in row_blocks(*prob_NC.shape):
        top_NK[block] = np.argsort(-prob_NC[block], axis=1, kind="stable")[:, :k]
    return top_NK
