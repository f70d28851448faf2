"""Views: other looks at an image's pixels, each a forward pass of its own; they cost no decoding.

Axes: B batch, H W pixels, C channels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image

SHOWN = 0.8  # of each side, in the views that look closer


def center(pixels_BHWC: np.ndarray) -> np.ndarray:
    """The image as the backbone's own preprocessing shows it."""
    return pixels_BHWC


def flip(pixels_BHWC: np.ndarray) -> np.ndarray:
    """Its mirror image, left for right."""
    return pixels_BHWC[:, :, ::-1]


def vertical_flip(pixels_BHWC: np.ndarray) -> np.ndarray:
    """Upside down: for what has no up, such as leaves and mushrooms from above."""
    return pixels_BHWC[:, ::-1]


def closer(pixels_BHWC: np.ndarray, *, right: float, down: float) -> np.ndarray:
    """A window of 0.8 of each side, enlarged to the whole; it leaves `right` and `down` of the rest before it."""
    _, height, width, _ = pixels_BHWC.shape
    left, top = right * (1 - SHOWN) * width, down * (1 - SHOWN) * height
    box = (left, top, left + SHOWN * width, top + SHOWN * height)
    images = [Image.fromarray(pixels_HWC) for pixels_HWC in pixels_BHWC]
    shown = [np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box)) for image in images]
    return np.stack(shown)


VIEWS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "center": center,
    "flip": flip,
    "vertical_flip": vertical_flip,
    "zoom": partial(closer, right=0.5, down=0.5),
    "zoom_flip": lambda pixels_BHWC: flip(VIEWS["zoom"](pixels_BHWC)),
    "top_left": partial(closer, right=0, down=0),
    "top_right": partial(closer, right=1, down=0),
    "bottom_left": partial(closer, right=0, down=1),
    "bottom_right": partial(closer, right=1, down=1),
}
"""Name of a view -> uint8 pixels in, uint8 pixels of the same shape out."""
