"""Augmented images a second, one core: a policy of medalist against albumentations' own Compose of the same operations.

Both sides get the same images, of the network's size already, and send them through validation's resize, which has
nothing left to do: what a file's own resize costs is the same for both. Parameters and chances are equal. Where the
policy crops at random, both get images of a cache's size (258 x 344), and albumentations' RandomResizedCrop with
INTER_AREA stands against ours, which keeps Pillow's antialiased filter, the one of validation, and pays for it.
Seconds are of the processor, so that a busy machine does little harm.
A table gives microseconds of each operation by itself, at p = 1.

    python benchmarks/augment.py [--data DIR/cats-dogs]     # on drawn images without --data
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from table import ratio

from medalist.data.decode import Preprocessing, decode, prepare
from medalist.data.views import Draw, Policy, ops
from medalist.data.views.draws import generator
from medalist.data.views.optional import opencv

SIZE = (258, 344)  # height and width of a cached image: short side 1.15 times the network's input
TARGET = Preprocessing(height=224, width=224, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic", crop_pct=1.0)
CHAIN = "flip | shift_scale_rotate(limit=15) | brightness_contrast | random_erasing"
CROPPED = "random resized crop"
ONE_OF = "one_of(gauss_noise, clahe, jpeg, gamma, posterize, blur)"
POLICIES = {
    "mirror and erase": "flip | random_erasing",
    "chain of four": CHAIN,
    "write-up 3's chain": f"flip | vertical_flip | shift_scale_rotate(limit=15) | brightness_contrast | {ONE_OF}"
    " | random_erasing",
    CROPPED: "random_resized_crop | flip",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder of JPEGs")
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=5, help="alternating measurements of each side")
    arguments = parser.parse_args()
    opencv()  # one thread for both sides
    images = photographs(arguments.data, arguments.images) if arguments.data else drawn(arguments.images)
    table_of_operations(images)
    print(f"\n{'policy':22s} {'medalist':>9s} {'Compose':>9s}  images a second, {os.cpu_count()} cores, one used")
    fitted = [prepare(image, TARGET) for image in images]
    for name, text in POLICIES.items():
        shown = images if name == CROPPED else fitted
        sides = [ours(text, shown), theirs(name, shown)]
        seconds = [[timed(side) for side in sides] for _ in range(arguments.pairs)]
        rate = [len(shown) / statistics.median(pair[side] for pair in seconds) for side in (0, 1)]
        print(f"{name:22s} {rate[0]:9.0f} {rate[1]:9.0f}")
        ratio(f"{name}, times as fast", statistics.median(b / a for a, b in seconds), "albumentations.Compose")


def drawn(count: int) -> list[np.ndarray]:
    """Smooth colours with noise, of the size of cached images."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]]
    rng = np.random.default_rng(0)
    waves = [np.stack([x * a + y, y * 2 - x * a, x + y], axis=2) % 256 for a in range(1, count + 1)]
    return [np.clip(wave * 0.8 + rng.integers(0, 40, wave.shape), 0, 255).astype(np.uint8) for wave in waves]


def photographs(folder: Path, count: int) -> list[np.ndarray]:
    """The first JPEGs below a folder, brought to the size of cached images."""
    cached = Preprocessing(height=SIZE[0], width=SIZE[1], mean=(0.5,) * 3, std=(0.5,) * 3, crop_pct=1.0)
    return [prepare(decode(file.read_bytes()), cached) for file in sorted(folder.rglob("*.jpg"))[:count]]


def table_of_operations(images: list[np.ndarray]) -> None:
    """Microseconds of each operation, on what a policy would hand it."""
    print(f"{'operation':26s} microseconds")
    fitted = [prepare(image, TARGET) for image in images]
    for name in ops:
        bound = ops.bind(name)
        more = {"target": TARGET} if bound.facts.get("fits") else {}
        shown = images if more else fitted
        print(f"{name:26s} {least(partial(each, bound, shown, more)) / len(images) * 1e6:8.0f}")
    coins = least(lambda: [Draw(0, 0, str(i)).lot("0:flip") for i in range(2000)]) / 2000 * 1e6
    both = least(lambda: [generator(Draw(0, 0, str(i)).lot("0:flip")[1]) for i in range(2000)]) / 2000 * 1e6
    print(f"{'(coin; coin and generator)':26s} {coins:8.1f} {both:8.1f}")


def each(bound: Any, images: list[np.ndarray], more: dict[str, Any]) -> None:
    """One operation on all images, a random generator for each."""
    for i, image in enumerate(images):
        bound(image, generator(i), **more)


def least(work: Callable[[], Any]) -> float:
    """The least seconds of five rounds."""
    return min(timed(work) for _ in range(5))


def timed(work: Callable[[], Any]) -> float:
    """Seconds of the processor."""
    start = time.process_time()
    work()
    return time.process_time() - start


def ours(text: str, images: list[np.ndarray]) -> Callable[[], Any]:
    """All images through a policy, an epoch on from the last time."""
    policy, epochs = Policy.parse(text), iter(range(10**6))

    def work() -> None:
        epoch = next(epochs)
        for i, image in enumerate(images):
            policy(image, Draw(0, epoch, f"image.{i}"), TARGET)

    return work


def theirs(name: str, images: list[np.ndarray]) -> Callable[[], Any]:
    """The same by albumentations' Compose."""
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as al

    compose, fits = al.Compose(transforms(name)), name == CROPPED

    def work() -> None:
        for image in images:
            compose(image=image if fits else prepare(image, TARGET))

    return work


def transforms(name: str) -> list[Any]:
    """albumentations' names for POLICIES, with our defaults."""
    import albumentations as al
    import cv2

    flip = al.HorizontalFlip(p=0.5)
    if name == CROPPED:
        return [al.RandomResizedCrop((224, 224), interpolation=cv2.INTER_AREA), flip]
    erase = al.Erasing(scale=(0.02, 0.33), ratio=(0.3, 3.3), fill="random_uniform", p=0.5)
    if name == "mirror and erase":
        return [flip, erase]
    turn = al.Affine(
        scale=(0.9, 1.1),
        translate_percent={"x": (-0.0625, 0.0625), "y": (-0.0625, 0.0625)},
        rotate=(-15, 15),
        border_mode=cv2.BORDER_REFLECT_101,
        p=0.5,
    )
    light = al.RandomBrightnessContrast(p=0.5)
    if name == "chain of four":
        return [flip, turn, light, erase]
    either = [
        al.GaussNoise(std_range=(0.0125, 0.028)),
        al.CLAHE(),
        al.ImageCompression(quality_range=(50, 95)),
        al.RandomGamma(),
        al.Posterize(num_bits=4),
        al.Blur(),
    ]
    return [flip, al.VerticalFlip(p=0.5), turn, light, al.OneOf(either, p=0.5), erase]


if __name__ == "__main__":
    main()
