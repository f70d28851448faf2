"""What every operation keeps to, and where operations are registered.

An operation is a function `(image_HWC, rng, *, ...) -> image_HWC`: uint8 RGB in, uint8 RGB out, of the same height and
width. It never writes into its input, and draws every number from `rng`, a Generator made for this one image, epoch and
place (`draws.py`), so that the same draw gives the same pixels in any worker.

An operation with the fact `fits=True` brings the image to the network's input instead: it takes `target`, the
backbone's Preprocessing, by keyword, and returns (target.height, target.width, 3). The fact `p` is the chance that the
operation happens at all where a policy gives none; policies draw that coin, operations do not.

Axes: H W pixels, C = 3 channels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from medalist.errors import RecipeError
from medalist.registry import Registry

ops: Registry[Callable[..., np.ndarray]] = Registry("operation")


def number(what: str, value: object, low: float, high: float) -> float:
    """`value`, if it is a number of `low` to `high`.

    Raises:
        RecipeError: it is none, or outside.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise RecipeError(f"{what} is a number of {low:g} to {high:g}, got {value!r}")


def span(what: str, value: object, low: float, high: float) -> tuple[float, float]:
    """`value`, if it is a rising pair of numbers of `low` to `high`.

    Raises:
        RecipeError: it is none.
    """
    if isinstance(value, (tuple, list)) and len(value) == 2:
        first, last = (number(what, end, low, high) for end in value)
        if first <= last:
            return first, last
    raise RecipeError(f"{what} is a pair of {low:g} to {high:g}, such as {what}=({low:g}, {high:g}), got {value!r}")


def whole(what: str, value: object, low: int, high: int) -> int:
    """`value`, if it is a whole number of `low` to `high`.

    Raises:
        RecipeError: it is none, or outside.
    """
    if isinstance(value, int) and number(what, value, low, high) == value:
        return value
    raise RecipeError(f"{what} is a whole number of {low} to {high}, got {value!r}")


def between(rng: np.random.Generator, ends: tuple[float, float]) -> float:
    """A number drawn evenly between `ends`; a tenth of the time of `rng.uniform`."""
    return ends[0] + (ends[1] - ends[0]) * rng.random()


def around(rng: np.random.Generator, limit: float) -> float:
    """A number drawn evenly between `-limit` and `limit`."""
    return limit * (2 * rng.random() - 1)
