"""Decision rules: probabilities -> the answers that a metric eats, learnt on out-of-fold rows.

`contract.py` says what a rule is; importing this file registers those of `labels.py`, `probabilities.py`, `sets.py`.
Axes: N labelled images, C classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

# Importing the files registers their rules.
from medalist.decisions import labels, probabilities, sets  # noqa: F401
from medalist.decisions.contract import State as State
from medalist.decisions.contract import rules as rules
from medalist.metrics import metrics

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# What serves a metric that has no rule of its own, by what it eats.
FALLBACK = {"labels": "argmax", "prob": "as_is", "sets": "threshold"}
PROPER = ("log_loss", "brier")


def default_rule(metric: str) -> str:
    """The rule that serves a metric best; a metric of the user's own gets what fits what it eats.

    F of tags is served by thresholds a tag (macro), one exact threshold of calibrated tags (micro) or the best set by
    expected F (samples), with the metric's beta. Jaccard rises with F1, tag by tag and set by set, so it takes the
    same rules; for its mean over sets that is near the best, not the best.

    >>> default_rule("fbeta_samples(beta=2)")
    'expected_f(beta=2)'
    """
    bound = metrics.bind(metric)
    eats = bound.facts["eats"]
    if bound.name in PROPER:
        return "calibrated"
    if eats == "labels":
        return _of_labels(bound.name, bound.text) or FALLBACK[eats]
    return (eats == "sets" and _of_sets(bound.name, bound.arguments.get("beta"))) or FALLBACK[eats]


def _of_labels(name: str, call: str) -> str | None:
    if name == "quadratic_kappa":
        return "cut_points"
    macro = name == "balanced_accuracy" or name.startswith(("f1_macro", "fbeta_macro"))
    return f"adjusted(metric={call!r})" if macro else None


def _of_sets(name: str, beta: float | None) -> str | None:
    given = "" if beta is None else f"beta={beta!r}"
    family, _, average = name.partition("_")
    if family not in ("f1", "fbeta", "jaccard"):
        return None
    if average == "micro":
        return f"threshold(average='micro', calibrate=True{given and ', ' + given})"
    rule = {"macro": "tag_thresholds", "samples": "expected_f"}.get(average)
    return f"{rule}({given})" if rule and given else rule


def prior(y: np.ndarray | csr_array, num_classes: int) -> np.ndarray:
    """Each class's (or tag's) share of the labelled rows, float32 (C,): the answer where an image cannot be read.

    Give it to the same rule as every other row: accuracy then answers the most frequent class, tags at least the most
    frequent one.
    """
    if isinstance(y, np.ndarray) and y.ndim == 1:
        return (np.bincount(y, minlength=num_classes) / len(y)).astype(np.float32)
    return np.asarray(y.mean(axis=0), np.float32).ravel()
