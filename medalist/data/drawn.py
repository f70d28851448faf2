"""Seed -> a small competition of drawn images on disk, with the faults of real ones; its test answers lie outside.

Eight things are drawn as polygons in unit coordinates (x to the right, y down, both about -1 to 1), then turned,
scaled, sheared, coloured near the thing's usual colours, set among clutter and saved as JPEG. How much of each was
chosen so that the embedded backbone errs on some. Axes: P points, H W pixels.
"""

from __future__ import annotations

import csv
import io
import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFilter

from medalist.errors import DataError

# A polygon (P, 2) and which of the thing's three colours fills it.
Part = tuple[np.ndarray, int]
Thing = Callable[[np.random.Generator], list[Part]]


def draw_competition(root: Path, *, seed: int = 0, num_train: int = 480, num_test: int = 240) -> Path:
    """Draw `train/CLASS/*.jpg`, `test/ID.jpg` and `sample_submission.csv` (id,label) below `root`.

    Among the training files are a truncated JPEG, an empty file, a text named .jpg, a PNG named .jpg and exact
    duplicates; among the test files a truncated JPEG and an empty one, whose answers count too.

    Args:
        root: folder of the competition; made, or left alone if it is this same competition already.
        seed: same seed and sizes, same bytes.
        num_train: training files, with the odd ones.
        num_test: test images.

    Returns:
        The hidden answers (id,label), a CSV beside `root` and not in it.

    Raises:
        DataError: `root` holds something else.

    >>> answers = draw_competition(Path("demo/data"))  # doctest: +SKIP
    """
    answers = root.with_name(f"{root.name}-answers-{seed}-{num_train}-{num_test}.csv")
    if root.is_dir() and any(root.iterdir()):
        if not answers.is_file():
            raise DataError(f"{root} is not empty and not this drawn competition; name another folder or remove it")
        return answers

    # Drawn beside the folder and renamed last, so that a folder under its final name is whole.
    unfinished = root.with_name(f".{root.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    _write_train(unfinished / "train", num_train, np.random.default_rng([seed, 0]))
    truth = _write_test(unfinished / "test", num_test, np.random.default_rng([seed, 1]))
    _write_csv(unfinished / "sample_submission.csv", [(image_id, CLASSES[0]) for image_id, _ in truth])
    _write_csv(answers, truth)
    unfinished.replace(root)
    return answers


def _write_train(folder: Path, count: int, rng: np.random.Generator) -> None:
    """Class folders with about equally many images; every 60th file is a copy of the one before it in its class."""
    for name in CLASSES:
        (folder / name).mkdir(parents=True)
    last: dict[str, bytes] = {}
    for index in range(count - len(ODD_FILES)):
        name = CLASSES[index % len(CLASSES)]
        if index % 60 != 59:
            last[name] = jpeg(draw_image(name, rng), rng)
        (folder / name / f"{index:04d}.jpg").write_bytes(last[name])
    for index, (oddity, spoil) in enumerate(ODD_FILES.items()):
        name = CLASSES[index % len(CLASSES)]
        (folder / name / f"{oddity}.jpg").write_bytes(spoil(draw_image(name, rng)))


def _write_test(folder: Path, count: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """A flat folder; ids are shuffled numbers with leading zeros, and say nothing of the class."""
    folder.mkdir()
    truth = []
    for index, number in enumerate(rng.permutation(count)):
        image_id, name = f"{number:05d}", CLASSES[index % len(CLASSES)]
        image = draw_image(name, rng)
        data = {0: truncated, 1: empty}[index](image) if index < 2 else jpeg(image, rng)
        (folder / f"{image_id}.jpg").write_bytes(data)
        truth.append((image_id, name))
    return sorted(truth)


def _write_csv(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("id", "label"), *rows])


def draw_image(name: str, rng: np.random.Generator) -> Image.Image:
    """One RGB image of the thing `name`, sides of 120 to 220 pixels, drawn twice as large for smooth edges."""
    width, height = (2 * int(side) for side in rng.integers(120, 221, 2))
    image = Image.fromarray(_background(width, height, rng))
    canvas = ImageDraw.Draw(image)
    for _ in range(rng.integers(2, 9)):
        _clutter(canvas, (width, height), rng)
    colours = _near(USUAL_COLOURS[name], rng)
    place = _pose(width, height, rng)
    for points_P2, colour in THINGS[name](rng):
        canvas.polygon([tuple(point) for point in place(points_P2)], fill=colours[colour])
    for _ in range(rng.integers(0, 3)):
        _clutter(canvas, (width, height), rng)
    small = image.resize((width // 2, height // 2), Image.Resampling.BOX)
    small = small.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1)))
    grain = rng.normal(0, rng.uniform(2, 10), (height // 2, width // 2, 3))
    return Image.fromarray(np.clip(np.asarray(small) + grain, 0, 255).astype(np.uint8))


def _background(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """A slanted change from one colour to another, (H, W, 3) uint8."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    angle = rng.uniform(0, 2 * math.pi)
    share = 0.5 + ((x - 0.5) * math.cos(angle) + (y - 0.5) * math.sin(angle)) / math.sqrt(2)
    first, second = np.array(_colours(rng, 2))
    colour_HW3: np.ndarray = first * share[..., None] + second * (1 - share[..., None])
    return colour_HW3.astype(np.uint8)


def _clutter(canvas: ImageDraw.ImageDraw, size: tuple[int, int], rng: np.random.Generator) -> None:
    """A small triangle to hexagon of any colour, anywhere."""
    reach = rng.uniform(0.03, 0.1) * min(size)
    centre = rng.uniform(0, 1, 2) * size
    points = centre + rng.uniform(-reach, reach, (rng.integers(3, 7), 2))
    canvas.polygon([tuple(point) for point in points], fill=_colours(rng, 1)[0])


def _colours(rng: np.random.Generator, count: int) -> list[tuple[int, int, int]]:
    return [(int(r), int(g), int(b)) for r, g, b in rng.integers(20, 236, (count, 3))]


def _near(usual: Sequence[str], rng: np.random.Generator) -> list[tuple[int, int, int]]:
    """The usual colours, each channel off by about SPREAD."""
    shifted = [np.array(ImageColor.getrgb(colour)) + rng.normal(0, SPREAD, 3) for colour in usual]
    return [(int(r), int(g), int(b)) for r, g, b in np.clip(shifted, 0, 255)]


def _pose(width: int, height: int, rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """Unit coordinates -> pixels: a turn of about 15 degrees, a shear, often mirrored, half the frame or more."""
    angle, shear = rng.normal(0, 0.25), rng.normal(0, 0.1)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    squeeze = np.array([[rng.choice([-1, 1]), shear], [0, rng.uniform(0.8, 1.2)]])
    scale = rng.uniform(0.32, 0.47) * min(width, height)
    centre = (0.5 + rng.uniform(-0.08, 0.08, 2)) * (width, height)
    return lambda points_P2: points_P2 @ (turn @ squeeze).T * scale + centre


def oval(x: float, y: float, rx: float, ry: float) -> np.ndarray:
    """(37, 2) points of an axis-parallel ellipse, closed."""
    angle = np.linspace(0, 2 * math.pi, 37)
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """(4, 2) corners."""
    return polygon((left, top), (right, top), (right, bottom), (left, bottom))


def polygon(*points: tuple[float, float]) -> np.ndarray:
    """(P, 2) of the given corners."""
    return np.array(points, float)


def ring(x: float, y: float, radius: float, hole: float) -> np.ndarray:
    """(74, 2) points of a closed band of outer `radius` around a hole, as one polygon."""
    return np.concatenate([oval(x, y, radius, radius), oval(x, y, hole, hole)[::-1]])


def boat(rng: np.random.Generator) -> list[Part]:
    """A hull, a mast and one or two sails."""
    top = rng.uniform(-1, -0.7)
    sails = [(polygon((0.06, top), (0.06, 0.25), (rng.uniform(0.5, 0.8), 0.25)), 1)]
    if rng.random() < 0.6:
        sails.append((polygon((-0.08, top + 0.2), (-0.08, 0.25), (-0.6, 0.25)), 1))
    hull = polygon((-0.9, 0.4), (0.9, 0.4), (0.6, 0.85), (-0.6, 0.85))
    return [(hull, 0), (box(-0.04, top, 0.03, 0.4), 2), *sails]


def bottle(rng: np.random.Generator) -> list[Part]:
    """A body, shoulders, a neck with a cap, and a label."""
    wide, shoulder = rng.uniform(0.3, 0.42), rng.uniform(-0.4, -0.1)
    body = polygon((-wide, 1), (-wide, shoulder), (-0.12, shoulder - 0.3), (-0.12, -0.85),
                   (0.12, -0.85), (0.12, shoulder - 0.3), (wide, shoulder), (wide, 1))  # fmt: skip
    return [(body, 0), (box(-0.15, -1, 0.15, -0.82), 1), (box(-wide, 0.2, wide, rng.uniform(0.5, 0.8)), 2)]


def fish(rng: np.random.Generator) -> list[Part]:
    """An oval with a tail, a fin and an eye."""
    fat = rng.uniform(0.32, 0.5)
    tail = polygon((0.5, 0), (1, -fat), (0.88, 0), (1, fat))
    fin = polygon((-0.2, -fat * 0.8), (0.25, -fat - 0.3), (0.3, -fat * 0.5))
    return [(tail, 1), (fin, 1), (oval(-0.15, 0, 0.75, fat), 0), (oval(-0.6, -0.08, 0.08, 0.08), 2)]


def house(rng: np.random.Generator) -> list[Part]:
    """Walls, a gable roof, a door and windows."""
    eaves, ridge = rng.uniform(-0.25, 0.1), rng.uniform(-1, -0.7)
    roof = polygon((-0.95, eaves), (rng.uniform(-0.3, 0.3), ridge), (0.95, eaves))
    windows = [(box(x, eaves + 0.2, x + 0.25, eaves + 0.48), 2) for x in (-0.6, 0.35)]
    return [(box(-0.75, eaves, 0.75, 0.9), 0), (roof, 1), (box(-0.15, 0.35, 0.15, 0.9), 1), *windows]


def key(rng: np.random.Generator) -> list[Part]:
    """A ring, a shaft and two or three teeth."""
    teeth = [(box(x, 0.08, x + 0.12, rng.uniform(0.25, 0.42)), 0) for x in (0.4, 0.62, 0.84)[: rng.integers(2, 4)]]
    hole = rng.uniform(0.14, 0.26)
    return [(ring(-0.6, 0, 0.4, hole), 0), (box(-0.22, -0.09, 1, 0.1), 0), *teeth]


def mug(rng: np.random.Generator) -> list[Part]:
    """A cup seen from a little above, with a handle and a band."""
    slope, band = rng.uniform(0, 0.15), rng.uniform(-0.1, 0.3)
    body = polygon((-0.7, -0.6), (0.5, -0.6), (0.5 - slope, 0.8), (-0.7 + slope, 0.8))
    handle = ring(0.5, 0.05, 0.42, rng.uniform(0.22, 0.3))
    return [(handle, 0), (body, 0), (oval(-0.1, -0.6, 0.6, 0.16), 1), (box(-0.6, band, 0.4, band + 0.22), 2)]


def tree(rng: np.random.Generator) -> list[Part]:
    """A trunk under three to five leaf balls."""
    balls = [
        (oval(rng.uniform(-0.4, 0.4), rng.uniform(-0.6, -0.1), *rng.uniform(0.3, 0.5, 2)), 0)
        for _ in range(rng.integers(3, 6))
    ]
    return [(polygon((-0.1, -0.2), (0.1, -0.2), (0.2, 1), (-0.2, 1)), 1), *balls]


def umbrella(rng: np.random.Generator) -> list[Part]:
    """A half disc with a scalloped rim, a rod and a hook."""
    angle = np.linspace(math.pi, 2 * math.pi, 24)
    dome = np.stack([0.95 * np.cos(angle), 0.95 * np.sin(angle) + 0.05], axis=1)
    rim = np.linspace(0.95, -0.95, 33)
    scallops = np.stack([rim, 0.05 - 0.12 * np.abs(np.sin(rim / 0.95 * 2 * math.pi))], axis=1)
    stripe = polygon((0, -0.9), (0.24, 0), (-0.24, 0))
    hook = ring(0.13, rng.uniform(0.75, 0.9), 0.18, 0.1)
    return [(box(-0.04, -0.2, 0.04, 0.85), 2), (hook, 2), (np.concatenate([dome, scallops]), 0), (stripe, 1)]


THINGS: dict[str, Thing] = {thing.__name__: thing for thing in (boat, bottle, fish, house, key, mug, tree, umbrella)}
CLASSES = tuple(THINGS)

# Body, second and third colour; the classes overlap, and SPREAD (of 255) lets each wander.
USUAL_COLOURS: dict[str, tuple[str, str, str]] = {
    "boat": ("brown", "white", "dimgray"),
    "bottle": ("seagreen", "firebrick", "wheat"),
    "fish": ("orange", "tomato", "black"),
    "house": ("wheat", "firebrick", "steelblue"),
    "key": ("goldenrod", "gold", "gold"),
    "mug": ("steelblue", "wheat", "white"),
    "tree": ("seagreen", "brown", "brown"),
    "umbrella": ("firebrick", "white", "dimgray"),
}
SPREAD = 45


def jpeg(image: Image.Image, rng: np.random.Generator) -> bytes:
    """As a JPEG of everyday quality."""
    return _encoded(image, "JPEG", quality=int(rng.integers(60, 95)))


def truncated(image: Image.Image) -> bytes:
    """The first half of a JPEG."""
    data = _encoded(image, "JPEG")
    return data[: len(data) // 2]


def empty(image: Image.Image) -> bytes:
    """No bytes at all."""
    return b""


def text(image: Image.Image) -> bytes:
    """What a failed download leaves behind."""
    return b"<html><title>404 Not Found</title></html>\n"


def png(image: Image.Image) -> bytes:
    """A good image under the wrong extension."""
    return _encoded(image, "PNG")


ODD_FILES: dict[str, Callable[[Image.Image], bytes]] = {
    oddity.__name__: oddity for oddity in (truncated, empty, text, png)
}


def _encoded(image: Image.Image, format_name: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()
