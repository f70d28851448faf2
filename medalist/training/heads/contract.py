"""What every head keeps to: the registry, the shape of labels, the link from scores to probabilities.

A head is a function `(x_ND, y, *, num_classes, seed, weight_N, ...) -> State` on standardised features, registered with

    predict  `(state, x_ND) -> prob_NC`
    tasks    the tasks it can learn: `binary`, `multiclass`, `tags`
    problem  for linear heads: a `Problem`, which fits many sets of rows with many penalties at a small price
    streamed for those that also learn from rows that do not fit in memory: a `Streamed`
    strength for linear heads whose penalty has another name: that argument
    draws    true where training draws numbers, so that another seed makes another head

Labels y are class indices int32 (N,), or for tags (N, C), dense or CSR: booleans, or shares in [0, 1]. Row weights are
None, or float (N,): a row that weighs 0 is as if it were absent, one that weighs 2 as if it came twice. Axes: N images,
D features, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from scipy.sparse import csr_array

from medalist.fitted import State
from medalist.registry import Registry
from medalist.training.rows import Rows

heads: Registry[Callable[..., State]] = Registry("head")

EVERY_TASK = ("binary", "multiclass", "tags")


@dataclass(frozen=True)
class LinearFit:
    """What a linear head learnt: logits are `temperature * (x_ND @ weight_DC + bias_C) + offset_C`."""

    weight_DC: np.ndarray
    bias_C: np.ndarray
    offset_C: np.ndarray


class Problem(Protocol):
    """A linear head on all rows, from which it is fitted on any of them.

    Penalties count in units of the mean squared norm of a row (`row_scale`), so that one grid serves every number of
    features. Fits are deterministic, whatever runs beside them.
    """

    penalties: tuple[Any, ...]
    temperatures: tuple[float, ...]

    def __init__(self, x_ND: np.ndarray, y: Any, num_classes: int, weight_N: np.ndarray | None = None) -> None: ...

    def path(self, rows: np.ndarray, penalties: Sequence[Any]) -> Iterator[LinearFit]:
        """Fit on `rows` with each penalty, given strongest first."""
        ...


class Streamed(Protocol):
    """A linear head on rows read in blocks, from which it is fitted on all folds but some; penalties as in `Problem`.

    Rows of fold -1 are in every training set. `side_by_side` says that paths may be walked in several threads
    (`moments.solvers`); otherwise each uses all cores.
    """

    penalties: tuple[Any, ...]
    temperatures: tuple[float, ...]
    side_by_side: bool

    def __init__(
        self, rows: Rows, y: Any, fold_N: np.ndarray, num_classes: int, weight_N: np.ndarray | None = None
    ) -> None: ...

    def path(self, left_out: Sequence[int], penalties: Sequence[Any]) -> Iterator[LinearFit]:
        """Fit outside the folds `left_out` with each penalty, to choose one: on fewer rows where all cost too much."""
        ...

    def fits(self, left_out: Sequence[Sequence[int]], penalties: Sequence[Any]) -> list[LinearFit]:
        """Fit on all rows outside each of `left_out`, with its penalty."""
        ...


def row_scale(x_ND: np.ndarray, weight_N: np.ndarray | None = None) -> float:
    """Mean squared norm of a row."""
    if weight_N is None:
        return float(np.einsum("nd,nd->", x_ND, x_ND, dtype=np.float64)) / len(x_ND)
    return float(np.average(np.einsum("nd,nd->n", x_ND, x_ND, dtype=np.float64), weights=weight_N))


def is_tags(y: Any) -> bool:
    """Label sets (N, C) rather than one class index an image (N,)."""
    return len(y.shape) == 2


def targets(y: Any, num_classes: int) -> np.ndarray:
    """Labels -> float32 (N, C) of 0 and 1."""
    if not is_tags(y):
        return np.asarray(np.asarray(y)[:, None] == np.arange(num_classes), np.float32)
    return np.asarray(y if isinstance(y, np.ndarray) else y.toarray(), dtype=np.float32)


def counts(y: Any, num_classes: int, weight_N: np.ndarray | None = None) -> np.ndarray:
    """Rows of each class or tag, or what they weigh together, float32 (C,)."""
    if not is_tags(y):
        count_C: Any = np.bincount(y, weights=weight_N, minlength=num_classes)
    else:
        count_C = y.sum(axis=0) if weight_N is None else weight_N @ y
    return np.asarray(count_C, np.float32).ravel()


def indicators(y: Any, num_classes: int) -> Any:
    """Labels as a sparse float32 (N, C) of ones."""
    if is_tags(y):
        return csr_array(y, dtype=np.float32)
    num_rows = len(y)
    return csr_array((np.ones(num_rows, np.float32), y, np.arange(num_rows + 1)), shape=(num_rows, num_classes))


def link(logit_NC: np.ndarray, tags: bool) -> np.ndarray:
    """Logits -> probabilities: a sigmoid a tag, a softmax over classes."""
    if tags:
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * logit_NC))
    prob_NC: np.ndarray = np.exp(logit_NC - logit_NC.max(axis=1, keepdims=True))
    prob_NC /= prob_NC.sum(axis=1, keepdims=True)
    return prob_NC


def log_loss(logit_NC: np.ndarray, y: Any, weight_N: np.ndarray | None = None) -> float:
    """Weighted sum over rows of the log-loss of logits: of the true class, or the mean over tags."""
    if is_tags(y):
        target_NC = targets(y, logit_NC.shape[1])
        loss_N = (np.logaddexp(0, logit_NC) - target_NC * logit_NC).mean(axis=1, dtype=np.float64)
    else:
        top_N = logit_NC.max(axis=1)
        loss_N = top_N + np.log(np.exp(logit_NC - top_N[:, None]).sum(axis=1)) - logit_NC[np.arange(len(y)), y]
    return float(loss_N.sum(dtype=np.float64) if weight_N is None else weight_N @ loss_N)


def predict_linear(state: State, x_ND: np.ndarray) -> np.ndarray:
    """Probabilities float32 (N, C) of a linear head."""
    return link(product(x_ND, state["weight_DC"]) + state["bias_C"], bool(state["tags"]))


def product(x_ND: np.ndarray, weight_DC: np.ndarray) -> np.ndarray:
    """x @ W, summed in float64 and rounded to float32.

    A BLAS adds up a row in another order at another place of its tile; at 16 digits that order does not reach the 7
    that are kept, so that a row's bits do not depend on its neighbours.
    """
    return np.asarray(x_ND.astype(np.float64) @ weight_DC.astype(np.float64, copy=False), np.float32)


def linear_state(fit: LinearFit, temperature: float, y: Any) -> State:
    """A linear fit with its temperature taken in."""
    return {
        "weight_DC": (temperature * fit.weight_DC).astype(np.float32),
        "bias_C": (temperature * fit.bias_C + fit.offset_C).astype(np.float32),
        "tags": np.array(is_tags(y), np.uint8),
    }


def fit_linear(
    problem: type[Problem],
    x_ND: np.ndarray,
    y: Any,
    num_classes: int,
    *,
    penalty: Any,
    temperature: float,
    weight_N: np.ndarray | None,
) -> State:
    """Fit a linear head on all rows with one penalty and one temperature."""
    (fit,) = problem(x_ND, y, num_classes, weight_N).path(np.arange(len(x_ND)), (penalty,))
    return linear_state(fit, temperature, y)
