"""What a model learns of labels that look wrong: actions on suspects, each an experiment and never automatic.

An action is a function `(prob_nC, y, suspect_n, ...) -> (labels to learn, factors of the weights)`, registered with
the `tasks` it is for, and with `flags=False` where it looks at no suspects. It sees probabilities by models that knew
neither a row nor the rows that are to be scored; which rows are suspects is for `labels.suspects` to say. Half of them
are right on average. Tags may come back as shares in [0, 1].

Axes: n rows that may be learnt from, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from medalist.errors import RecipeError
from medalist.quality.missing import completed
from medalist.registry import Registry

Acted = tuple[Any, np.ndarray]
actions: Registry[Callable[..., Acted]] = Registry("action")

CLASSES = ("binary", "multiclass")


@actions(tasks=(*CLASSES, "tags"))
def drop(prob_nC: np.ndarray, y: Any, suspect_n: np.ndarray) -> Acted:
    """Suspects are not learnt from."""
    return y, np.where(suspect_n, 0.0, 1.0)


@actions(tasks=(*CLASSES, "tags"))
def downweight(prob_nC: np.ndarray, y: Any, suspect_n: np.ndarray, *, weight: float = 0.2) -> Acted:
    """Suspects count less.

    Args:
        prob_nC: not looked at.
        y: class indices (n,), or tags (n, C).
        suspect_n: bool.
        weight: what a suspect counts, of 1.

    Raises:
        RecipeError: a weight outside 0 to 1.
    """
    if not 0 <= weight <= 1:
        raise RecipeError(f"downweight got weight={weight!r}; give what a suspect counts, from 0 to 1, such as 0.2")
    return y, np.where(suspect_n, weight, 1.0)


@actions(tasks=CLASSES)
def relabel(prob_nC: np.ndarray, y: np.ndarray, suspect_n: np.ndarray, *, least: float = 0.9) -> Acted:
    """Suspects of which models are sure get the class that they say; the others stay as they are.

    Args:
        prob_nC: probabilities.
        y: class indices (n,).
        suspect_n: bool.
        least: probability from which on a class is believed.

    Raises:
        RecipeError: a probability outside 0 to 1.
    """
    if not 0 <= least <= 1:
        raise RecipeError(f"relabel got least={least!r}; give a probability from 0 to 1, such as 0.9")
    sure_n = suspect_n & (prob_nC.max(axis=1) >= least)
    return np.where(sure_n, prob_nC.argmax(axis=1), y).astype(y.dtype), np.ones(len(y))


@actions(tasks=("tags",), flags=False)
def complete(prob_nC: np.ndarray, y: Any, suspect_n: np.ndarray, *, share: float | None = None) -> Acted:
    """Tags of which some true ones are missing: set ones stay, unset ones are learnt as far as they are likely.

    Args:
        prob_nC: probabilities of the tags that are set.
        y: tags (n, C).
        suspect_n: not looked at.
        share: of the true tags that are missing; no model can tell it, so that there is no default.

    Raises:
        RecipeError: no share, or one outside 0 to below 1.
    """
    if share is None:
        raise RecipeError("complete needs the share of true tags that are missing, such as complete(share=0.3)")
    return completed(prob_nC, y, share=share), np.ones(y.shape[0])
