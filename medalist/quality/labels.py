"""Out-of-fold probabilities and labels -> how trustworthy each label is, and which look wrong.

The order is by the probability of the given label; how many of its first rows are flagged is confident learning's
estimate (Northcutt, Jiang & Chuang 2021, section 3.1, by cleanlab): the rows whose probability of another class
reaches that class's mean over its own rows. Order and rule were chosen by planted errors (docs/BENCHMARKS.md). About
half of what is flagged in real sets is right, so that nothing is changed here: a person looks, or an experiment judges.

Axes: N images, C classes or tags.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from medalist.errors import MissingExtraError
from medalist.metrics import dense

DOUBT = 0.05  # a tag is flagged below it alone: where tags are hard to see, half of the images would be


def label_quality(prob_NC: np.ndarray, y: Any) -> np.ndarray:
    """How likely each label is right: the probability of the given class; of tags, that of the least likely one.

    Args:
        prob_NC: probabilities by models that saw neither the row nor its duplicates.
        y: class indices (N,), or tags (N, C), dense or CSR.

    Returns:
        float (N,) from 0 to 1, low where a label is suspicious.
    """
    if y.ndim == 2:
        return np.asarray(tag_quality(prob_NC, y).min(axis=1, initial=1.0))
    return np.asarray(prob_NC[np.arange(len(y)), y])


def tag_quality(prob_NC: np.ndarray, y_NC: Any) -> np.ndarray:
    """(N, C) how likely each tag is rightly given, or rightly not given."""
    return np.where(dense(y_NC), prob_NC, 1 - prob_NC)


def suspects(prob_NC: np.ndarray, y: Any) -> np.ndarray:
    """Rows whose label, or one of whose tags, looks wrong; arguments as for `label_quality`.

    Returns:
        bool (N,).

    Raises:
        MissingExtraError: cleanlab is not installed.
    """
    if y.ndim == 2:
        return np.asarray(suspect_tags(prob_NC, y).any(axis=1))
    return np.asarray(_flagged(prob_NC, y) & (prob_NC.argmax(axis=1) != y))


def suspect_tags(prob_NC: np.ndarray, y_NC: Any) -> np.ndarray:
    """(N, C) bool: tags that look wrongly given, or wrongly not given; each tag is a question of its own."""
    y_NC, doubted_NC = dense(y_NC), tag_quality(prob_NC, y_NC) < DOUBT
    for c in np.flatnonzero(doubted_NC.any(axis=0)):
        both_N2 = np.stack([1 - prob_NC[:, c], prob_NC[:, c]], axis=1)
        doubted_NC[:, c] &= _flagged(both_N2, y_NC[:, c].astype(np.int64))
    return doubted_NC


def _flagged(prob_NC: np.ndarray, y_N: np.ndarray) -> np.ndarray:
    """(N,) bool: so many of the rows with the least probable labels as confident learning takes for wrong.

    In this process (cleanlab would start one a core); of one class alone nothing can be said, and cleanlab refuses it.
    """
    if len(np.unique(y_N)) < 2:
        return np.zeros(len(y_N), bool)
    found_N = cleanlab_filter()(np.asarray(y_N), prob_NC, filter_by="low_self_confidence", n_jobs=1)
    return np.asarray(found_N, bool)


def cleanlab_filter() -> Any:
    """cleanlab's `find_label_issues`; whoever is about to work for long calls this first.

    Raises:
        MissingExtraError: cleanlab is not installed.
    """
    try:
        from cleanlab.filter import find_label_issues
    except ImportError as error:
        raise MissingExtraError("label errors need cleanlab: pip install 'medalist[quality]'") from error
    return find_label_issues


def judged(y: Any, fold_N: np.ndarray) -> np.ndarray:
    """(N,) bool: rows whose class the model that answered them has met, out of fold; of tags all.

    Args:
        y: class indices (N,), or tags (N, C).
        fold_N: (N,) fold of each row, from 0 on.
    """
    if y.ndim == 2:
        return np.ones(len(fold_N), bool)
    met_KC = np.zeros((int(fold_N.max()) + 1, int(y.max()) + 1), bool)
    met_KC[fold_N, y] = True
    return np.asarray((met_KC.sum(axis=0) > 1)[y])
