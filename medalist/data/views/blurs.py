"""Blurs, by OpenCV. Axes: H W pixels, C channels."""

from __future__ import annotations

import numpy as np

from medalist.data.views.contract import between, ops, span, whole
from medalist.data.views.optional import opencv
from medalist.errors import RecipeError

# Of a sigma below it, in pixels, the next pixel weighs less than exp(-1 / (2 * 0.15^2)): no level of 255 changes.
UNSEEN = 0.15


@ops(p=1.0)
def gaussian_blur(
    image_HWC: np.ndarray, rng: np.random.Generator, *, sigma: tuple[float, float] = (0, 0.5)
) -> np.ndarray:
    """A Gaussian of deviation `sigma` in pixels. Default: imgaug's GaussianBlur as in write-up 1."""
    deviation = between(rng, span("sigma", sigma, 0, 50))
    if deviation < UNSEEN:
        return image_HWC
    blurred: np.ndarray = opencv().GaussianBlur(image_HWC, (0, 0), deviation)
    return blurred


@ops(p=0.5)
def blur(image_HWC: np.ndarray, rng: np.random.Generator, *, side: tuple[int, int] = (3, 7)) -> np.ndarray:
    """The mean over a square of an odd side of `side` pixels. Default: albumentations' Blur, as in write-up 3."""
    low, high = (whole("side", end, 1, 99) for end in span("side", side, 1, 99))
    first = low + 1 - low % 2
    if first > high:
        raise RecipeError(f"side holds no odd number, got {side!r}; write side=({high - 1}, {high + 1})")
    drawn = first + 2 * int(rng.integers((high - first) // 2 + 1))
    blurred: np.ndarray = opencv().blur(image_HWC, (drawn, drawn))
    return blurred
