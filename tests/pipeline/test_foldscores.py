"""Scores of folds are beside the run's own: a fold that a metric cannot score has none, and nothing breaks."""

from __future__ import annotations

import numpy as np
import pytest

from medalist.metrics import metrics
from medalist.pipeline.foldscores import each_fold, fold_scores

Y_N = np.array([0, 1, 0, 1, 1, 1])
FOLD_N = np.array([0, 0, 0, 1, 1, 1])


def test_a_users_own_metric_may_refuse_a_fold_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """As scikit-learn's AUC does where a fold holds one class."""
    monkeypatch.setattr(metrics, "_entries", dict(metrics._entries))

    @metrics(eats="labels", better="higher")
    def needs_both(y_N: np.ndarray, label_N: np.ndarray) -> float:
        if len(np.unique(y_N)) < 2:
            raise ValueError("only one class")
        return float((y_N == label_N).mean())

    answers_N = np.array([0, 1, 1, 1, 1, 1])
    assert each_fold("needs_both", Y_N, answers_N, FOLD_N) == (pytest.approx(2 / 3), None)
    first, second = fold_scores("needs_both", Y_N, answers_N, FOLD_N, groups=np.arange(6))
    assert (first["score"], second["score"], second["stderr"]) == (pytest.approx(2 / 3), None, None)
