"""The score of each fold by itself: of the answer with its error, and of each member.

Axes: N scored images, K folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medalist.evidence import estimate
from medalist.metrics import metrics
from medalist.registry import Bound

ROUNDS = 500  # of the bootstrap for a fold's standard error


def fold_scores(
    metric: str,
    y: Any,
    answers_N: np.ndarray,
    fold_N: np.ndarray,
    groups: np.ndarray,
    members: Mapping[str, Sequence[float | None]] | None = None,
) -> list[dict[str, Any]]:
    """A dictionary a fold: `fold` (from 0), `rows`, `score`, `stderr`, and each member's score under `members`.

    Args:
        metric: name or call.
        y: class indices (N,), or tags (N, C) as CSR.
        answers_N: the cross-fitted answers to the rows.
        fold_N: fold of each row.
        groups: (N,) rows that are drawn together.
        members: each member's K scores, see `each_fold`; None: they are not known.

    Returns:
        One a fold; None in place of a number that the metric does not have there.
    """
    told, bound = [], metrics.bind(metric)
    for place, fold in enumerate(np.unique(fold_N).tolist()):
        rows = np.flatnonzero(fold_N == fold)
        answers = np.asarray(answers_N[rows])
        one: dict[str, Any] = {"fold": fold, "rows": len(rows), "score": _score(bound, y[rows], answers)}
        try:
            one["stderr"] = estimate(metric, y[rows], answers, groups=groups[rows], rounds=ROUNDS).stderr
        except Exception:  # a draw, or the fold, may lack what a metric needs; a user's own says so in its own way
            one["stderr"] = None
        told.append({**one, "members": {name: score_K[place] for name, score_K in (members or {}).items()}})
    return told


def each_fold(metric: str | Bound[Any], y: Any, answers_N: np.ndarray, fold_N: np.ndarray) -> tuple[float | None, ...]:
    """K scores, of the rows of each fold; None where the metric has none there.

    Args:
        metric: name or call.
        y, answers_N, fold_N: as for `fold_scores`.
    """
    bound = metrics.bind(metric) if isinstance(metric, str) else metric
    return tuple(
        _score(bound, y[rows], answers_N[rows]) for rows in (np.flatnonzero(fold_N == k) for k in np.unique(fold_N))
    )


def _score(metric: Bound[Any], y: Any, answers: np.ndarray) -> float | None:
    try:
        score = float(metric(y, np.asarray(answers)))
    except Exception:  # as above
        return None
    return score if np.isfinite(score) else None
