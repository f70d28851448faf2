"""Metrics of class labels that are no mean over images: macro averages, quadratic kappa, Matthews.

All are functions of how often truth t met answer a. Pairs that occur are numbered once; a draw is then one weighted
count over images. "Macro" is the mean over the classes that are true or answered somewhere, as in scikit-learn. The
micro averages of precision, recall and F of classes are all the accuracy, so they have no name here.

Axes: N images, C classes, P pairs (truth, answer) that occur.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medalist.metrics.contract import CLASSES, check_above, check_labels, metrics, once, reweighing


@dataclass(frozen=True)
class Pairs:
    """Weight of each pair of truth and answer."""

    weight_P: np.ndarray
    y_P: np.ndarray
    label_P: np.ndarray

    def per_class(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Right answers, true rows and answers of each class, (C,) each."""
        num_classes = int(max(self.y_P.max(initial=-1), self.label_P.max(initial=-1))) + 1
        right_P = self.weight_P * (self.y_P == self.label_P)
        counted = [(self.y_P, right_P), (self.y_P, self.weight_P), (self.label_P, self.weight_P)]
        hit_C, true_C, said_C = (np.bincount(index, weight, num_classes) for index, weight in counted)
        return hit_C, true_C, said_C


def pairs(y_N: np.ndarray, label_N: np.ndarray) -> Callable[[np.ndarray], Pairs]:
    """Number the pairs that occur; the returned function weighs them."""
    check_labels(y_N, label_N)
    y_N, label_N = np.asarray(y_N, np.int64), np.asarray(label_N, np.int64)
    width = int(label_N.max(initial=0)) + 1
    code_P, pair_N = np.unique(y_N * width + label_N, return_inverse=True)
    y_P, label_P = np.divmod(code_P, width)
    return lambda weight_N: Pairs(np.bincount(pair_N, weight_N, len(code_P)), y_P, label_P)


def mean_recall(found: Pairs) -> float:
    hit_C, true_C, _ = found.per_class()
    present = true_C > 0
    return float((hit_C[present] / true_C[present]).mean()) if present.any() else np.nan


balanced = reweighing(pairs, mean_recall)


@metrics(eats="labels", better="higher", tasks=CLASSES, reweigh=balanced)
def balanced_accuracy(y_N: np.ndarray, label_N: np.ndarray) -> float:
    """Mean over classes of the share of their images with the right label; over the classes that have images."""
    return once(balanced(y_N, label_N), y_N)


def macro_fbeta(found: Pairs, *, beta: float = 1.0) -> float:
    check_above("beta", beta, 0)
    hit_C, true_C, said_C = found.per_class()
    size_C = beta**2 * true_C + said_C
    present = size_C > 0
    return float(((1 + beta**2) * hit_C[present] / size_C[present]).mean()) if present.any() else np.nan


fbeta_of_classes = reweighing(pairs, macro_fbeta)


@metrics(eats="labels", better="higher", tasks=CLASSES, reweigh=fbeta_of_classes)
def fbeta_macro_classes(y_N: np.ndarray, label_N: np.ndarray, *, beta: float = 1.0) -> float:
    """Mean over classes of F-beta, (1 + b^2) hits / (b^2 true + answered); b > 1 weighs recall more."""
    return once(fbeta_of_classes(y_N, label_N, beta=beta), y_N)


@metrics(eats="labels", better="higher", tasks=CLASSES, reweigh=fbeta_of_classes)
def f1_macro_classes(y_N: np.ndarray, label_N: np.ndarray) -> float:
    """Mean over classes of F1, the `average="macro"` of multi-class competitions; for tags see `f1_macro`."""
    return once(fbeta_of_classes(y_N, label_N), y_N)


def mean_precision(found: Pairs) -> float:
    hit_C, true_C, said_C = found.per_class()
    present = true_C + said_C > 0
    return float((hit_C[present] / np.where(said_C > 0, said_C, 1)[present]).mean()) if present.any() else np.nan


precision_of_classes = reweighing(pairs, mean_precision)


@metrics(eats="labels", better="higher", tasks=CLASSES, reweigh=precision_of_classes)
def precision_macro_classes(y_N: np.ndarray, label_N: np.ndarray) -> float:
    """Mean over classes of the share of their answers that are right; 0 for a class that is never answered.

    The recall that goes with it is `balanced_accuracy`.
    """
    return once(precision_of_classes(y_N, label_N), y_N)


def kappa(found: Pairs) -> float:
    # 1 - sum_ij (i - j)^2 O_ij / sum_ij (i - j)^2 E_ij. Under independence (E) the mean squared difference is
    # var(y) + var(label) + (mean(y) - mean(label))^2.
    share_P = found.weight_P / found.weight_P.sum()
    y_P, label_P = found.y_P, found.label_P
    mean_y, mean_label = share_P @ y_P, share_P @ label_P
    expected = share_P @ (y_P - mean_y) ** 2 + share_P @ (label_P - mean_label) ** 2 + (mean_y - mean_label) ** 2
    return float(1 - share_P @ (y_P - label_P) ** 2 / expected) if expected > 0 else 0.0


kappas = reweighing(pairs, kappa)


@metrics(eats="labels", better="higher", tasks=CLASSES, reweigh=kappas)
def quadratic_kappa(y_N: np.ndarray, label_N: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights (Cohen 1968); the order of classes is that of their indices.

    A class without images keeps its place on the scale. 0 where truth and answers are all one class.
    """
    return once(kappas(y_N, label_N), y_N)


def correlation(found: Pairs) -> float:
    hit_C, true_C, said_C = found.per_class()
    total = true_C.sum()
    spread = (total**2 - true_C @ true_C) * (total**2 - said_C @ said_C)
    return float((hit_C.sum() * total - true_C @ said_C) / np.sqrt(spread)) if spread > 0 else 0.0


correlations = reweighing(pairs, correlation)


@metrics(eats="labels", better="higher", tasks=CLASSES, reweigh=correlations)
def matthews(y_N: np.ndarray, label_N: np.ndarray) -> float:
    """Matthews's correlation, for several classes as by Gorodkin (2004); 0 where truth or answers are all one class."""
    return once(correlations(y_N, label_N), y_N)
