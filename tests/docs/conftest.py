"""The folders that the docs type commands at, made of drawn competitions: class folders, and the write-ups' layouts."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medalist.data.decode import decode
from medalist.data.drawn import CLASSES, draw_competition
from medalist.errors import DataError

FLOATS = {"boat", "fish", "bottle"}


@pytest.fixture
def draw() -> Callable[[Path, str], None]:
    """`draw(root, page)`: what the commands of a page (its path below `docs`) need in the folder `root`."""
    return _draw


def _draw(root: Path, page: str) -> None:
    draw_competition(root / "DATA", seed=3, num_train=64, num_test=16)
    for further in DRAWN.get(page, ()):
        further(root)


def _scans(root: Path) -> None:
    """16-bit grey PNGs of DATA in SCANS, and another set of the kind in PUBLIC."""
    for file, image_HWC in _readable(root / "DATA"):
        copy = (root / "SCANS" / file.relative_to(root / "DATA")).with_suffix(".png")
        copy.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image_HWC.mean(axis=2).astype(np.uint16) * 8).save(copy)
    shutil.copy(root / "DATA" / "sample_submission.csv", root / "SCANS")
    draw_competition(root / "PUBLIC", seed=4, num_train=64, num_test=8)


def _tags(root: Path) -> None:
    """A CSV of paths and tags: what it shows, and whether that floats."""
    rows = [(name, label, *(["floats"] if label in FLOATS else [])) for name, label in _copied(root, "tags")]
    _write(root / "tags" / "train.csv", [("img_path", "tags"), *((row[0], ",".join(row[1:])) for row in rows)])
    tests = sorted(file.name for file in (root / "tags" / "test").iterdir())
    _write(
        root / "tags" / "sample_submission.csv", [("img_path", "tags"), *((f"test/{name}", "boat") for name in tests)]
    )
    (root / "tags" / "valid_tags.txt").write_text("\n".join([*CLASSES, "floats"]) + "\n", encoding="utf-8")


def _cats_dogs(root: Path) -> None:
    """Flat names: half of the things are cats, the others dogs."""
    for number, (name, label) in enumerate(_copied(root, "cats-dogs")):
        kind = "cat" if label in CLASSES[: len(CLASSES) // 2] else "dog"
        (root / "cats-dogs" / name).rename(root / "cats-dogs" / "train" / f"{kind}.{number}.jpg")
    tests = sorted(file.stem for file in (root / "cats-dogs" / "test").iterdir())
    _write(root / "cats-dogs" / "sample_submission.csv", [("id", "label"), *((name, "0.5") for name in tests)])


def _class_folders(root: Path) -> None:
    """Mushrooms as they are drawn, products with their test images in a nested folder."""
    for name in ("mushrooms", "products"):
        shutil.copytree(root / "DATA", root / name)
    (root / "products" / "test").rename(root / "products" / "images")
    (root / "products" / "test").mkdir()
    (root / "products" / "images").rename(root / "products" / "test" / "test")


def _flowers(root: Path) -> None:
    """JSON lists; files lie by the number of their category plus one."""
    rows = []
    for number, (name, label) in enumerate(_copied(root, "flowers")):
        row = {"image_id": number, "category_id": CLASSES.index(label)}
        place = root / "flowers" / "train" / f"category_{row['category_id'] + 1}" / f"{number}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        (root / "flowers" / name).rename(place)
        rows.append(row)
    tests = sorted((root / "flowers" / "test").iterdir())
    listed = [{"id": int(file.stem), "file_name": f"test/{file.name}"} for file in tests]
    train = {"images": [{"id": row["image_id"]} for row in rows], "annotations": rows}
    (root / "flowers" / "train.json").write_text(json.dumps(train), encoding="utf-8")
    (root / "flowers" / "test.json").write_text(json.dumps({"images": listed}), encoding="utf-8")
    _write(root / "flowers" / "sample_submission.csv", [("id", "predicted"), *((one["id"], 0) for one in listed)])


def _copied(root: Path, name: str) -> list[tuple[str, str]]:
    """DATA's readable images in a flat `train/` of another folder; (path, class) of each, its test images beside."""
    shutil.copytree(root / "DATA" / "test", root / name / "test")
    (root / name / "train").mkdir()
    rows = []
    for file, _ in _readable(root / "DATA" / "train"):
        path = f"train/{file.parent.name}-{file.stem}.jpg"
        shutil.copy(file, root / name / path)
        rows.append((path, file.parent.name))
    return rows


def _readable(folder: Path) -> Iterable[tuple[Path, np.ndarray]]:
    """Image files below `folder` that are none of the drawn faults, in order, with their pixels."""
    for file in sorted(folder.rglob("*.jpg")):
        try:
            yield file, decode(file.read_bytes())
        except DataError:
            continue


def _write(file: Path, rows: Sequence[tuple[object, ...]]) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows(rows)


DRAWN: dict[str, tuple[Callable[[Path], None], ...]] = {
    "howto/medical.md": (_scans,),
    "howto/writeups.md": (_tags, _cats_dogs, _class_folders, _flowers),
}
