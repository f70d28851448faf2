"""Facts of images -> a dataset's mean and standard deviation a channel; exact, or from a sample with its interval.

All values lie in [0, 1]. Axes: N images, C channels (red, green, blue), L levels of 8 bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from medalist.data.facts import Facts
from medalist.errors import DataError

Channels = tuple[float, ...]
Pair = tuple[Channels, Channels]
TINY = 1e-12  # what a flat dataset's spread is taken for
LEVELS = np.arange(256.0)


@dataclass(frozen=True)
class Moments:
    """Mean and standard deviation of a dataset's channels, red, green, blue, in [0, 1].

    Which mean? Every image counts the same, however large: `mean` is the mean over images of each image's mean, and
    `std` the standard deviation of one pixel drawn from one image drawn at random, sqrt(E[x^2] - E[x]^2). Over the
    pixels of images of unequal sizes large images count for more: `pixel_mean`, `pixel_std`. The constants that most
    networks carry, (0.229, 0.224, 0.225) for ImageNet, are neither: they are means of each image's own standard
    deviation (pytorch/vision #1439 and #1965), which leaves out how images differ from each other: `image_std`.

    Args:
        mean, std: each image with equal weight.
        mean_error, std_error: half the width of their 95 % intervals as estimates for all images; 0 where none is left.
        image_std: mean over images of each image's standard deviation.
        pixel_mean, pixel_std: each image with its displayed pixels as weight.
        num_images: images that were measured.
    """

    mean: Channels
    std: Channels
    mean_error: Channels
    std_error: Channels
    image_std: Channels
    pixel_mean: Channels
    pixel_std: Channels
    num_images: int


def picture_moments(image: Image.Image) -> tuple[Channels, Channels]:
    """Mean and mean square of each channel of an RGB picture, in [0, 1]; the sums are exact (of whole numbers).

    >>> picture_moments(Image.new("RGB", (5, 4), (255, 0, 51)))
    ((1.0, 0.0, 0.2), (1.0, 0.0, 0.04))
    """
    count_CL = np.array(image.histogram(), np.float64).reshape(3, 256)  # below 2**53 all sums are exact
    num_pixels = image.width * image.height
    mean_C = count_CL @ LEVELS / (255 * num_pixels)
    square_C = count_CL @ LEVELS**2 / (255**2 * num_pixels)
    return tuple(mean_C.tolist()), tuple(square_C.tolist())


def dataset_moments(facts: Sequence[Facts], *, sampled: float = 1.0) -> Moments:
    """Moments of a dataset from the facts of its images, or of a simple random sample of them.

    The interval of a mean over images is Student's, with the finite population correction (Cochran 1977, Sampling
    Techniques, 2.13 and 2.20). `std` is a function of two such means; its interval is that of its linearised form, the
    delta method (Cochran 1977, 6.4; Wolter 2007, chapter 6).

    Args:
        facts: of the images that were looked at; those that could not be decoded are left out.
        sampled: share of all images that was looked at; below 1 the facts are a sample drawn without replacement.

    Raises:
        DataError: no image could be decoded, or a sample holds fewer than two.
    """
    opened = [fact for fact in facts if fact.ok]
    if len(opened) < (1 if sampled == 1 else 2):
        raise DataError(
            f"{len(opened)} of {len(facts)} images could be decoded; a mean needs one, a sample's interval at least two"
        )
    mean_NC, square_NC = (np.array([getattr(fact, name) for fact in opened]) for name in ("mean", "mean_square"))
    weight_N = np.array([float(fact.width * fact.height) for fact in opened])
    mean_C, std_C = _combined(mean_NC, square_NC, np.ones(len(opened)))
    pixel_mean_C, pixel_std_C = _combined(mean_NC, square_NC, weight_N)
    # std = sqrt(q - m^2) moves by (dq - 2 m dm) / (2 std) with the means m and q of the images' means and squares.
    linear_NC = (square_NC - 2 * mean_C * mean_NC) / np.maximum(2 * std_C, TINY)
    return Moments(
        mean=_channels(mean_C),
        std=_channels(std_C),
        mean_error=_channels(_half_width(mean_NC, sampled)),
        std_error=_channels(_half_width(linear_NC, sampled)),
        image_std=_channels(_root(square_NC - mean_NC**2).mean(axis=0)),
        pixel_mean=_channels(pixel_mean_C),
        pixel_std=_channels(pixel_std_C),
        num_images=len(opened),
    )


def sample_rows(num_images: int, size: int, *, seed: int = 0) -> np.ndarray:
    """Rows of a simple random sample without replacement, in order; all rows where `size` is no less.

    Raises:
        DataError: fewer than two, which have no interval.
    """
    if size < 2:
        raise DataError(f"got a sample of {size} images; an interval needs at least 2, and 1000 take seconds")
    if size >= num_images:
        return np.arange(num_images)
    return np.sort(np.random.default_rng(seed).choice(num_images, size, replace=False))


def swap_share(moments: Moments, own: Pair, new: Pair) -> float:
    """How far inputs would move if other moments replaced a network's own, as a share of the inputs' own size.

    A pixel x enters as (x - mean) / std; with the new mean' and std' it would differ by a x + b. That difference,
    squared and averaged over channels and the dataset's pixels, over the same average of the inputs themselves; rooted.

    Args:
        moments: of the dataset.
        own: mean and std of each channel, the network's.
        new: those in their place, such as `(moments.mean, moments.std)`.
    """
    m_C, s_C = np.array(moments.mean), np.array(moments.std)
    (own_mean_C, own_std_C), (new_mean_C, new_std_C) = np.array(own), np.array(new)
    a_C = 1 / np.maximum(new_std_C, TINY) - 1 / own_std_C
    b_C = own_mean_C / own_std_C - new_mean_C / np.maximum(new_std_C, TINY)
    # E[x] = m and E[x^2] = m^2 + s^2, so E[(a x + b)^2] = (a m + b)^2 + a^2 s^2.
    moved = ((a_C * m_C + b_C) ** 2 + (a_C * s_C) ** 2).mean()
    size = (((m_C - own_mean_C) ** 2 + s_C**2) / own_std_C**2).mean()
    return float(np.sqrt(moved / max(size, TINY)))


def _combined(mean_NC: np.ndarray, square_NC: np.ndarray, weight_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the mixture of all images, each with its weight."""
    share_N = weight_N / weight_N.sum()
    mean_C = share_N @ mean_NC
    return mean_C, _root(share_N @ square_NC - mean_C**2)


def _half_width(value_NC: np.ndarray, sampled: float) -> np.ndarray:
    """Half of the 95 % interval of the mean of N sampled values; none where everything was looked at."""
    if sampled == 1:
        return np.zeros(value_NC.shape[1])
    from scipy.special import stdtrit

    num = len(value_NC)
    stderr_C = value_NC.std(axis=0, ddof=1) * np.sqrt((1 - sampled) / num)
    return np.asarray(stdtrit(num - 1, 0.975) * stderr_C)


def _root(variance: np.ndarray) -> np.ndarray:
    """Square root; rounding may leave a flat picture's variance a hair below 0."""
    return np.asarray(np.sqrt(np.maximum(variance, 0)))


def _channels(value_C: np.ndarray) -> Channels:
    return tuple(value_C.tolist())
