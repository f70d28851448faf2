"""Metrics of tag sets: precision, recall, F-beta and Jaccard, averaged over images, over tags, or over all decisions.

    samples  the mean over images; an image with neither true nor answered tags scores 1
    macro    the mean over tags; a tag that is neither true nor answered anywhere is left out (zero_division=nan in
             scikit-learn), so that what no image asks for moves no score
    micro    of all (image, tag) decisions together

Any other 0 / 0 counts 0: precision where nothing was answered but something is true, recall where nothing is true but
something was answered. Where all images lack tags, in truth and answers, every score is 1.

Axes: N images, C tags.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medalist.metrics.contract import TAGS, check_above, check_sets, dense, metrics, once, reweighing

if TYPE_CHECKING:
    from medalist.metrics.contract import Truth


@dataclass(frozen=True)
class Counts:
    """Tags that are true and answered, true, answered: one number an image, or a tag, or in all."""

    hit: np.ndarray
    true: np.ndarray
    said: np.ndarray


def of_images(y_NC: Truth, set_NC: np.ndarray) -> Counts:
    """Counts of each image."""
    check_sets(y_NC, set_NC)
    y_NC = dense(y_NC)
    hit_N, true_N, said_N = (np.count_nonzero(part_NC, axis=1) for part_NC in (y_NC & set_NC, y_NC, set_NC))
    return Counts(hit_N, true_N, said_N)


def of_tags(y_NC: Truth, set_NC: np.ndarray) -> Callable[[np.ndarray], Counts]:
    """Counts of each tag, of weighted images."""
    from scipy.sparse import csr_array

    check_sets(y_NC, set_NC)
    y_NC = dense(y_NC)
    # Few tags are true: a draw costs as much as there are, not N C.
    hit_CN, true_CN, said_CN = (csr_array(part_NC.T, dtype=np.float64) for part_NC in (y_NC & set_NC, y_NC, set_NC))
    return lambda weight_N: Counts(hit_CN @ weight_N, true_CN @ weight_N, said_CN @ weight_N)


def of_all(y_NC: Truth, set_NC: np.ndarray) -> Callable[[np.ndarray], Counts]:
    """Counts of all decisions, of weighted images."""
    image = of_images(y_NC, set_NC)
    size_3N = np.stack([image.hit, image.true, image.said]).astype(np.float64)
    return lambda weight_N: Counts(*np.einsum("kn,n->k", size_3N, weight_N)[:, None])


def ratio(above: np.ndarray, below: np.ndarray, counts: Counts, empty: float) -> np.ndarray:
    """above / below; `empty` where nothing is true and nothing answered, 0 at any other 0 / 0."""
    share = np.where(below > 0, above / np.where(below > 0, below, 1), 0.0)
    return np.where(counts.true + counts.said > 0, share, empty)


def fbeta(counts: Counts, empty: float = 1.0, *, beta: float = 1.0) -> np.ndarray:
    """(1 + b^2) hits / (b^2 true + answered)."""
    check_above("beta", beta, 0)
    return ratio((1 + beta**2) * counts.hit, beta**2 * counts.true + counts.said, counts, empty)


def precision(counts: Counts, empty: float = 1.0) -> np.ndarray:
    """hits / answered."""
    return ratio(counts.hit, counts.said, counts, empty)


def recall(counts: Counts, empty: float = 1.0) -> np.ndarray:
    """hits / true."""
    return ratio(counts.hit, counts.true, counts, empty)


def jaccard(counts: Counts, empty: float = 1.0) -> np.ndarray:
    """hits / (true or answered)."""
    return ratio(counts.hit, counts.true + counts.said - counts.hit, counts, empty)


def over_images(share: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """The row terms of a `samples` average."""
    return lambda y_NC, set_NC, **options: np.asarray(share(of_images(y_NC, set_NC), **options), np.float64)


def over_tags(share: Callable[..., np.ndarray]) -> Any:
    """The `reweigh` of a `macro` average."""

    def finish(counts: Counts, **options: Any) -> float:
        share_C = share(counts, np.nan, **options)
        return float(np.nanmean(share_C)) if not np.isnan(share_C).all() else 1.0

    return reweighing(of_tags, finish)


def over_all(share: Callable[..., np.ndarray]) -> Any:
    """The `reweigh` of a `micro` average."""
    return reweighing(of_all, lambda counts, **options: float(share(counts, **options)[0]))


set_fbeta, macro_fbeta, micro_fbeta = over_images(fbeta), over_tags(fbeta), over_all(fbeta)
set_precision, macro_precision, micro_precision = over_images(precision), over_tags(precision), over_all(precision)
set_recall, macro_recall, micro_recall = over_images(recall), over_tags(recall), over_all(recall)
set_jaccard, macro_jaccard = over_images(jaccard), over_tags(jaccard)


def set_f1(y_NC: Truth, set_NC: np.ndarray) -> np.ndarray:
    """F1 of each image's set of tags: 2 |truth & answer| / (|truth| + |answer|); 1 where both are empty."""
    return set_fbeta(y_NC, set_NC)


@metrics(eats="sets", better="higher", tasks=TAGS, rows=set_fbeta)
def fbeta_samples(y_NC: Truth, set_NC: np.ndarray, *, beta: float = 1.0) -> float:
    """Mean over images of the F-beta of their tags, (1 + b^2) hits / (b^2 true + answered); b > 1 weighs recall."""
    return float(set_fbeta(y_NC, set_NC, beta=beta).mean())


@metrics(eats="sets", better="higher", tasks=TAGS, rows=set_f1)
def f1_samples(y_NC: Truth, set_NC: np.ndarray) -> float:
    """Mean over images of the F1 of their tags (`average="samples"`)."""
    return float(set_f1(y_NC, set_NC).mean())


@metrics(eats="sets", better="higher", tasks=TAGS, reweigh=macro_fbeta)
def fbeta_macro(y_NC: Truth, set_NC: np.ndarray, *, beta: float = 1.0) -> float:
    """Mean over tags of F-beta; for classes see `fbeta_macro_classes`."""
    return once(macro_fbeta(y_NC, set_NC, beta=beta), y_NC)


@metrics(eats="sets", better="higher", tasks=TAGS, reweigh=macro_fbeta)
def f1_macro(y_NC: Truth, set_NC: np.ndarray) -> float:
    """Mean over tags of F1; for classes see `f1_macro_classes`."""
    return once(macro_fbeta(y_NC, set_NC), y_NC)


@metrics(eats="sets", better="higher", tasks=TAGS, reweigh=micro_fbeta)
def fbeta_micro(y_NC: Truth, set_NC: np.ndarray, *, beta: float = 1.0) -> float:
    """F-beta of all (image, tag) decisions together."""
    return once(micro_fbeta(y_NC, set_NC, beta=beta), y_NC)


@metrics(eats="sets", better="higher", tasks=TAGS, reweigh=micro_fbeta)
def f1_micro(y_NC: Truth, set_NC: np.ndarray) -> float:
    """F1 of all (image, tag) decisions together."""
    return once(micro_fbeta(y_NC, set_NC), y_NC)


@metrics(eats="sets", better="higher", tasks=TAGS, rows=set_precision)
def precision_samples(y_NC: Truth, set_NC: np.ndarray) -> float:
    """Mean over images of the share of their answered tags that are true."""
    return float(set_precision(y_NC, set_NC).mean())


@metrics(eats="sets", better="higher", tasks=TAGS, reweigh=macro_precision)
def precision_macro(y_NC: Truth, set_NC: np.ndarray) -> float:
    """Mean over tags of the share of their answers that are true."""
    return once(macro_precision(y_NC, set_NC), y_NC)


@metrics(eats="sets", better="higher", tasks=TAGS, reweigh=micro_precision)
def precision_micro(y_NC: Truth, set_NC: np.ndarray) -> float:
    """Share of all answered tags that are true."""
    return once(micro_precision(y_NC, set_NC), y_NC)


@metrics(eats="sets", better="higher", tasks=TAGS, rows=set_recall)
def recall_samples(y_NC: Truth, set_NC: np.ndarray) -> float:
    """Mean over images of the share of their true tags that are answered."""
    return float(set_recall(y_NC, set_NC).mean())


@metrics(eats="sets", better="higher", tasks=TAGS, reweigh=macro_recall)
def recall_macro(y_NC: Truth, set_NC: np.ndarray) -> float:
    """Mean over tags of the share of their images that are answered so."""
    return once(macro_recall(y_NC, set_NC), y_NC)


@metrics(eats="sets", better="higher", tasks=TAGS, reweigh=micro_recall)
def recall_micro(y_NC: Truth, set_NC: np.ndarray) -> float:
    """Share of all true tags that are answered."""
    return once(micro_recall(y_NC, set_NC), y_NC)


@metrics(eats="sets", better="higher", tasks=TAGS, rows=set_jaccard)
def jaccard_samples(y_NC: Truth, set_NC: np.ndarray) -> float:
    """Mean over images of |truth & answer| / |truth or answer|."""
    return float(set_jaccard(y_NC, set_NC).mean())


@metrics(eats="sets", better="higher", tasks=TAGS, reweigh=macro_jaccard)
def jaccard_macro(y_NC: Truth, set_NC: np.ndarray) -> float:
    """Mean over tags of |truth & answer| / |truth or answer|."""
    return once(macro_jaccard(y_NC, set_NC), y_NC)
