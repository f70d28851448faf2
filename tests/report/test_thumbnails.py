"""Thumbnails are drawn anew, found by id, and only of the dataset's own files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from medalist.pipeline.way import read
from medalist.recipe import load_recipe
from medalist.report.thumbnails import SIDE, Thumbnails


def pictures_of(root: Path) -> Thumbnails:
    return Thumbnails.of(read(load_recipe(None, (), metric="accuracy"), root))


def test_no_exif_is_left(dataset: tuple[Path, list[str], np.ndarray, list[str]]) -> None:
    root, ids, *_ = dataset
    assert b"Alice Example" in (root / ids[0]).read_bytes()
    pictures = pictures_of(root)
    assert pictures.by_id(ids[0]).startswith('<img src="thumbnails/')
    (data,) = pictures.made.values()
    assert b"Alice" not in data
    image = Image.open(io.BytesIO(data))
    assert not image.getexif() and image.size == (60, 40)


def test_a_large_one_is_made_small_and_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.new("RGB", (800, 400)).save(tmp_path / "a.jpg", exif=exif)
    pictures = Thumbnails(tmp_path, {"a": "a.jpg"})
    assert f'width="{SIDE // 2}" height="{SIDE}"' in pictures.by_id("a")


def test_what_is_no_picture_of_the_dataset_is_not_shown(tmp_path: Path) -> None:
    root = tmp_path / "data"
    root.mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    (root / "broken.jpg").write_bytes(b"no picture")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    pictures = Thumbnails(root, {"broken": "broken.jpg"})
    assert pictures.by_id("broken") == pictures.by_id("unknown") == ""
    assert pictures.by_path("../secret.png") == pictures.by_path("link.png") == pictures.by_path("nowhere") == ""
    assert pictures.made == {}


def test_equal_pictures_are_one_file(tmp_path: Path) -> None:
    for name in "ab":
        Image.new("RGB", (8, 8), "red").save(tmp_path / f"{name}.png")
    pictures = Thumbnails(tmp_path, {"a": "a.png", "b": "b.png"})
    assert pictures.by_id("a") == pictures.by_id("b") and len(pictures.made) == 1
