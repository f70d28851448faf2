"""More images for half a set: how well screening tells right from wrong, and whether judging tells help from harm.

    python benchmarks/expansion.py --data mushrooms8 --strangers cats-dogs flowers102 --backbone NAME --cards DIR

DATA (class folders) keeps half of its labelled images, clusters of duplicates whole; the other half is the source, a
folder a class. One in six of each class is put under another class's name, and as many strangers are added, images of
other sets; so are copies of a tenth as many test images (three fifths of the size) and training images (mirrored).
Precision and recall are of images under their own names. With --judge each is compared with the run without: what was
let in; everything but copies (`looks` off); and, likewise unscreened, the right images under shuffled names.
"""

from __future__ import annotations

import argparse
import csv
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from medalist.data.decode import decode
from medalist.data.groups import duplicate_groups
from medalist.data.ingest import facts_of
from medalist.data.table import TEST, ImageTable
from medalist.errors import DataError
from medalist.expansion.expand import Asked, expand
from medalist.expansion.judge import judge
from medalist.expansion.written import EXTRA, REFUSED
from medalist.pipeline.way import read
from medalist.recipe import load_recipe

WRONG, PLANTED = 1 / 6, 1 / 10  # of a class's right images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of an image set with class folders")
    parser.add_argument("--strangers", type=Path, nargs="+", required=True, help="folders of other sets")
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--cards", type=Path)
    parser.add_argument("--judge", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder to work in, kept; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments, arguments.work or Path(folder))


def measure(arguments: argparse.Namespace, work: Path) -> None:
    """Plant, screen, count; then judge."""
    keys = {"backbones": (arguments.backbone,), "cards": arguments.cards and str(arguments.cards.resolve())}
    recipe = load_recipe(metric="accuracy", **keys)
    cache, data, sources = (
        work / "cache",
        work / "data",
        {name: work / "sources" / name for name in ("mixed", "shuffled")},
    )
    if not data.is_dir():
        plant(arguments.data, arguments.strangers, data, sources, cache=cache, seed=arguments.seed)
    ways = {"screened": ("mixed", True), "unscreened": ("mixed", False), "shuffled": ("shuffled", False)}
    ways |= {"shuffled, screened": ("shuffled", True)}
    for way, (name, looks) in ways.items():
        asked = Asked((f"folder(path={str(sources[name])!r})",), 10**6, looks=looks)
        out = work / way.replace(", ", "-")
        text = expand(recipe, data, out, asked, cache=cache)
        print(f"{way}: {counts(out)}", flush=True)
        if way == "screened":
            print(next(line for line in text.splitlines() if line.startswith("of labelled images")))
        if arguments.judge and len((out / EXTRA).read_bytes().splitlines()) > 1:
            print(f"{way}: {judge(recipe, data, out, cache=cache).splitlines()[-1]}", flush=True)


def plant(
    root: Path, strangers: Sequence[Path], data: Path, sources: dict[str, Path], *, cache: Path, seed: int
) -> None:
    """Write the halved set, and the two sources; the first part of a source file's name is the truth of it."""
    table, drawn = read(load_recipe(metric="accuracy"), root), random.Random(seed)
    facts = facts_of(root, list(table.paths), cache=cache)
    group_N = duplicate_groups(facts)
    labelled = [row for row in range(len(table)) if table.split[row] != TEST and facts[row].ok]
    shutil.copytree(root / "test", data / "test")
    for file in (*root.glob("*.csv"), *root.glob("*.txt")):
        shutil.copy(file, data)
    held, kept = halves(labelled, table, group_N, drawn)
    for row in kept:
        put(root / table.paths[row], data / "train" / name_of(table, row))
    right, wrong = [], []
    for names in by_class(table, held).values():
        cut = round(len(names) * WRONG)
        wrong += names[:cut]
        right += names[cut:]
    for row in right:
        put(root / table.paths[row], sources["mixed"] / name_of(table, row), "right")
    for row in wrong:
        others = [name for name in table.classes if name != name_of(table, row)]
        put(root / table.paths[row], sources["mixed"] / drawn.choice(others), "wrong")
    shuffled = drawn.sample(right, len(right))
    for row, other in zip(right, shuffled, strict=True):
        put(root / table.paths[row], sources["shuffled"] / name_of(table, other), "shuffled")
    plant_strangers(strangers, len(wrong), table, sources["mixed"], drawn)
    tested = [row for row in range(len(table)) if table.split[row] == TEST and facts[row].ok]
    for truth, rows, change in (("test", tested, smaller), ("train", kept, ImageOps.mirror)):
        for row in drawn.sample(rows, min(len(rows), round(len(right) * PLANTED))):
            copy(root / table.paths[row], sources["mixed"] / drawn.choice(table.classes), truth, change)


def halves(
    rows: Sequence[int], table: ImageTable, group_N: np.ndarray, drawn: random.Random
) -> tuple[list[int], list[int]]:
    """Rows held back and rows kept, of each class about as many, clusters of duplicates whole."""
    groups = sorted({int(group_N[row]) for row in rows})
    drawn.shuffle(groups)
    members: dict[int, list[int]] = {group: [] for group in groups}
    for row in rows:
        members[int(group_N[row])].append(row)
    held, kept, balance = list[int](), list[int](), Counter[str]()
    for group in groups:
        name = name_of(table, members[group][0])
        (held if balance[name] < 0 else kept).extend(members[group])
        balance[name] += len(members[group]) * (1 if balance[name] < 0 else -1)
    return held, kept


def plant_strangers(roots: Sequence[Path], number: int, table: ImageTable, source: Path, drawn: random.Random) -> None:
    """Images of other sets under any class's name."""
    recipe = load_recipe(metric="accuracy")
    files = [other.root / path for other in (read(recipe, root) for root in roots) for path in other.paths if path]
    for file in drawn.sample(files, number):
        put(file, source / drawn.choice(table.classes), "strange")


def put(file: Path, folder: Path, truth: str = "own") -> None:
    """A copy of a file, its truth in its name."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, folder / f"{truth}-{len(list(folder.iterdir())):05d}-{file.name}")


def copy(file: Path, folder: Path, truth: str, change: Callable[[Image.Image], Image.Image]) -> None:
    """A changed copy of an image, if it can be decoded."""
    try:
        image = Image.fromarray(decode(file.read_bytes()))
    except DataError:
        return
    folder.mkdir(parents=True, exist_ok=True)
    change(image).save(folder / f"{truth}-{len(list(folder.iterdir())):05d}.jpg", quality=90)


def smaller(image: Image.Image) -> Image.Image:
    """Three fifths of each side."""
    return image.resize((max(1, image.width * 3 // 5), max(1, image.height * 3 // 5)), Image.Resampling.BICUBIC)


def name_of(table: ImageTable, row: int) -> str:
    """Its class."""
    return table.classes[table.labels[row]]


def by_class(table: ImageTable, rows: Sequence[int]) -> dict[str, list[int]]:
    """Rows of each class."""
    found: dict[str, list[int]] = {}
    for row in rows:
        found.setdefault(name_of(table, row), []).append(row)
    return found


def counts(out: Path) -> str:
    """Of each truth, how many were let in; precision and recall of `right`; what refused them."""
    taken, refused = Counter[str](), Counter[str]()
    why: dict[str, Counter[str]] = {}
    for file, counter in ((EXTRA, taken), (REFUSED, refused)):
        with (out / file).open(newline="", encoding="utf-8", errors="surrogateescape") as lines:
            for row in csv.DictReader(lines):
                truth = Path(row["url"]).name.partition("-")[0]
                counter[truth] += 1
                if file == REFUSED:
                    why.setdefault(truth, Counter())[row["kind"]] += 1
    told = [f"{truth} {taken[truth]} of {taken[truth] + refused[truth]}" for truth in sorted({*taken, *refused})]
    if taken["right"]:
        precision = taken["right"] / taken.total()
        recall = taken["right"] / (taken["right"] + refused["right"])
        told.append(f"precision {precision:.3f}, recall {recall:.3f}")
    return "; ".join([*told, *(f"{truth} refused as {dict(kinds)}" for truth, kinds in sorted(why.items()))])


if __name__ == "__main__":
    main()
