"""TrivialAugment (Müller and Hutter 2021): one of 14 operations, of a strength drawn evenly; nothing to tune.

The wide space of the paper's table 2, on Pillow: shears and factors up to 0.99, shifts up to 32 pixels, turns up to 135
degrees, solarize from 255 down to 0, posterize from 8 bits down to 2. Axes: H W pixels, C channels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from medalist.data.views.contract import ops

STRENGTHS = 31
SMOOTH = Image.Resampling.BILINEAR


def _affine(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    """Pillow's six numbers map output to input."""
    return image.transform(image.size, Image.Transform.AFFINE, matrix, SMOOTH)


# Strength m in [0, 1], and -m as often where a direction makes sense.
DIRECTED: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "shear_x": lambda image, m: _affine(image, (1, 0.99 * m, 0, 0, 1, 0)),
    "shear_y": lambda image, m: _affine(image, (1, 0, 0, 0.99 * m, 1, 0)),
    "shift_x": lambda image, m: _affine(image, (1, 0, 32 * m, 0, 1, 0)),
    "shift_y": lambda image, m: _affine(image, (1, 0, 0, 0, 1, 32 * m)),
    "rotate": lambda image, m: image.rotate(135 * m, SMOOTH),
    "brightness": lambda image, m: ImageEnhance.Brightness(image).enhance(1 + 0.99 * m),
    "colour": lambda image, m: ImageEnhance.Color(image).enhance(1 + 0.99 * m),
    "contrast": lambda image, m: ImageEnhance.Contrast(image).enhance(1 + 0.99 * m),
    "sharpness": lambda image, m: ImageEnhance.Sharpness(image).enhance(1 + 0.99 * m),
}
PLAIN: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "identity": lambda image, m: image,
    "posterize": lambda image, m: ImageOps.posterize(image, 8 - round(6 * m)),
    "solarize": lambda image, m: ImageOps.solarize(image, round(255 * (1 - m))),
    "autocontrast": lambda image, m: ImageOps.autocontrast(image),
    "equalize": lambda image, m: ImageOps.equalize(image),
}
NAMES = (*DIRECTED, *PLAIN)


@ops(p=1.0)
def trivial_augment(image_HWC: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of 14 operations (shears, shifts, turns, light, colour, levels), of a strength drawn from 31."""
    name = NAMES[int(rng.integers(len(NAMES)))]
    strength = int(rng.integers(STRENGTHS)) / (STRENGTHS - 1)
    sign = 1 if rng.random() < 0.5 else -1
    image = Image.fromarray(image_HWC)
    changed = DIRECTED[name](image, sign * strength) if name in DIRECTED else PLAIN[name](image, strength)
    return np.asarray(changed)
