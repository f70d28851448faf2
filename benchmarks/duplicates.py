"""Copies planted among real images: how many are found, and how many strangers are taken for copies.

    python benchmarks/duplicates.py --data cats-dogs mushrooms8 [--images 200]

Of each drawn image four copies are written as JPEG: three fifths of its size, quality 40, mirrored, and cut down to
95 % of each side at a place drawn at random. Recall: copies in one group with their image. Precision: of all pairs
(copy, image of the set) in one group, those of its own image or of one that was grouped with it before.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from medalist.data.decode import decode
from medalist.data.groups import duplicate_groups
from medalist.data.ingest import facts_of
from medalist.pipeline.way import read
from medalist.recipe import load_recipe

CROPPED = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of image sets")
    parser.add_argument("--images", type=int, default=200, help="drawn of each set")
    arguments = parser.parse_args()
    print(f"{'':16s}" + "".join(f"{kind:>14s}" for kind in COPIES) + f"{'precision':>14s}{'clusters before':>18s}")
    for root in arguments.data:
        with tempfile.TemporaryDirectory() as folder:
            print(line(root, Path(folder), arguments.images), flush=True)


def line(root: Path, folder: Path, num_images: int) -> str:
    """A set: recall of each kind of copy, precision, and the clusters that it has by itself."""
    table = read(load_recipe(metric="accuracy"), root)
    paths = [str((table.root / path).resolve()) for path in table.paths]
    drawn = random.Random(0)
    rows, kinds = [], []
    for row in drawn.sample(range(len(paths)), min(num_images, len(paths))):
        image = Image.fromarray(decode(Path(paths[row]).read_bytes()))
        for kind, copy in COPIES.items():
            file = folder / f"{kind}-{row}.jpg"
            copy(image, drawn).save(file, quality=40 if kind == "recompressed" else 90)
            paths.append(str(file))
            rows.append(row)
            kinds.append(kind)
    facts = facts_of(Path("/"), paths, cache=folder / "cache")
    group_N, before_N = duplicate_groups(facts), duplicate_groups(facts[: len(table)])
    own_P, of_P = group_N[len(table) :], np.array(rows)
    found_P = own_P == group_N[of_P]
    recall = [found_P[np.array(kinds) == kind].mean() for kind in COPIES]
    together_PN = own_P[:, None] == group_N[None, : len(table)]
    right = (together_PN & (before_N[of_P][:, None] == before_N[None])).sum()
    clusters = (np.bincount(before_N) > 1).sum()
    numbers = "".join(f"{value:14.3f}" for value in [*recall, right / together_PN.sum()])
    return f"{root.name:16s}{numbers}{clusters:18d}"


def resized(image: Image.Image, drawn: random.Random) -> Image.Image:
    """Three fifths of each side."""
    return image.resize((max(1, image.width * 3 // 5), max(1, image.height * 3 // 5)), Image.Resampling.BICUBIC)


def cropped(image: Image.Image, drawn: random.Random) -> Image.Image:
    """95 % of each side, anywhere."""
    width, height = (round(side * (1 - CROPPED)) for side in image.size)
    left, top = drawn.randint(0, image.width - width), drawn.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


COPIES: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "resized": resized,
    "recompressed": lambda image, drawn: image,
    "mirrored": lambda image, drawn: ImageOps.mirror(image),
    "cropped": cropped,
}

if __name__ == "__main__":
    main()
