"""Metrics: the truth and the answers in, one number out, and which way is better.

A metric is one decorated function `(y, answers) -> float`. Its facts say what it eats and how it is read:

    eats    what the answers are: `labels` (N,) class indices, `prob` (N, C) probabilities, `sets` (N, C) booleans
    better  `higher` or `lower`
    rows    `(y, answers) -> term_N`, float64 terms whose mean is the score, or None where the score is no mean;
            with it, evidence resamples sums of terms instead of calling the metric again

The truth `y` is (N,) class indices for `labels` and `prob`, a boolean (N, C) array or CSR array for `sets`.
Axes: N images, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from medalist.errors import MismatchError
from medalist.registry import Registry

if TYPE_CHECKING:
    from scipy.sparse import csr_array

metrics: Registry[Callable[..., float]] = Registry("metric")

# Kaggle's bound: a probability below it counts as this much, so that one certain mistake costs 34.5 and not infinity.
TINY = 1e-15


def hits(y_N: np.ndarray, label_N: np.ndarray) -> np.ndarray:
    """1 where the label is right, else 0."""
    if y_N.shape != label_N.shape:
        raise MismatchError(f"got labels of shape {label_N.shape} for a truth of shape {y_N.shape}")
    return np.asarray(y_N == label_N, np.float64)


@metrics(eats="labels", better="higher", rows=hits)
def accuracy(y_N: np.ndarray, label_N: np.ndarray) -> float:
    """Share of images with the right label."""
    return float(hits(y_N, label_N).mean())


def surprises(y_N: np.ndarray, prob_NC: np.ndarray) -> np.ndarray:
    """-log of the true class's share of its row, natural logarithm.

    Raises:
        MismatchError: another number of rows, or a class index without a column.
    """
    if prob_NC.ndim != 2 or len(y_N) != len(prob_NC):
        raise MismatchError(f"got probabilities of shape {prob_NC.shape} for {len(y_N)} true classes")
    if len(y_N) and not 0 <= y_N.min() <= y_N.max() < prob_NC.shape[1]:
        raise MismatchError(
            f"true classes run from {y_N.min()} to {y_N.max()}, the probabilities have {prob_NC.shape[1]} columns"
        )
    true_N = prob_NC[np.arange(len(y_N)), y_N].astype(np.float64) / prob_NC.sum(axis=1, dtype=np.float64)
    surprise_N: np.ndarray = -np.log(np.clip(true_N, TINY, 1.0))
    return surprise_N


@metrics(eats="prob", better="lower", rows=surprises)
def log_loss(y_N: np.ndarray, prob_NC: np.ndarray) -> float:
    """Mean negative log-likelihood of the true class; rows are rescaled to sum to 1, as Kaggle does."""
    return float(surprises(y_N, prob_NC).mean())


def set_f1(y_NC: np.ndarray | csr_array, set_NC: np.ndarray) -> np.ndarray:
    """F1 of each image's set of tags: 2 |truth & answer| / (|truth| + |answer|); 1 where both are empty."""
    if y_NC.shape != set_NC.shape:
        raise MismatchError(f"got tag sets of shape {set_NC.shape} for a truth of shape {y_NC.shape}")
    y_NC = dense(y_NC)
    common_N = np.count_nonzero(y_NC & set_NC, axis=1)
    size_N = np.count_nonzero(y_NC, axis=1) + np.count_nonzero(set_NC, axis=1)
    return np.where(size_N == 0, 1.0, 2.0 * common_N / np.maximum(size_N, 1))


@metrics(eats="sets", better="higher", rows=set_f1)
def f1_samples(y_NC: np.ndarray | csr_array, set_NC: np.ndarray) -> float:
    """Mean over images of the F1 of their tags (`average="samples"`)."""
    return float(set_f1(y_NC, set_NC).mean())


def dense(y_NC: np.ndarray | csr_array) -> np.ndarray:
    """Label sets as a boolean array (N, C), whether they came sparse or not."""
    return y_NC if isinstance(y_NC, np.ndarray) else np.asarray(y_NC.toarray(), bool)
