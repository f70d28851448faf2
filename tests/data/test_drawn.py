"""The drawn competition: its layout, its odd files, and that the answers are out of reach."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from medalist.data.drawn import CLASSES, draw_competition, draw_image
from medalist.errors import DataError

NUM_TRAIN, NUM_TEST = 80, 16


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Root of a small drawn competition, and its answers."""
    root = tmp_path_factory.mktemp("drawn") / "data"
    return root, draw_competition(root, seed=3, num_train=NUM_TRAIN, num_test=NUM_TEST)


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_layout_is_class_folders_a_flat_test_and_a_sample(drawn: tuple[Path, Path]) -> None:
    root, answers = drawn
    assert sorted(path.name for path in root.iterdir()) == ["sample_submission.csv", "test", "train"]
    assert tuple(sorted(path.name for path in (root / "train").iterdir())) == CLASSES
    assert len(list((root / "train").glob("*/*.jpg"))) == NUM_TRAIN
    sample, truth = rows(root / "sample_submission.csv"), rows(answers)
    assert sample[0] == truth[0] == ["id", "label"]
    ids = sorted(path.stem for path in (root / "test").iterdir())
    assert [row[0] for row in sample[1:]] == [row[0] for row in truth[1:]] == ids
    assert Counter(row[1] for row in truth[1:]) == dict.fromkeys(CLASSES, NUM_TEST // len(CLASSES))


def test_answers_are_outside_and_not_in_the_ids(drawn: tuple[Path, Path]) -> None:
    root, answers = drawn
    assert root not in answers.parents
    labels = [row[1] for row in rows(answers)[1:]]
    assert labels != sorted(labels)
    assert labels != [CLASSES[index % len(CLASSES)] for index in range(NUM_TEST)]


def test_odd_files_are_as_named(drawn: tuple[Path, Path]) -> None:
    odd = {path.stem: path for path in (drawn[0] / "train").glob("*/[a-z]*.jpg")}
    assert set(odd) == {"truncated", "empty", "text", "png"}
    with Image.open(odd["png"]) as image:
        assert image.format == "PNG"
    with Image.open(odd["truncated"]) as image, pytest.raises(OSError, match="truncated"):
        image.load()
    assert odd["empty"].stat().st_size == 0
    with pytest.raises(UnidentifiedImageError):
        Image.open(odd["text"])


def test_all_other_training_files_decode_and_one_is_a_copy(drawn: tuple[Path, Path]) -> None:
    files = sorted((drawn[0] / "train").glob("*/[0-9]*.jpg"))
    for file in files:
        with Image.open(file) as image:
            assert image.format == "JPEG"
            assert all(120 <= side <= 220 for side in image.convert("RGB").size)
    copies = [count for count in Counter(file.read_bytes() for file in files).values() if count > 1]
    assert copies == [2]


def test_same_seed_same_bytes(drawn: tuple[Path, Path], tmp_path: Path) -> None:
    root, answers = drawn
    again = draw_competition(tmp_path / "data", seed=3, num_train=NUM_TRAIN, num_test=NUM_TEST)
    assert again.read_bytes() == answers.read_bytes()
    for file in root.rglob("*.*"):
        assert (tmp_path / "data" / file.relative_to(root)).read_bytes() == file.read_bytes()
    other = draw_competition(tmp_path / "other", seed=4, num_train=NUM_TRAIN, num_test=NUM_TEST)
    assert other.read_bytes() != answers.read_bytes()


def test_a_second_call_touches_nothing(drawn: tuple[Path, Path]) -> None:
    root, answers = drawn
    before = {file: file.stat().st_mtime_ns for file in [answers, *root.rglob("*")]}
    assert draw_competition(root, seed=3, num_train=NUM_TRAIN, num_test=NUM_TEST) == answers
    assert before == {file: file.stat().st_mtime_ns for file in before}


def test_a_folder_with_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        draw_competition(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", CLASSES)
def test_every_thing_varies(name: str) -> None:
    first, second = (np.asarray(draw_image(name, np.random.default_rng(seed)).resize((32, 32))) for seed in (0, 1))
    assert np.abs(first.astype(int) - second).mean() > 5
