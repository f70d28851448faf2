"""Copies planted among real images: how many are found, and how many strangers are taken for copies.

    python benchmarks/duplicates.py --data cats-dogs mushrooms8 [--images 200] [--backbone NAME --cards FOLDER]

Of each drawn image copies are written as JPEG: three fifths of its size, quality 40, mirrored, cut to 95 % and to 85 %
of each side at a place drawn at random, turned by a quarter, tilted by 5 degrees (black corners). Recall: copies in one
group with their image. Precision: of all pairs (copy, image of the set) in one group, those of its own image or of one
that was grouped with it before. A line by hashes alone, as every run sees it; with --backbone another by features and
pixels, as `check --deep` does.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from medalist.data.decode import decode
from medalist.data.groups import duplicate_groups
from medalist.data.ingest import facts_of
from medalist.data.table import ImageTable
from medalist.features.bank import FeatureBank
from medalist.pipeline.extraction import extract
from medalist.pipeline.way import read
from medalist.quality.alike import alike
from medalist.recipe import Recipe, load_recipe

TILT = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of image sets")
    parser.add_argument("--images", type=int, default=200, help="drawn of each set")
    parser.add_argument("--backbone", help="whose pooled features propose pairs")
    parser.add_argument("--cards", help="folder of cards")
    arguments = parser.parse_args()
    seen = {"views": ("center",), "taps": ("pooled",), "cards": arguments.cards}
    backbones = (arguments.backbone,) if arguments.backbone else ()
    recipe = load_recipe(metric="accuracy", backbones=backbones, **seen)
    print(f"{'':24s}" + "".join(f"{kind:>13s}" for kind in COPIES) + f"{'precision':>13s}{'clusters before':>17s}")
    for root in arguments.data:
        with tempfile.TemporaryDirectory() as folder:
            measure(recipe, root, Path(folder), arguments.images)


def measure(recipe: Recipe, root: Path, folder: Path, num_images: int) -> None:
    """Print a set's lines."""
    table = read(recipe, root)
    every, of_P, kind_P = planted(table, folder, num_images)
    facts = facts_of(every.root, list(every.paths), cache=folder / "cache")
    before, hashes = duplicate_groups(facts[: len(table)]), duplicate_groups(facts)
    print(line(f"{root.name}, hashes", hashes, before, of_P, kind_P), flush=True)
    if not recipe.backbones:
        return
    x_ND = features(recipe, every, folder / "cache")
    own = alike(every.take(np.arange(len(table))), facts[: len(table)], x_ND[: len(table)], cache=folder / "cache")
    found = alike(every, facts, x_ND, cache=folder / "cache")
    print(line(f"{root.name}, features", found, own, of_P, kind_P), flush=True)


def planted(table: ImageTable, folder: Path, num_images: int) -> tuple[ImageTable, np.ndarray, np.ndarray]:
    """The set with its copies behind it, all by absolute paths; of each copy the row of its image, and its kind."""
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
    names, num = np.array(paths, dtype=object), len(paths)
    every = ImageTable(Path("/"), names, names, np.zeros(num, np.uint8), ("one",), np.zeros(num, np.int32))
    return every, np.array(rows), np.array(kinds)


def features(recipe: Recipe, table: ImageTable, cache: Path) -> np.ndarray:
    """Pooled features, zeros where there are none."""
    found = extract(recipe, table.root, list(table.paths), cache=cache)
    hashes = [fact.hash if fact.ok else "" for fact in found.facts]
    return FeatureBank(cache).rows(found.spaces, hashes)[:]


def line(name: str, group_P: np.ndarray, before_N: np.ndarray, of_P: np.ndarray, kind_P: Sequence[str]) -> str:
    """Recall of each kind of copy, precision, and the clusters that the set has by itself."""
    own_P = group_P[len(before_N) :]
    found_P = own_P == group_P[of_P]
    recall = [found_P[np.array(kind_P) == kind].mean() for kind in COPIES]
    together_PN = own_P[:, None] == group_P[None, : len(before_N)]
    right = (together_PN & (before_N[of_P][:, None] == before_N[None])).sum()
    numbers = "".join(f"{value:13.3f}" for value in [*recall, right / together_PN.sum()])
    return f"{name:24s}{numbers}{(np.bincount(before_N) > 1).sum():17d}"


def resized(image: Image.Image, drawn: random.Random) -> Image.Image:
    """Three fifths of each side."""
    return image.resize((max(1, image.width * 3 // 5), max(1, image.height * 3 // 5)), Image.Resampling.BICUBIC)


def cut(image: Image.Image, drawn: random.Random, share: float) -> Image.Image:
    """All but a share of each side, anywhere."""
    width, height = (round(side * (1 - share)) for side in image.size)
    left, top = drawn.randint(0, image.width - width), drawn.randint(0, image.height - height)
    return image.crop((left, top, left + width, top + height))


def turned(image: Image.Image, drawn: random.Random) -> Image.Image:
    """A quarter to one side."""
    return image.transpose(drawn.choice((Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_270)))


COPIES: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "resized": resized,
    "recompressed": lambda image, drawn: image,
    "mirrored": lambda image, drawn: ImageOps.mirror(image),
    "cut 5 %": lambda image, drawn: cut(image, drawn, 0.05),
    "cut 15 %": lambda image, drawn: cut(image, drawn, 0.15),
    "turned": turned,
    "tilted": lambda image, drawn: image.rotate(drawn.choice((-TILT, TILT)), Image.Resampling.BICUBIC),
}

if __name__ == "__main__":
    main()
