"""New images that are known already: of the test set, of the labels, of each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from medalist.data.drawn import draw_image
from medalist.data.facts import Facts
from medalist.data.ingest import facts_of
from medalist.data.table import TEST, TRAIN, ImageTable
from medalist.expansion.copies import copies


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[ImageTable, list[Facts], Path]:
    """A labelled image and a test image, drawn."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in ("train", "test", "new", "other"):
        draw_image("boat", rng).save(folder / f"{name}.png")
    split = np.array([TRAIN, TEST], np.uint8)
    paths = np.array(["train.png", "test.png"])
    table = ImageTable(folder, paths, paths, split, ("boat", "fish"), np.array([0, -1], np.int32))
    return table, facts_of(folder, list(paths), cache=folder / "cache"), folder


def looked(folder: Path, *changes: tuple[str, str]) -> list[Facts]:
    """Facts of changed copies: (which picture, what is done to it)."""
    names = []
    for number, (name, change) in enumerate(changes):
        with Image.open(folder / f"{name}.png") as image:
            changed = {
                "same": lambda one: one,
                "smaller": lambda one: one.resize((one.width * 3 // 5, one.height * 3 // 5)),
                "mirrored": ImageOps.mirror,
                "cut": lambda one: one.crop((2, 2, one.width - 2, one.height - 2)),
            }[change](image)
            names.append(f"copy-{number}.{'png' if change == 'same' else 'jpg'}")
            changed.save(folder / names[-1])
    return facts_of(folder, names, cache=folder / "cache-new")


def test_each_is_refused_for_whose_picture_it_is(pictures: tuple[ImageTable, list[Facts], Path]) -> None:
    table, facts, folder = pictures
    new = looked(
        folder, ("test", "smaller"), ("test", "mirrored"), ("train", "cut"), ("new", "same"), ("other", "same")
    )
    told = copies(table, facts, new, ["boat"] * 5)
    assert {place: kind for place, (kind, _) in told.items()} == {0: "test", 1: "test", 2: "train"}
    assert "test.png" in told[0][1] and "train.png" in told[2][1]


def test_of_new_ones_the_first_stays_unless_they_were_found_for_two_classes(
    pictures: tuple[ImageTable, list[Facts], Path],
) -> None:
    table, facts, folder = pictures
    new = looked(folder, ("new", "same"), ("new", "smaller"), ("other", "same"), ("other", "mirrored"))
    told = copies(table, facts, new, ["boat", "boat", "boat", "fish"])
    assert {place: kind for place, (kind, _) in told.items()} == {1: "copy", 2: "several", 3: "several"}
    assert told[2][1] == "one picture was found for boat, fish"


def flipped(fact: Facts, bits: int) -> Facts:
    """The same picture, but for so many bits of its hashes."""
    changed = f"{int(fact.phash, 16) ^ ((1 << bits) - 1):016x}"
    return Facts(True, hash=f"{bits:064x}", pixel_hash=f"{bits:x}", phash=changed, mirrored="0" * 16,
                 crops=changed * 9, colour=fact.colour)  # fmt: skip


@pytest.mark.parametrize(("bits", "kind"), [(3, "test"), (8, "test"), (9, None)])
def test_a_test_image_is_guarded_at_twice_the_distance(
    pictures: tuple[ImageTable, list[Facts], Path], bits: int, kind: str | None
) -> None:
    table, facts, _ = pictures
    told = copies(table, facts, [flipped(facts[1], bits)], ["boat"])
    assert told.get(0, (None,))[0] == kind


def test_a_labelled_image_is_not(pictures: tuple[ImageTable, list[Facts], Path]) -> None:
    table, facts, _ = pictures
    assert copies(table, facts, [flipped(facts[0], 8)], ["boat"]) == {}


def test_a_dataset_without_readable_test_images_is_no_obstacle(pictures: tuple[ImageTable, list[Facts], Path]) -> None:
    table, facts, folder = pictures
    assert copies(table, [facts[0], Facts(False, "empty")], looked(folder, ("test", "same")), ["boat"]) == {}
