"""A policy of augmentation: parsed and tried before any image is read, then applied to one image at a time.

Axes: H W pixels, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medalist.data.decode import Preprocessing, prepare
from medalist.data.views.draws import Draw as Draw
from medalist.data.views.draws import generator
from medalist.data.views.grammar import Group, Step, leaves, order_of, read_chain
from medalist.errors import RecipeError


@dataclass(frozen=True)
class Policy:
    """Steps that are applied one after the other; picklable, without state.

    >>> Policy.parse("flip|rotation( limit = 5 )").text
    'flip | rotation(limit=5)'
    """

    steps: tuple[Step | Group, ...]

    @classmethod
    def parse(cls, text: str) -> Policy:
        """Read a recipe's text (see `grammar`) and try each of its operations on a toy image.

        Raises:
            RecipeError: what is wrong, the near name, what to type.
            MissingExtraError: an operation needs a package that is not installed.
        """
        policy = cls(read_chain(text))
        for step in leaves(policy.steps):
            _try(step)
        return policy

    @property
    def text(self) -> str:
        """The canonical spelling; empty for no augmentation."""
        return " | ".join(step.text for step in self.steps)

    def __call__(self, image_HWC: np.ndarray, draw: Draw, target: Preprocessing, strength: float = 1.0) -> np.ndarray:
        """The image as this draw shows it.

        Args:
            image_HWC: uint8 RGB of any size; never written to.
            draw: seed, epoch, image id: the same draw gives the same pixels.
            target: the network's input. Where no step brings the image to its size, the backbone's own resize comes
                first, so that all steps run on few pixels; a fitting step that does not happen gives way to it.
            strength: in [0, 1], from `strength_of`; multiplies the chance of each step of the chain.

        Returns:
            (target.height, target.width, 3) uint8, contiguous; it may be read-only.
        """
        for step, key in self.drawn(draw, strength):
            image_HWC = prepare(image_HWC, target) if step is None else _applied(step, key, image_HWC, target)
        return np.ascontiguousarray(image_HWC)

    def drawn(self, draw: Draw, strength: float = 1.0) -> Iterator[tuple[Step | None, int]]:
        """The operations that happen, in order, each with its key for `generator`; None is the backbone's own resize.

        No pixel is looked at: what happens is known from the draw alone.
        """
        if not any(step.fits for step in self.steps):
            yield None, 0
        for step in self.steps:
            yield from _tossed(step, draw, strength)


def _tossed(step: Step | Group, draw: Draw, strength: float = 1.0) -> Iterator[tuple[Step | None, int]]:
    """The step's operations, if its coin says so."""
    coin, key = draw.lot(step.place)
    if coin < step.p * strength:
        yield from _opened(step, key, draw)
    elif step.fits:
        yield None, 0


def _opened(step: Step | Group, key: int, draw: Draw) -> Iterator[tuple[Step | None, int]]:
    """The operations of a step that happens."""
    if isinstance(step, Step):
        yield step, key
        return
    for inner, certain in order_of(step, generator(key)):
        yield from _opened(inner, draw.lot(inner.place)[1], draw) if certain else _tossed(inner, draw)


def _applied(step: Step, key: int, image_HWC: np.ndarray, target: Preprocessing) -> np.ndarray:
    more = {"target": target} if step.fits else {}
    pixels_HWC: np.ndarray = step.bound(image_HWC, generator(key), **more)
    return pixels_HWC


def _try(step: Step) -> None:
    """Run an operation once: it tells what is wrong with its values."""
    toy_HWC = np.arange(12 * 16 * 3, dtype=np.uint16).astype(np.uint8).reshape(12, 16, 3)
    toy = Preprocessing(height=8, width=8, mean=(0.5,) * 3, std=(0.5,) * 3)
    try:
        _applied(step, 0, toy_HWC, toy)
    except RecipeError as error:
        raise RecipeError(f"operation {step.text}: {error}") from error
