"""Operations that bring an image to the network's input: resize policies, and crops drawn at random.

All resize with antialiasing by the backbone's own filter, as validation does. Boxes are (left, top, right, bottom) in
pixels of the image, fractions allowed. Axes: H W pixels, C channels.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from PIL import Image

from medalist.data.decode import FILTERS, Preprocessing, prepare
from medalist.data.views.contract import between, ops, span

TRIES = 10
Box = tuple[float, float, float, float]


@ops(p=1.0, fits=True)
def crop(image_HWC: np.ndarray, rng: np.random.Generator, *, target: Preprocessing) -> np.ndarray:
    """Its aspect kept, its centre cut out."""
    return prepare(image_HWC, replace(target, resize="crop"))


@ops(p=1.0, fits=True)
def squash(image_HWC: np.ndarray, rng: np.random.Generator, *, target: Preprocessing) -> np.ndarray:
    """Its aspect not kept."""
    return prepare(image_HWC, replace(target, resize="squash"))


@ops(p=1.0, fits=True)
def letterbox(image_HWC: np.ndarray, rng: np.random.Generator, *, target: Preprocessing) -> np.ndarray:
    """Its aspect kept, all of it shown, borders in the mean colour of the network's training."""
    return prepare(image_HWC, replace(target, resize="letterbox"))


@ops(p=1.0, fits=True)
def random_resized_crop(
    image_HWC: np.ndarray,
    rng: np.random.Generator,
    *,
    target: Preprocessing,
    scale: tuple[float, float] = (0.08, 1.0),
    ratio: tuple[float, float] = (3 / 4, 4 / 3),
) -> np.ndarray:
    """A window of `scale` (share of the area) and `ratio` (width to height), resized; Inception's crop.

    Defaults: torchvision's RandomResizedCrop (Szegedy et al. 2015, section 6); where no window fits in ten tries, the
    largest central one within `ratio`.
    """
    scales, ratios = span("scale", scale, 0.001, 1), span("ratio", ratio, 0.01, 100)
    height, width = image_HWC.shape[:2]
    logs = math.log(ratios[0]), math.log(ratios[1])
    for _ in range(TRIES):
        pixels, shape = height * width * between(rng, scales), math.exp(between(rng, logs))
        wide, tall = round(math.sqrt(pixels * shape)), round(math.sqrt(pixels / shape))
        if 0 < wide <= width and 0 < tall <= height:
            left, top = int(rng.integers(width - wide + 1)), int(rng.integers(height - tall + 1))
            return _resized(image_HWC, (left, top, left + wide, top + tall), target)
    wide, tall = min(width, height * ratios[1]), min(height, width / ratios[0])
    left, top = (width - wide) / 2, (height - tall) / 2
    return _resized(image_HWC, (left, top, left + wide, top + tall), target)


@ops(p=1.0, fits=True)
def random_scale_crop(
    image_HWC: np.ndarray,
    rng: np.random.Generator,
    *,
    target: Preprocessing,
    scale: tuple[float, float] = (0.8, 1.25),
) -> np.ndarray:
    """Enlarged until it fills the input, then by `scale`, and a window of the input's size cut anywhere.

    Below 1 the window is larger than the image in a direction, and borders get the mean colour. DeepLab's operation
    (its 0.5 to 2 is for segmentation); write-up 3 names no numbers, and the default keeps most of a labelled thing.
    """
    height, width = image_HWC.shape[:2]
    enlarged = max(target.height / height, target.width / width) * between(rng, span("scale", scale, 0.1, 10))
    wide, tall = target.width / enlarged, target.height / enlarged
    # Both where the window is inside the image and where the image is inside the window, either may lie anywhere.
    left, top = (width - wide) * rng.random(), (height - tall) * rng.random()
    box = (max(left, 0.0), max(top, 0.0), min(left + wide, width), min(top + tall, height))
    if box == (left, top, left + wide, top + tall):
        return _resized(image_HWC, box, target)
    corners = [round((end - start) * enlarged) for end, start in zip(box, (left, top, left, top), strict=True)]
    return _on_canvas(image_HWC, box, corners, target)


def _resized(image_HWC: np.ndarray, box: Box, target: Preprocessing) -> np.ndarray:
    image, inside = _window(image_HWC, box)
    return np.asarray(image.resize((target.width, target.height), FILTERS[target.interpolation], box=inside))


def _window(image_HWC: np.ndarray, box: Box) -> tuple[Image.Image, Box]:
    """The whole pixels around a box, and the box within them: Pillow would copy all of a large image."""
    left, top, right, bottom = box
    x, y = math.floor(left), math.floor(top)
    image = Image.fromarray(image_HWC[y : math.ceil(bottom), x : math.ceil(right)])
    return image, (left - x, top - y, right - x, bottom - y)


def _on_canvas(image_HWC: np.ndarray, box: Box, corners: list[int], target: Preprocessing) -> np.ndarray:
    """The image's `box` laid between `corners` of an input of the mean colour."""
    left, top, right, bottom = corners
    size = (max(right - left, 1), max(bottom - top, 1))
    canvas = Image.new("RGB", (target.width, target.height), tuple(round(255 * value) for value in target.mean))
    image, inside = _window(image_HWC, box)
    canvas.paste(image.resize(size, FILTERS[target.interpolation], box=inside), (left, top))
    return np.asarray(canvas)
