"""Random erasing (Zhong et al. 2020, section 3.2): a rectangle painted over. Axes: H W pixels, C channels."""

from __future__ import annotations

import math

import numpy as np

from medalist.data.views.contract import between, ops, span
from medalist.errors import RecipeError, near

FILLS = ("noise", "mean", "black")
TRIES = 10


@ops(p=0.5)
def random_erasing(
    image_HWC: np.ndarray,
    rng: np.random.Generator,
    *,
    area: tuple[float, float] = (0.02, 0.33),
    ratio: tuple[float, float] = (0.3, 3.3),
    fill: str = "noise",
) -> np.ndarray:
    """A rectangle of `area` (share of the image) and `ratio` (height to width) filled with noise, the mean or black.

    Defaults: torchvision's RandomErasing; noise is the paper's best fill (table 5). No rectangle of those numbers may
    fit into a narrow image, which then stays as it is.
    """
    areas, ratios = span("area", area, 0, 1), span("ratio", ratio, 0.01, 100)
    if fill not in FILLS:
        raise RecipeError(f"fill is one of {', '.join(FILLS)}, got {fill!r}{near(str(fill), FILLS)}")
    height, width = image_HWC.shape[:2]
    for _ in range(TRIES):
        pixels, shape = height * width * between(rng, areas), math.exp(between(rng, _logs(ratios)))
        tall, wide = round(math.sqrt(pixels * shape)), round(math.sqrt(pixels / shape))
        if 0 < tall < height and 0 < wide < width:
            top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
            erased_HWC = image_HWC.copy()
            erased_HWC[top : top + tall, left : left + wide] = _filling(image_HWC, rng, tall, wide, fill)
            return erased_HWC
    return image_HWC


def _logs(ends: tuple[float, float]) -> tuple[float, float]:
    return math.log(ends[0]), math.log(ends[1])


def _filling(image_HWC: np.ndarray, rng: np.random.Generator, tall: int, wide: int, fill: str) -> np.ndarray:
    if fill == "noise":
        return rng.integers(0, 256, (tall, wide, 3), dtype=np.uint8)
    colour_C = np.zeros(3, np.uint8)
    if fill == "mean":
        colour_C[:] = np.rint(image_HWC.mean(axis=(0, 1)))
    return colour_C
