"""Batch mixes: two images become one, and so do their targets.

A mix is a function `(image_B3HW, target_BC, rng, ...) -> (image_B3HW, target_BC)`; targets are soft, of classes or of
tags alike. It draws one share lambda and one permutation a batch, as the authors of both papers do: what a class or a
tag loses in one row it gains in another, so that its mass in the batch is kept to the last digit, which a lambda an
image keeps only on average. Axes: B images of a batch, H W pixels, C classes or tags.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from medalist.errors import RecipeError
from medalist.registry import Registry

Mixed = tuple[Tensor, Tensor]
mixes: Registry[Callable[..., Mixed]] = Registry("mix")


@mixes()
def mixup(image_B3HW: Tensor, target_BC: Tensor, rng: np.random.Generator, *, alpha: float = 0.2) -> Mixed:
    """Blend each image with another of the batch: lambda x_i + (1 - lambda) x_j (Zhang et al. 2018, section 2).

    Args:
        image_B3HW: floats, normalised.
        target_BC: float targets.
        rng: gives lambda ~ Beta(alpha, alpha) and who is blended with whom.
        alpha: more than 0; the larger, the nearer lambda to one half.

    Returns:
        New images and targets; those given stay as they are.

    Raises:
        RecipeError: alpha is not positive.
    """
    share, other_B = _draw(rng, len(image_B3HW), alpha, image_B3HW.device)
    return share * image_B3HW + (1 - share) * image_B3HW[other_B], _blend(target_BC, other_B, share)


@mixes()
def cutmix(image_B3HW: Tensor, target_BC: Tensor, rng: np.random.Generator, *, alpha: float = 1.0) -> Mixed:
    """Paste a box of another image into each (Yun et al. 2019, equations 1 and 2, appendix A).

    The box has the share 1 - lambda of the area, lambda ~ Beta(alpha, alpha), and its centre anywhere; what of it lies
    outside the image is cut off, and lambda becomes the share of pixels that are really left.

    Args:
        image_B3HW: floats.
        target_BC: float targets.
        rng: gives lambda, the box and who is pasted into whom.
        alpha: more than 0; 1 makes every area as likely.

    Returns:
        New images and targets; those given stay as they are.

    Raises:
        RecipeError: alpha is not positive.
    """
    share, other_B = _draw(rng, len(image_B3HW), alpha, image_B3HW.device)
    height, width = image_B3HW.shape[2:]
    rows, columns = _span(rng, height, share), _span(rng, width, share)
    mixed_B3HW = image_B3HW.clone()
    mixed_B3HW[:, :, rows, columns] = image_B3HW[:, :, rows, columns][other_B]
    pasted = (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)
    return mixed_B3HW, _blend(target_BC, other_B, 1 - pasted)


@mixes()
def mixup_or_cutmix(
    image_B3HW: Tensor,
    target_BC: Tensor,
    rng: np.random.Generator,
    *,
    mixup: float = 0.2,
    cutmix: float = 1.0,
    p: float = 0.5,
) -> Mixed:
    """Each batch by one of the two, as a coin falls (Touvron et al. 2021, table 9).

    Args:
        image_B3HW: floats.
        target_BC: float targets.
        rng: the coin and what the mix draws.
        mixup, cutmix: alpha of each.
        p: chance of CutMix.

    Raises:
        RecipeError: an alpha is not positive, or p no probability.
    """
    if not 0 <= p <= 1:
        raise RecipeError(f"mix: p={p} is no probability; it is the chance of CutMix, such as p=0.5")
    if rng.random() < p:
        return _CUTMIX(image_B3HW, target_BC, rng, alpha=cutmix)
    return _MIXUP(image_B3HW, target_BC, rng, alpha=mixup)


# Inside `mixup_or_cutmix` the names of the two are those of its arguments.
_MIXUP, _CUTMIX = mixup, cutmix


def _draw(rng: np.random.Generator, num_images: int, alpha: float, device: torch.device) -> tuple[float, Tensor]:
    """Lambda, and for each image the one that it is mixed with."""
    if not 0 < alpha < math.inf:
        raise RecipeError(f"mix: alpha={alpha} must be a number above 0, such as alpha=0.2; to mix nothing, drop `mix`")
    share = float(rng.beta(alpha, alpha))
    return share, torch.from_numpy(rng.permutation(num_images)).to(device)


def _span(rng: np.random.Generator, length: int, share: float) -> slice:
    """A side of the box: sqrt(1 - lambda) of the image's, its middle drawn evenly, cut off at the borders."""
    side = int(length * math.sqrt(1 - share))
    start = int(rng.integers(length)) - side // 2
    return slice(max(0, start), min(length, start + side))


def _blend(target_BC: Tensor, other_B: Tensor, share: float) -> Tensor:
    return share * target_BC + (1 - share) * target_BC[other_B]
