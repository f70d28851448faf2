"""Augmentations as factors of an experiment: text -> operations, and any choice of them -> a policy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medalist.data.views import Policy
from medalist.errors import RecipeError
from medalist.experiments.augmenting.screening import MOST

# What the write-ups' authors tried by hand (flips, crops, turns, shifts, light, colours, noise, erasing).
USUAL = (
    "random_resized_crop(scale=(0.5, 1.0)) | flip | vertical_flip | rotation(limit=15) | shift(limit=0.1) | "
    "zoom(limit=0.1) | brightness_contrast | saturation | hue | gauss_noise | blur(side=(3, 5)) | random_erasing"
)
# Operations that are views of their own at prediction (`features/views.py`), fixed ones: test-time augmentation.
VIEW_OF = {"flip": "flip", "vertical_flip": "vertical_flip"}
ERASING = "random_erasing"


def factors_of(text: str) -> tuple[str, ...]:
    """Each step of a chain as a factor, in its canonical spelling.

    Raises:
        RecipeError: no chain, a step twice, or more steps than a screening takes.
        MissingExtraError: an operation needs a package that is not installed.

    >>> factors_of("flip | rotation( limit = 5 )")
    ('flip', 'rotation(limit=5)')
    """
    factors = tuple(step.text for step in Policy.parse(text).steps)
    twice = sorted({one for one in factors if factors.count(one) > 1})
    if twice:
        raise RecipeError(f"--augment names {twice[0]} twice; each operation is one factor")
    if not 1 <= len(factors) <= MOST:
        raise RecipeError(
            f"--augment takes 1 to {MOST} operations with | between them, got {len(factors)};"
            " keep together what you would use together, such as one_of(jpeg, blur)"
        )
    return factors


def policy_of(factors: Sequence[str], chosen: Iterable[str]) -> str:
    """Those chosen as one policy, in the order in which they were named."""
    wanted = set(chosen)
    return " | ".join(one for one in factors if one in wanted)


def views_of(kept: Iterable[str]) -> tuple[str, ...]:
    """Views for prediction: the image as it is, and those of its fixed views that are among the operations kept."""
    names = (one.partition("(")[0] for one in kept)
    return ("center", *dict.fromkeys(VIEW_OF[name] for name in names if name in VIEW_OF))
