"""What every metric keeps to: the registry, the shapes of truth and answers, and scoring of reweighted rows.

A metric is one decorated function `(y, answers, *, options) -> float`. Its facts say what it eats and how it is read:

    eats     what the answers are: `labels` (N,) class indices, `prob` (N, C) probabilities, `sets` (N, C) booleans
    better   `higher` or `lower`
    tasks    which of `binary`, `multiclass`, `tags` it scores; without it, what its `eats` suggests (`tasks_of`)
    rows     `(y, answers, **options) -> term_N`, float64 terms whose mean is the score; or
    reweigh  `(y, answers, **options) -> (weight_N -> float)` where the score is no mean: sorts and counts once, then
             scores the rows with row i counted weight_N[i] times, which is what the bootstrap asks 2,000 times
    linear   `(y, answers, **options) -> term_N`, beside `reweigh`: terms whose mean is the score, and whose weighted
             mean is the score of reweighted rows to first order; taken where a reweighing of many numbers takes hours

A metric with neither `rows` nor `reweigh` is resampled by calling it on the drawn rows: right, but slow. The truth `y`
is (N,) class indices, or for tags a boolean (N, C) array or CSR array. A score that the rows do not define is NaN.
Axes: N images, C classes or tags.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

from medalist.errors import MismatchError, RecipeError
from medalist.registry import Bound, Registry

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    Truth: TypeAlias = np.ndarray | csr_array

metrics: Registry[Callable[..., float]] = Registry("metric")

Score = Callable[[np.ndarray], float]
T = TypeVar("T")

CLASSES = ("binary", "multiclass")
TAGS = ("tags",)
TASKS = {"labels": CLASSES, "prob": CLASSES, "sets": TAGS}

# Kaggle's bound: a probability below it counts as this much, so that one certain mistake costs 34.5 and not infinity.
TINY = 1e-15
BLOCK = 2**22


def tasks_of(metric: Bound[Any]) -> tuple[str, ...]:
    """The tasks that a metric scores.

    >>> tasks_of(Bound("mine", print, {}, {"eats": "sets", "better": "higher"}))
    ('tags',)
    """
    return tuple(metric.facts.get("tasks", TASKS[metric.facts["eats"]]))


def reweighing(prepare: Callable[[Any, Any], Callable[[np.ndarray], T]], finish: Callable[..., float]) -> Any:
    """A `reweigh` in two halves.

    Args:
        prepare: `(y, answers) -> (weight_N -> counts)`.
        finish: `(counts, **options) -> float`.
    """

    def reweigh(y: Any, answers: Any, **options: Any) -> Score:
        count = prepare(y, answers)
        return lambda weight_N: finish(count(weight_N), **options)

    return reweigh


def once(score: Score, y: Any) -> float:
    """The score with each row counted once."""
    return float(score(np.ones(y.shape[0])))


def dense(y_NC: Truth) -> np.ndarray:
    """Label sets as a boolean array (N, C), whether they came sparse or not."""
    return y_NC if isinstance(y_NC, np.ndarray) else np.asarray(y_NC.toarray(), bool)


def is_tags(y: Any) -> bool:
    """Whether the truth is tags (N, C) and not class indices (N,)."""
    return len(y.shape) == 2


def check_labels(y_N: np.ndarray, label_N: np.ndarray) -> None:
    """Raises MismatchError unless truth and labels are of the same rows."""
    if y_N.shape != label_N.shape:
        raise MismatchError(f"got labels of shape {label_N.shape} for a truth of shape {y_N.shape}")


def check_sets(y_NC: Any, set_NC: np.ndarray) -> None:
    """Raises MismatchError unless truth and sets have the same rows and tags."""
    if y_NC.shape != set_NC.shape:
        raise MismatchError(f"got tag sets of shape {set_NC.shape} for a truth of shape {y_NC.shape}")


def check_prob(y: Any, prob_NC: np.ndarray) -> None:
    """Raises MismatchError for another number of rows, or a class or tag without a column."""
    if is_tags(y):
        if y.shape != prob_NC.shape:
            raise MismatchError(f"got probabilities of shape {prob_NC.shape} for tags of shape {y.shape}")
        return
    if prob_NC.ndim != 2 or len(y) != len(prob_NC):
        raise MismatchError(f"got probabilities of shape {prob_NC.shape} for {len(y)} true classes")
    if len(y) and not 0 <= y.min() <= y.max() < prob_NC.shape[1]:
        raise MismatchError(
            f"true classes run from {y.min()} to {y.max()}, the probabilities have {prob_NC.shape[1]} columns"
        )


def check_ranks(y: Any, prob_NC: np.ndarray) -> None:
    """Raises MismatchError as `check_prob` does, and for probabilities that are no numbers: they have no rank."""
    check_prob(y, prob_NC)
    if not np.isfinite(prob_NC).all():
        raise MismatchError("some probabilities are no numbers: they have no rank")


def check_above(name: str, value: float, least: float) -> None:
    """Raises RecipeError unless an option is a number above `least`."""
    if not value > least:
        raise RecipeError(f"{name} must be above {least:g}, got {value!r}")


def row_blocks(num_rows: int, num_columns: int) -> Iterator[slice]:
    """Slices of rows with at most BLOCK numbers each, for what needs several copies."""
    step = max(1, BLOCK // max(1, num_columns))
    return (slice(start, start + step) for start in range(0, num_rows, step))


def one_hot(y: Any, num_classes: int) -> np.ndarray:
    """The truth as booleans (N, C): tags as they are, class indices one column each."""
    return dense(y) if is_tags(y) else np.asarray(np.asarray(y)[:, None] == np.arange(num_classes))
