"""What cameras and files add: Gaussian noise, JPEG's blocks. Deviations are shares of the range 0 to 255.

Axes: H W pixels, C channels.
"""

from __future__ import annotations

import io
from statistics import NormalDist

import numpy as np
from PIL import Image

from medalist.data.views.contract import between, number, ops, span, whole

# One byte picks one of 256 equally likely values of a Gaussian (the medians of its 256 slices, scaled to deviation 1):
# a fifth of the time of numpy's Gaussian, equal after rounding to levels but for the tails beyond 2.9 deviations.
SLICES_256 = np.array([NormalDist().inv_cdf((i + 0.5) / 256) for i in range(256)])
GAUSSIAN_256 = SLICES_256 / SLICES_256.std()


@ops(p=0.5)
def gauss_noise(
    image_HWC: np.ndarray, rng: np.random.Generator, *, std: tuple[float, float] = (0.0125, 0.028)
) -> np.ndarray:
    """Noise of its own on every value, its deviation drawn once an image.

    Default: albumentations' GaussNoise of write-up 3's time (variance 10 to 50); version 2 has 0.2 to 0.44.
    """
    return _noisy(image_HWC, rng, between(rng, span("std", std, 0, 1)), grey=False)


@ops(p=1.0)
def additive_gaussian_noise(
    image_HWC: np.ndarray, rng: np.random.Generator, *, scale: float = 0.05, colour: float = 0.5
) -> np.ndarray:
    """Noise of a deviation up to `scale`; on a share `colour` of images each channel has its own, else all have one.

    Defaults: imgaug's AdditiveGaussianNoise as in write-up 1 (its example's `per_channel=0.5`).
    """
    deviation = between(rng, (0, number("scale", scale, 0, 1)))
    return _noisy(image_HWC, rng, deviation, grey=rng.random() >= number("colour", colour, 0, 1))


def _noisy(image_HWC: np.ndarray, rng: np.random.Generator, deviation: float, *, grey: bool) -> np.ndarray:
    shape = (*image_HWC.shape[:2], 1 if grey else 3)
    table_256 = np.rint(255 * deviation * GAUSSIAN_256).astype(np.int16)
    value_HWC: np.ndarray = table_256.take(rng.integers(0, 256, shape, dtype=np.uint8)) + image_HWC
    return np.clip(value_HWC, 0, 255, out=value_HWC).astype(np.uint8)


@ops(p=0.5)
def jpeg(image_HWC: np.ndarray, rng: np.random.Generator, *, quality: tuple[int, int] = (50, 95)) -> np.ndarray:
    """Saved as JPEG of a quality drawn from `quality` and read again.

    Default: from visible blocks to none; albumentations' own 99 to 100 cannot be seen.
    """
    low, high = span("quality", quality, 1, 100)
    file = io.BytesIO()
    level = int(rng.integers(whole("quality", low, 1, 100), whole("quality", high, 1, 100), endpoint=True))
    Image.fromarray(image_HWC).save(file, "JPEG", quality=level)
    return np.asarray(Image.open(file, formats=["JPEG"]))
