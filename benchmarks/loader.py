"""Augmented images a second of one core: from the cache of pixels, from the files, and as a script would make them.

    python benchmarks/loader.py --data shared/data/cats-dogs

Processor seconds of one process, median of rounds that alternate; what filling the cache costs is a line of its own. By
hand is Pillow and torchvision's RandomResizedCrop and RandomHorizontalFlip, each image decoded in full each time. The
last two lines are what the evaluation's stream costs, and reading, decoding and preparing alone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from PIL import Image
from table import ratio

from medalist.data.decode import Picture, Preprocessing
from medalist.data.ingest import look
from medalist.data.loader import Glance, stream
from medalist.data.pixels import Pixels
from medalist.store import hash_bytes

SIZE, SIDE = 224, 258
TARGET = Preprocessing(SIZE, SIZE, (0.5,) * 3, (0.5,) * 3)
PLAIN = "random_resized_crop(scale=(0.5, 1.0)) | flip"
TYPICAL = f"{PLAIN} | shift_scale_rotate | brightness | random_erasing"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=Path, help="folder of images, searched through")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    files = sorted(file for file in args.data.resolve().rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    paths = [str(file) for file in files[:: max(1, len(files) // args.images)][: args.images]]
    with tempfile.TemporaryDirectory(prefix="medalist-bench-") as folder:
        compare(paths, Path(folder), args.rounds)


def compare(paths: list[str], folder: Path, rounds: int) -> None:
    """Print a line a way, then the ratios."""
    hashes = [hash_bytes(Path(path).read_bytes()) for path in paths]
    start = time.perf_counter()
    cached = Pixels.build(Path("/"), paths, hashes, side=SIDE, cache=folder / "cache", max_bytes=4 << 30)
    print(f"cache of {cached.num_cached} images filled in {time.perf_counter() - start:.1f} wall seconds")
    bare = Pixels.build(Path("/"), paths, hashes, side=SIDE, cache=folder / "bare", max_bytes=0)
    ways: dict[str, Callable[[], object]] = {
        "cache, crop and flip": lambda: shown(cached, paths, PLAIN),
        "files, crop and flip": lambda: shown(bare, paths, PLAIN),
        "by hand, crop and flip": by_hand(paths),
        "cache, typical": lambda: shown(cached, paths, TYPICAL),
        "files, typical": lambda: shown(bare, paths, TYPICAL),
        "evaluation's stage": lambda: [look(path, [asdict(TARGET)]) for path in paths],
        "decode and prepare alone": lambda: ([Picture(Path(path).read_bytes()).prepare(TARGET) for path in paths]),
    }
    rate = {name: len(paths) / seconds for name, seconds in processor_seconds(ways, rounds).items()}
    for name, value in rate.items():
        print(f"{name:28s} {value:8.1f} images a second")
    for one, other, against in (
        ("cache, crop and flip", "by hand, crop and flip", "Pillow and torchvision"),
        ("cache, crop and flip", "files, crop and flip", "medalist from the files"),
        ("cache, typical", "files, typical", "medalist from the files"),
    ):
        ratio(f"augmented images from the {one}, times", rate[one] / rate[other], against)


def processor_seconds(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median of each, alternating; a round before the first pays for imports."""
    spent = {name: list[float]() for name in ways}
    for _ in range(rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            way()
            spent[name].append(time.process_time() - start)
    return {name: statistics.median(seconds[1:]) for name, seconds in spent.items()}


def shown(pixels: Pixels, paths: list[str], policy: str) -> None:
    """All images once, in this process."""
    work = [Glance(i, 0, SIZE, SIZE) for i in range(len(paths))]
    with stream(pixels, paths, work, policy=policy, target=asdict(TARGET), seed=0, workers=0) as images:
        for _ in images:
            pass


def by_hand(paths: list[str]) -> Callable[[], object]:
    """What a Dataset's `__getitem__` does."""
    import torch
    from torchvision.transforms import v2

    torch.set_num_threads(1)
    crop = v2.Compose([v2.RandomResizedCrop(SIZE, scale=(0.5, 1)), v2.RandomHorizontalFlip(), v2.ToImage()])

    def work() -> None:
        for path in paths:
            crop(Image.open(path).convert("RGB"))

    return work


if __name__ == "__main__":
    main()
