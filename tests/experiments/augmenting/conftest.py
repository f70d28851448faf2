"""Drawn flags: the class is the side that they fly to and their colour, so that mirroring and turning hues break it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

COLOURS = {"red": (205, 70, 45), "blue": (45, 95, 205)}
SIDE = 96


def draw_flags(root: Path, *, seed: int, num_images: int, sides: tuple[str, ...] = ("left", "right")) -> Path:
    """Write `train/CLASS/*.png`: a class a side and colour, such as `left-red`."""
    rng = np.random.default_rng(seed)
    for index in range(num_images):
        side, colour = sides[index % len(sides)], list(COLOURS)[index // len(sides) % 2]
        folder = root / "train" / f"{side}-{colour}"
        folder.mkdir(parents=True, exist_ok=True)
        flag(side, colour, rng).save(folder / f"{index:04d}.png")
    return root


def flag(side: str, colour: str, rng: np.random.Generator) -> Image.Image:
    """A pennant on a pole, flying left or right, before a wall of some colour."""
    image = Image.new("RGB", (2 * SIDE, 2 * SIDE), tuple(rng.integers(70, 190, 3).tolist()))
    canvas = ImageDraw.Draw(image)
    scale, centre = rng.uniform(0.75, 0.95) * SIDE, (0.5 + rng.uniform(-0.06, 0.06, 2)) * 2 * SIDE
    way = -1 if side == "left" else 1

    def place(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(float(x * way * scale + centre[0]), float(y * scale + centre[1])) for x, y in points]

    canvas.polygon(place((-0.7, -1), (-0.55, -1), (-0.55, 1), (-0.7, 1)), fill=(20, 20, 20))
    cloth = np.clip(np.array(COLOURS[colour]) + rng.normal(0, 25, 3), 0, 255).astype(int)
    canvas.polygon(place((-0.55, -1), (0.9, -0.4 + rng.normal(0, 0.1)), (-0.55, 0.2)), fill=tuple(cloth.tolist()))
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), float)
    grain = rng.normal(0, rng.uniform(2, 5), small.shape)
    return Image.fromarray(np.clip(small + grain, 0, 255).astype(np.uint8))


@pytest.fixture(scope="session")
def flags() -> Callable[..., Path]:
    """`flags(folder, seed=0, num_images=60)`: a dataset of flags there."""
    return draw_flags
