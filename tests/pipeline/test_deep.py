"""`check --deep`: planted wrong labels, strangers and shifts are told; what cannot be looked for is said in words."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from medalist.data.facts import Facts
from medalist.data.groups import Duplicates
from medalist.data.table import EXTRA, TEST, TRAIN, ImageTable
from medalist.errors import MissingExtraError, RecipeError
from medalist.features.bank import FeatureBank, Space
from medalist.pipeline.audit import Row, audit, candidates
from medalist.pipeline.deep import Deep, _see, look_deeper
from medalist.pipeline.extraction import Extracted
from medalist.quality.findings import _kind
from medalist.recipe import load_recipe

RECIPE = load_recipe(metric="accuracy")
SPACE = Space({"name": "drawn", "weights_hash": "0", "view": "center", "tap": "pooled"}, 16)
CLASSES = ("cat", "dog", "NA")


def look(cache: Path, x_ND: np.ndarray, labels: Any, x_MD: np.ndarray, recipe: Any = RECIPE) -> Deep:
    """Features stand for images: training rows first, then test rows, their labels unknown."""
    x_PD = np.concatenate([x_ND, x_MD]).astype(np.float32)
    names = [f"{row:064x}" for row in range(len(x_PD))]
    if isinstance(labels, np.ndarray):
        labels = np.concatenate([labels, np.full(len(x_MD), -1)]).astype(np.int32)
    else:
        labels = csr_array(np.concatenate([labels.toarray(), np.zeros((len(x_MD), labels.shape[1]), bool)]))
    table = ImageTable(
        root=cache,
        ids=np.array(names),
        paths=np.array(names),
        split=np.repeat(np.array([TRAIN, TEST], np.uint8), [len(x_ND), len(x_MD)]),
        classes=CLASSES,
        labels=labels,
    )
    FeatureBank(cache).write(SPACE, names, x_PD)
    facts = tuple(Facts(True, hash=name, pixel_hash=name) for name in names)
    return look_deeper(recipe, table, Extracted(facts, (SPACE,)), np.arange(len(table)), cache=cache)


def blobs(rng: np.random.Generator, y: Sequence[int], spread: float = 0.5) -> np.ndarray:
    """Features around a centre a class, none negative, as after a ReLU."""
    return np.abs(4 * np.eye(16)[np.asarray(y, int)] + 1 + spread * rng.normal(size=(len(y), 16)))


def kinds(found: Deep, kind: str) -> list[int]:
    return [one.row for one in found.findings if one.kind == kind]


def test_a_clean_set_has_nothing_to_tell(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=200)
    found = look(tmp_path, blobs(rng, y), y, blobs(rng, rng.integers(3, size=80)))
    assert not kinds(found, "label") and not kinds(found, "shift") and len(kinds(found, "outlier")) <= 3
    assert any("not told from training images" in line for line in found.told)


def test_wrong_labels_are_told_with_what_the_heads_prefer(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(3, size=300)
    wrong = rng.choice(300, 20, replace=False)
    given = y.copy()
    given[wrong] = (y[wrong] + 1) % 3
    found = look(tmp_path, blobs(rng, y), given, blobs(rng, []))
    flagged = kinds(found, "label")
    assert set(flagged) <= set(wrong) and len(flagged) >= 10
    for one in found.findings:
        if one.kind == "label":
            assert one.detail.startswith(f"{CLASSES[y[one.row]]} 0.")
            assert f", {CLASSES[given[one.row]]} 0." in one.detail


def test_wrong_tags_are_told_by_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    tags_NC = rng.random((300, 3)) < 0.5
    x_ND = np.abs(1 + 4 * tags_NC @ np.eye(3, 16) + 0.3 * rng.normal(size=(300, 16)))
    given_NC = tags_NC.copy()
    given_NC[7, 1] ^= True
    found = look(tmp_path, x_ND, csr_array(given_NC), blobs(rng, []))
    assert kinds(found, "label") == [7]
    told = next(one.detail for one in found.findings if one.kind == "label")
    assert told.startswith("dog ") and told.endswith(", given" if given_NC[7, 1] else ", not given")


def test_strangers_among_training_and_test_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(3, size=200)
    x_ND, x_MD = blobs(rng, y), blobs(rng, rng.integers(3, size=60))
    x_ND[9], x_MD[4] = blobs(rng, [8])[0] * 3, blobs(rng, [12])[0] * 3
    assert set(kinds(look(tmp_path, x_ND, y, x_MD), "outlier")[:2]) == {9, 204}


def test_a_shift_is_told_with_the_images_that_give_it_away(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(3, size=200)
    x_MD = blobs(rng, rng.integers(3, size=100))
    x_MD[:50, 10] += 4
    found = look(tmp_path, blobs(rng, y), y, x_MD)
    given_away = kinds(found, "shift")
    assert any(line.startswith("shift: test images are told from training images (AUC 0.") for line in found.told)
    assert len(given_away) == 24 and all(200 <= row < 250 for row in given_away[:12]) and max(given_away[12:]) < 200


@pytest.mark.parametrize(
    ("y", "said"),
    [
        ([], "labels: not doubted"),
        ([0], "labels: not doubted"),
        ([0] * 40, "labels: not doubted"),
        ([0, 1], "labels: not doubted"),
        ([0, 0, 0, 1, 1, 1], "outliers: not looked for"),
        ([0] * 30 + [1] * 30, "labels: 0 of 60"),
    ],
)
def test_sets_of_which_little_can_be_said(y: list[int], said: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    found = look(tmp_path, blobs(rng, y), np.array(y, int), blobs(rng, []))
    assert any(line.startswith(said) for line in found.told), found.told
    assert any(line.startswith("shift: not looked for") for line in found.told)


def test_the_only_image_of_a_class_is_not_doubted(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    y = np.array([0, 1] * 40 + [2])
    found = look(tmp_path, blobs(rng, y), y, blobs(rng, []))
    assert 80 not in kinds(found, "label")
    assert any("1 were not judged" in line for line in found.told)


def test_extra_rows_are_not_labelled_ones(tmp_path: Path) -> None:
    y = np.array([0, 1, 2, 0])
    table = ImageTable(
        root=tmp_path,
        ids=np.array(list("abcd")),
        paths=np.array(list("abcd")),
        split=np.array([TRAIN, TRAIN, TEST, EXTRA], np.uint8),
        classes=CLASSES,
        labels=y.astype(np.int32),
    )
    names = [f"{row:064x}" for row in range(4)]
    FeatureBank(tmp_path).write(SPACE, names, np.eye(4, 16, dtype=np.float32))
    found = Extracted(tuple(Facts(True, hash=name, pixel_hash=name) for name in names), (SPACE,))
    seen = _see(RECIPE, table, found, np.arange(4), tmp_path)
    assert seen.rows_N.tolist() == [0, 1] and seen.rows_M.tolist() == [2]
    twins = [Duplicates((0, 3), "near"), Duplicates((2, 3), "near"), Duplicates((0, 2, 3), "near")]
    assert [_kind(table, one) for one in twins] == ["duplicate", "duplicate", "leak"]
    assert _kind(table, Duplicates((1, 3), "near")) == "duplicate"  # labels of extra images are the expansion's matter


def test_a_recipe_without_heads_is_refused(tmp_path: Path) -> None:
    rng, recipe = np.random.default_rng(7), load_recipe(None, ["heads=[]", "finetune={}"], metric="accuracy")
    with pytest.raises(RecipeError, match="heads=ridge"):
        look(tmp_path, blobs(rng, [0, 1]), np.array([0, 1]), blobs(rng, []), recipe)


def test_candidates_are_labelled_images_with_all_their_reasons() -> None:
    rows = [
        Row("conflict", "a.jpg", "=a", "train", "cat", 1, "pixels as b.jpg, 2 in all", True),
        Row("label", "a.jpg", "=a", "train", "cat", 0, "dog 0.99, cat 0.01", True),
        Row("tiny", "b.jpg", "b", "train", "cat", 0, "3 x 3 pixels", True),
        Row("blank", "d.jpg", "d", "extra", "cat", 0, "values differ by 0.000 of 1", True),
        Row("outlier", "c.jpg", "c", "test", "", 0, "5.0 deviations from any image", True),
    ]
    (only,) = csv.DictReader(candidates(rows).decode().splitlines())
    reason = "conflict: pixels as b.jpg, 2 in all; label: dog 0.99, cat 0.01"
    assert only == {"id": "=a", "path": "a.jpg", "reason": reason}


def test_the_whole_verb(competition: Path, cache: Path, tmp_path: Path) -> None:
    recipe = load_recipe(None, ["views=center"], metric="accuracy", backbones=["embedded"])
    text = audit(recipe, competition, cache=cache, out=tmp_path / "found", deep=True)
    assert all(f"\n{what}: " in text for what in ("labels", "outliers", "shift"))
    told = json.loads((tmp_path / "found" / "findings.json").read_text(encoding="utf-8"))
    assert sum(told["classes"].values()) > 60
    labelled = {row["path"] for row in told["findings"] if row["split"] != "test"}
    with (tmp_path / "found" / "quarantine.csv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    assert {row["path"] for row in listed} <= labelled
    assert {row["path"] for row in told["findings"] if row["kind"] == "label"} <= {row["path"] for row in listed}


def test_without_cleanlab_nothing_is_embedded(
    competition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cleanlab.filter", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'medalist\[quality\]'"):
        audit(RECIPE, competition, cache=tmp_path / "cache", deep=True)
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_drawings_among_photographs(shared: Callable[[str], Path], tmp_path: Path) -> None:
    recipe = load_recipe(None, ["views=center"], metric="accuracy", backbones=["mobilenetv1_100_coral"])
    recipe = recipe.model_copy(update={"cards": str(shared("weights"))})
    audit(recipe, shared("data/mushrooms8"), cache=tmp_path / "cache", out=tmp_path / "found", deep=True)
    found = json.loads((tmp_path / "found" / "findings.json").read_text(encoding="utf-8"))["findings"]
    first = [row["path"] for row in found if row["kind"] == "outlier"][:12]
    drawings = {f"train/amanita_muscaria/images__{number}_.jpg" for number in (4, 21, 22)}
    assert drawings <= set(first) and {"test/00148.jpg", "test/00369.jpg"} <= set(first)
