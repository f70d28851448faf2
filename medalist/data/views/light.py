"""Brightness, contrast, gamma, fewer levels: a table of 256 values laid over all pixels. Factors are around 1.

Axes: H W pixels, C channels.
"""

from __future__ import annotations

import numpy as np

from medalist.data.views.contract import around, between, number, ops, span, whole

LEVELS = np.arange(256, dtype=np.float64)
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow and torchvision turn RGB into grey


@ops(p=1.0)
def brightness(image_HWC: np.ndarray, rng: np.random.Generator, *, limit: float = 0.05) -> np.ndarray:
    """All values times a factor of 1 +- `limit`, as torchvision's ColorJitter.

    Default: write-up 4, where it was the one operation that helped.
    """
    return laid_over(image_HWC, LEVELS * (1 + around(rng, number("limit", limit, 0, 1))))


@ops(p=1.0)
def contrast(image_HWC: np.ndarray, rng: np.random.Generator, *, limit: float = 0.2) -> np.ndarray:
    """Distances to the image's own mean grey times a factor of 1 +- `limit`, as torchvision's ColorJitter.

    Default: albumentations' ColorJitter.
    """
    factor = 1 + around(rng, number("limit", limit, 0, 1))
    height, width, _ = image_HWC.shape
    # Summed over rows first, where memory is contiguous: a tenth of the time of a mean over both axes.
    sum_C = image_HWC.reshape(height, -1).sum(axis=0, dtype=np.uint32).reshape(width, 3).sum(axis=0, dtype=np.float64)
    grey = LUMA @ sum_C / (height * width)
    return laid_over(image_HWC, grey + (LEVELS - grey) * factor)


@ops(p=0.5)
def brightness_contrast(
    image_HWC: np.ndarray, rng: np.random.Generator, *, brightness: float = 0.2, contrast: float = 0.2
) -> np.ndarray:
    """All values times 1 +- `contrast`, plus +- `brightness` of white.

    Defaults: albumentations' RandomBrightnessContrast, as in write-up 3.
    """
    factor = 1 + around(rng, number("contrast", contrast, 0, 1))
    return laid_over(image_HWC, LEVELS * factor + 255 * around(rng, number("brightness", brightness, 0, 1)))


@ops(p=1.0)
def contrast_normalisation(
    image_HWC: np.ndarray, rng: np.random.Generator, *, alpha: tuple[float, float] = (0.75, 1.5)
) -> np.ndarray:
    """Distances to middle grey (127) times a factor, imgaug's ContrastNormalization. Default: write-up 1."""
    return laid_over(image_HWC, 127 + (LEVELS - 127) * between(rng, span("alpha", alpha, 0, 10)))


@ops(p=0.5)
def gamma(image_HWC: np.ndarray, rng: np.random.Generator, *, exponent: tuple[float, float] = (0.8, 1.2)) -> np.ndarray:
    """Values in [0, 1] to a power; below 1 is brighter. Default: albumentations' RandomGamma, as in write-up 3."""
    return laid_over(image_HWC, 255 * (LEVELS / 255) ** between(rng, span("exponent", exponent, 0.05, 20)))


@ops(p=0.5)
def posterize(image_HWC: np.ndarray, rng: np.random.Generator, *, bits: int = 4) -> np.ndarray:
    """Each value's upper `bits` of 8 alone. Default: albumentations' Posterize, as in write-up 3."""
    return image_HWC & np.uint8(256 - 2 ** (8 - whole("bits", bits, 1, 8)))


def laid_over(image_HWC: np.ndarray, value_256: np.ndarray) -> np.ndarray:
    """Each value replaced by its entry, rounded and clipped to 0 to 255."""
    table = np.clip(np.rint(value_256), 0, 255).astype(np.uint8).tobytes()
    # bytes.translate is as fast as OpenCV's LUT and twice as fast as numpy's indexing.
    return np.frombuffer(image_HWC.tobytes().translate(table), np.uint8).reshape(image_HWC.shape)
