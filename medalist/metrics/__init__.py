"""Metrics: the truth and the answers in, one number out, and which way is better; `contract` says what each keeps to.

    terms    means over images: accuracy, top_k_accuracy, log_loss, brier, map_at_k
    classes  of class labels: balanced_accuracy, f1_macro_classes, quadratic_kappa, matthews
    tags     of tag sets: precision, recall, F-beta, Jaccard; samples, macro, micro
    ranks    of rankings: roc_auc, average_precision

The user's own is one function, known by its name from then on:

    from medalist.metrics import metrics

    @metrics(eats="labels", better="higher", tasks=("binary", "multiclass"))
    def worst_class(y_N, label_N):
        return min((label_N[y_N == c] == c).mean() for c in set(y_N))
"""

from __future__ import annotations

from medalist.metrics.classes import balanced_accuracy, f1_macro_classes, matthews, quadratic_kappa
from medalist.metrics.contract import TINY, dense, metrics, tasks_of
from medalist.metrics.ranks import average_precision, roc_auc
from medalist.metrics.tags import f1_macro, f1_micro, f1_samples, fbeta_samples, set_f1
from medalist.metrics.terms import accuracy, brier, hits, log_loss, map_at_k, surprises, top_k_accuracy

__all__ = [
    "TINY",
    "accuracy",
    "average_precision",
    "balanced_accuracy",
    "brier",
    "dense",
    "f1_macro",
    "f1_macro_classes",
    "f1_micro",
    "f1_samples",
    "fbeta_samples",
    "hits",
    "log_loss",
    "map_at_k",
    "matthews",
    "metrics",
    "quadratic_kappa",
    "roc_auc",
    "set_f1",
    "surprises",
    "tasks_of",
    "top_k_accuracy",
]
