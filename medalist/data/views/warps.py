"""Shifts, zooms and turns: one affine map, bilinear, by OpenCV. Angles in degrees, lengths as shares of a side.

A map is a (2, 3) matrix from output to input pixel centres. Axes: H W pixels, C channels.
"""

from __future__ import annotations

import math

import numpy as np

from medalist.data.views.contract import around, between, number, ops, span
from medalist.data.views.optional import opencv
from medalist.errors import RecipeError, near

BORDERS = {"reflect": "BORDER_REFLECT_101", "edge": "BORDER_REPLICATE", "black": "BORDER_CONSTANT"}


@ops(p=0.5)
def shift_scale_rotate(
    image_HWC: np.ndarray,
    rng: np.random.Generator,
    *,
    limit: float = 45,
    shift: float = 0.0625,
    scale: float = 0.1,
    border: str = "reflect",
) -> np.ndarray:
    """Turned by up to `limit` degrees, larger or smaller by up to `scale`, moved by up to `shift` of each side.

    Defaults: albumentations' ShiftScaleRotate, reflecting as its versions of the write-ups' years did.
    """
    number("limit", limit, 0, 180), number("shift", shift, 0, 1), number("scale", scale, 0, 0.95)
    angle, zoom = around(rng, limit), 1 + around(rng, scale)
    moved = around(rng, shift), around(rng, shift)
    return _turned(image_HWC, angle, (zoom, zoom), moved, border)


@ops(p=1.0)
def rotation(
    image_HWC: np.ndarray, rng: np.random.Generator, *, limit: float = 10, border: str = "reflect"
) -> np.ndarray:
    """Turned by up to `limit` degrees about the centre. Default: fastai's aug_transforms."""
    return _turned(image_HWC, around(rng, number("limit", limit, 0, 180)), (1, 1), (0, 0), border)


@ops(p=1.0)
def shift(image_HWC: np.ndarray, rng: np.random.Generator, *, limit: float = 0.1, border: str = "edge") -> np.ndarray:
    """Moved by up to `limit` of its width and of its height. Defaults: write-up 1, with Keras' border."""
    number("limit", limit, 0, 1)
    return _turned(image_HWC, 0, (1, 1), (around(rng, limit), around(rng, limit)), border)


@ops(p=1.0)
def zoom(image_HWC: np.ndarray, rng: np.random.Generator, *, limit: float = 0.1, border: str = "edge") -> np.ndarray:
    """Width and height each larger or smaller by up to `limit`, as Keras zooms. Defaults: write-up 1."""
    number("limit", limit, 0, 0.95)
    return _turned(image_HWC, 0, (1 + around(rng, limit), 1 + around(rng, limit)), (0, 0), border)


@ops(p=1.0)
def crop_and_pad(
    image_HWC: np.ndarray,
    rng: np.random.Generator,
    *,
    percent: tuple[float, float] = (-0.1, 0.1),
    border: str = "black",
) -> np.ndarray:
    """Each side moved by a share of its own, below 0 inwards, then back to the old size.

    Defaults: imgaug's CropAndPad as in write-up 1, +-10 %, black where it pads.
    """
    ends = span("percent", percent, -0.45, 1)
    left, top, right, bottom = (between(rng, ends) for _ in range(4))
    height, width = image_HWC.shape[:2]
    # The window spans -left * width to (1 + right) * width; its pixel centres lie half a step inside.
    step_x, step_y = 1 + left + right, 1 + top + bottom
    matrix = [
        [step_x, 0, -left * width + (step_x - 1) / 2],
        [0, step_y, -top * height + (step_y - 1) / 2],
    ]
    return _warped(image_HWC, np.array(matrix), border)


def _turned(
    image_HWC: np.ndarray, degrees: float, zoom: tuple[float, float], moved: tuple[float, float], border: str
) -> np.ndarray:
    """Enlarged by `zoom` (x, y), turned anticlockwise about the centre, then moved by shares of width and height."""
    height, width = image_HWC.shape[:2]
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # From output to input, with y downwards: undo the move, the turn, the zoom.
    linear = np.array([[cosine / zoom[0], -sine / zoom[0]], [sine / zoom[1], cosine / zoom[1]]])
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    offset = centre - linear @ (centre + np.array(moved) * (width, height))
    return _warped(image_HWC, np.column_stack([linear, offset]), border)


def _warped(image_HWC: np.ndarray, matrix: np.ndarray, border: str) -> np.ndarray:
    if border not in BORDERS:
        raise RecipeError(f"border is one of {', '.join(BORDERS)}, got {border!r}{near(str(border), BORDERS)}")
    cv2 = opencv()
    height, width = image_HWC.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped: np.ndarray = cv2.warpAffine(
        image_HWC, matrix, (width, height), flags=flags, borderMode=getattr(cv2, BORDERS[border])
    )
    return warped
