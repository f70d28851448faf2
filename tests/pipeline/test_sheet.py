"""The contact sheet: what lies on it, and what is refused before anything is drawn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from medalist.data.decode import Preprocessing, decode
from medalist.data.views import Draw, Policy
from medalist.errors import RecipeError
from medalist.pipeline.page import GAP, LINE, _cut, _lines
from medalist.pipeline.sheet import _originals, _shares, show
from medalist.pipeline.way import read
from medalist.recipe import Recipe, load_recipe

SIDE = 64
POLICY = "random_resized_crop | flip"


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe(None, [f"size={SIDE}"], metric="accuracy")


def test_each_picture_is_what_a_training_sees(recipe: Recipe, competition: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    said = show(recipe, competition, out, augment=POLICY, images=3, copies=2, seed=5)
    assert "3 images, 2 epochs each, 64 x 64" in said
    page_HWC = decode(out.read_bytes())
    table = read(recipe, competition).labelled()
    target = Preprocessing(height=SIDE, width=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3, crop_pct=1.0)
    first = _originals(table, 3, 5)[0]
    image_HWC = decode((table.root / str(table.paths[first.row])).read_bytes())
    expected_HWC = Policy.parse(POLICY)(image_HWC, Draw(5, 1, str(table.ids[first.row])), target)
    # The third picture of the first row: epoch 1. Its heading takes some lines, of which the page tells the number.
    left = GAP + 2 * (SIDE + GAP)
    found = [
        top
        for top in range(GAP, 12 * LINE)
        if np.array_equal(page_HWC[top : top + SIDE, left : left + SIDE], expected_HWC)
    ]
    assert len(found) == 1


def test_the_same_command_draws_the_same_bytes(recipe: Recipe, competition: Path, tmp_path: Path) -> None:
    sheets = []
    for seed in (1, 1, 2):
        show(recipe, competition, tmp_path / "a.png", augment=POLICY, images=2, copies=2, mix="mixup", seed=seed)
        sheets.append((tmp_path / "a.png").read_bytes())
    assert sheets[0] == sheets[1] != sheets[2]


def test_mixed_batches_lie_below_in_rows_as_wide(recipe: Recipe, competition: Path, tmp_path: Path) -> None:
    plain, mixed = tmp_path / "plain.png", tmp_path / "mixed.png"
    show(recipe, competition, plain, augment="", images=5, copies=1)
    show(recipe, competition, mixed, augment="", images=5, copies=1, mix="cutmix(alpha=1.0)")
    size, taller = (decode(file.read_bytes()).shape[1::-1] for file in (plain, mixed))
    assert size[0] == taller[0] == GAP + 2 * (SIDE + GAP)
    assert taller[1] >= size[1] + 3 * (SIDE + LINE + GAP)  # five pictures, two a row


def test_images_are_of_as_many_classes_as_can_be(recipe: Recipe, competition: Path) -> None:
    table = read(recipe, competition).labelled()
    originals = _originals(table, len(table.classes), 0)
    assert len({one.classes for one in originals}) == len(table.classes)


def test_files_that_cannot_be_read_are_passed_over(recipe: Recipe, competition: Path) -> None:
    table = read(recipe, competition).labelled()
    assert 0 < len(_originals(table, 10**6, 0)) < len(table)


def test_captions() -> None:
    assert _shares(("cat", "dog", "cow"), np.array([0.38, 0.62, 0.001])) == "dog 0.62, cat 0.38"
    assert _lines("one two three", 10**6) == ["one two three"]
    assert _lines("one two three", 1) == ["one", "two", "three"]
    assert _cut("short", 100) == "short"
    assert _cut("much too long for this", 50).endswith("…")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"augment": "flop"}, "did you mean 'flip'"),
        ({"mix": "mixupp"}, "did you mean 'mixup'"),
        ({"out": "sheet.jpg"}, "type --out sheet.png"),
        ({"out": "data/sheet.png"}, "lies inside the dataset"),
        ({"images": 0}, "--images is a number of 1 to 100"),
        ({"copies": 101}, "--copies is a number of 1 to 100"),
    ],
)
def test_slips_are_told_before_anything_is_read(recipe: Recipe, tmp_path: Path, changed: dict, said: str) -> None:
    (tmp_path / "data").mkdir()
    arguments = {"augment": POLICY, "out": "sheet.png"} | changed
    out = tmp_path / arguments.pop("out")
    with pytest.raises(RecipeError, match=said):
        show(recipe, tmp_path / "data", out, **arguments)
    assert list(tmp_path.iterdir()) == [tmp_path / "data"]


def test_the_verb(competition: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    command = ["show", competition, "size=48", "--augment", "flip", "--images", "2", "--copies", "1", "--out", out]
    process = subprocess.run(
        [sys.executable, "-m", "medalist.cli", *map(str, command)], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert "2 images, 1 epochs each, 48 x 48 pixels" in process.stdout
    assert out.is_file()
