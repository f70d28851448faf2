"""Saturation, hue and local contrast, by albumentations' functions with explicit parameters.

Axes: H W pixels, C channels.
"""

from __future__ import annotations

import numpy as np

from medalist.data.views.contract import around, between, number, ops, span, whole
from medalist.data.views.optional import pixel_functions


@ops(p=1.0)
def saturation(image_HWC: np.ndarray, rng: np.random.Generator, *, limit: float = 0.2) -> np.ndarray:
    """Distances to each pixel's own grey times a factor of 1 +- `limit`. Default: albumentations' ColorJitter."""
    factor = 1 + around(rng, number("limit", limit, 0, 1))
    saturated: np.ndarray = pixel_functions().adjust_saturation_torchvision(image_HWC, factor)
    return saturated


@ops(p=1.0)
def hue(image_HWC: np.ndarray, rng: np.random.Generator, *, limit: float = 0.05) -> np.ndarray:
    """Hues turned by up to `limit` of the colour circle.

    Default: 18 degrees, a red that stays a red; albumentations' own 0.5 makes any colour of any other.
    """
    turned: np.ndarray = pixel_functions().adjust_hue_torchvision(
        image_HWC, around(rng, number("limit", limit, 0, 0.5))
    )
    return turned


@ops(p=0.5)
def clahe(
    image_HWC: np.ndarray, rng: np.random.Generator, *, clip: tuple[float, float] = (1, 4), tiles: int = 8
) -> np.ndarray:
    """Histogram of the lightness equalised in `tiles` x `tiles` parts, with limited contrast (Zuiderveld 1994).

    Defaults: albumentations' CLAHE, as in write-up 3.
    """
    limit = between(rng, span("clip", clip, 0.1, 40))
    count = whole("tiles", tiles, 1, 32)
    equalised: np.ndarray = pixel_functions().clahe(image_HWC, limit, (count, count))
    return equalised
