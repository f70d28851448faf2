"""Copies planted in drawn pictures are found whatever was done to them, strangers and recoloured twins are not."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from medalist.data.decode import decode
from medalist.data.facts import Facts
from medalist.data.ingest import facts_of
from medalist.data.table import TEST, TRAIN, ImageTable
from medalist.quality.alike import SAME, SIDE, alike, proposed, same_pictures
from medalist.quality.findings import findings

Change = Callable[[Image.Image], Image.Image]


def scene(seed: int, width: int = 240, height: int = 180) -> Image.Image:
    """Coloured blots of all sizes."""
    rng = np.random.default_rng(seed)
    noise = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((width, height), 3)
    fine = Image.fromarray(rng.integers(0, 256, (36, 48, 3), dtype=np.uint8)).resize((width, height), 3)
    return Image.blend(noise, fine, 0.4).filter(ImageFilter.GaussianBlur(1))


def cut(share: float) -> Change:
    def change(image: Image.Image) -> Image.Image:
        width, height = (round(side * (1 - share)) for side in image.size)
        left, top = random.Random(3).randint(0, image.width - width), image.height - height
        return image.crop((left, top, left + width, top + height))

    return change


CHANGES: dict[str, Change] = {
    "cut by 15 %": cut(0.15),
    "cut by 25 %": cut(0.25),
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "on its head": lambda image: image.transpose(Image.Transpose.ROTATE_180),
    "turned and mirrored": lambda image: ImageOps.mirror(image.transpose(Image.Transpose.ROTATE_270)),
    "tilted": lambda image: image.rotate(5, Image.Resampling.BICUBIC),
    "brighter": lambda image: image.point(lambda level: min(255, round(30 + 0.8 * level))),
}


def small(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))


def likeness(one: Image.Image, other: Image.Image) -> float:
    pictures = [small(one), small(other)]
    return float(same_pictures((np.array([0]), np.array([1])), pictures.__getitem__)[0])


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_copy_lies_on_its_picture_from_either_side(change: Change) -> None:
    image = scene(0)
    assert likeness(image, change(image)) >= SAME
    assert likeness(change(image), image) >= SAME


def test_strangers_and_flat_pictures_do_not() -> None:
    assert max(likeness(scene(0), scene(seed)) for seed in range(1, 9)) < 0.5
    grey = Image.new("RGB", (99, 99), (90, 90, 90))
    noise = Image.fromarray((np.random.default_rng(0).random((99, 99, 3)) * 2 + 89).astype(np.uint8))
    assert likeness(grey, grey) == likeness(grey, noise) == 0.0


def test_large_shapes_in_common_are_not_enough() -> None:
    """One shirt in red and in blue; two red ones with other prints."""
    page = np.full((180, 240, 3), 255, np.uint8)
    red, blue, print_one, print_two = (page.copy() for _ in range(4))
    for shirt, colour in ((red, (190, 30, 40)), (blue, (30, 40, 190)), (print_one, (190, 30, 40))):
        shirt[30:160, 60:180] = colour
    print_two[30:160, 60:180] = (190, 30, 40)
    print_one[60:90, 90:150] = (250, 240, 60)
    print_two[100:140, 100:120] = (250, 240, 60)
    images = [Image.fromarray(shirt) for shirt in (red, blue, print_one, print_two)]
    assert likeness(images[0], images[1]) < SAME
    assert likeness(images[2], images[3]) < SAME


def test_neighbours_are_proposed_once_but_not_of_one_group_nor_without_features() -> None:
    rng = np.random.default_rng(0)
    x_ND = rng.random((30, 5)).astype(np.float32)
    x_ND[7] = 0
    group_N = np.arange(30)
    group_N[3] = 2
    left, right = proposed(x_ND, group_N, num=4)
    unit_ND = x_ND / np.maximum(np.linalg.norm(x_ND, axis=1, keepdims=True), 1e-9)
    cosine_NN = unit_ND @ unit_ND.T
    expected = set()
    for row in range(30):
        others = [j for j in np.argsort(-cosine_NN[row], kind="stable") if group_N[j] != group_N[row]]
        expected |= {(min(row, j), max(row, j)) for j in others[:4] if cosine_NN[row, j] > 0}
    assert set(zip(left.tolist(), right.tolist(), strict=True)) == expected
    assert not any(7 in pair or pair == (2, 3) for pair in expected)


def planted(folder: Path, images: dict[str, Image.Image], test: tuple[str, ...] = ()) -> tuple[ImageTable, list[Facts]]:
    for name, image in images.items():
        image.save(folder / name, quality=90)
    names = np.array(list(images), dtype=object)
    split = np.array([TEST if name in test else TRAIN for name in names], np.uint8)
    labels = np.where(split == TEST, -1, np.arange(len(names)) % 2).astype(np.int32)
    table = ImageTable(folder, names, names, split, ("cat", "dog"), labels)
    return table, facts_of(folder, list(names), cache=folder / "cache")


def test_what_is_found_is_told_as_leaks_and_conflicts(tmp_path: Path) -> None:
    images = {f"{seed}.jpg": scene(seed) for seed in range(6)}
    images |= {"tilted.jpg": CHANGES["tilted"](scene(0)), "turned.jpg": CHANGES["turned"](scene(1))}
    table, facts = planted(tmp_path, images, test=("turned.jpg",))
    x_ND = np.concatenate([np.eye(6), np.eye(6)[:2] + 0.1]).astype(np.float32)
    group_N = alike(table, facts, x_ND, cache=tmp_path / "cache")
    assert group_N.tolist() == [0, 1, 2, 3, 4, 5, 0, 1]
    found = [one for one in findings(table, facts, group_N) if one.cluster]
    told = [(one.kind, one.row, one.detail.partition(" as ")[0]) for one in found]
    assert told == [("leak", 1, "alike"), ("leak", 7, "alike"), ("duplicate", 0, "alike"), ("duplicate", 6, "alike")]
    assert not [one for one in findings(table, facts) if one.cluster]  # no hash says so


def test_the_pair_that_grey_hashes_confuse(shared: Callable[[str], Path]) -> None:
    """A blue shirt and red ones of the same cut, and other red ones."""
    root = shared("data/cases")
    names = ("00000099.png", "00000006.png", "00000030.png", "00000040.png", "00000204.png")
    images = [Image.fromarray(decode((root / name).read_bytes())) for name in names]
    blue, red, *others = images
    assert max(likeness(blue, red), likeness(red, blue)) < 0.5
    assert likeness(red, others[0]) >= SAME  # the one that hashes find too
    assert all(likeness(red, other) < SAME for other in others[1:])
