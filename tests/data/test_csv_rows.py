"""Auxiliary columns of a CSV of labels: text beside the labels, through every way that rows are left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medalist.data.layouts import read
from medalist.data.table import ImageTable
from medalist.errors import DataError, RecipeError

TRAIN = "id,label,kind,site\n1,a,007,x\n2,b, ,x\n3,,NA,y\n4,a,no,y\n4,b,twice,y\n9,a,lost,y\n"
VALID = "id,label,kind,site\n5,b,None,z\n"
SAMPLE = "id,label\n7,a\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("train/1.jpg", "train/2.jpg", "train/3.jpg", "train/4.jpg", "valid/5.jpg", "test/7.jpg"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    for name, text in (("train.csv", TRAIN), ("valid.csv", VALID), ("sample_submission.csv", SAMPLE)):
        (tmp_path / name).write_text(text)
    return tmp_path


def cells(table: ImageTable) -> dict[str, dict[str, Any]]:
    return {name: dict(zip(table.ids.tolist(), text_N.tolist(), strict=True)) for name, text_N in table.targets.items()}


def test_only_what_is_asked_for_is_read_and_text_stays_text(root: Path) -> None:
    """Row 3 has no label, 4 comes twice, 9 has no file; a cell of blanks is unknown, as all of a test row's are."""
    table = read(root, options={"label_column": "label", "auxiliary": ("kind",)})
    assert cells(table) == {"kind": {"1": "007", "2": "", "4": "no", "5": "None", "7": ""}}
    assert cells(table.test()) == {"kind": {"7": ""}}
    assert "auxiliary 'kind': 5 classes, unknown in 1 of 6 rows" in table.notes
    assert read(root, options={"label_column": "label"}).targets == {}


def test_a_column_that_is_asked_for_is_not_taken_for_the_label(root: Path) -> None:
    for name in ("train.csv", "valid.csv"):
        text = (root / name).read_text()
        (root / name).write_text(text.replace("label", "species").replace("kind", "target"))
    table = read(root, options={"auxiliary": ("target", "site")})
    assert table.classes == ("a", "b")
    assert cells(table)["site"] == {"1": "x", "2": "x", "4": "y", "5": "z", "7": ""}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("kid", r"finetune\.auxiliary='kid': train\.csv has no such column.*'kind'.*it has: id, label, kind, site"),
        ("label", r"finetune\.auxiliary='label': this column of train\.csv is the label; leave it out"),
    ],
)
def test_a_column_that_cannot_be_meant(root: Path, name: str, told: str) -> None:
    with pytest.raises(DataError, match=told):
        read(root, options={"label_column": "label", "auxiliary": ("site", name)})


def test_a_layout_without_columns_says_so(tmp_path: Path) -> None:
    for path in ("train/cat/1.jpg", "train/dog/2.jpg"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    with pytest.raises(DataError, match=r"auxiliary='kind': .* columns of a CSV of labels.* read as class_folders"):
        read(tmp_path, options={"auxiliary": ("kind",)})
    assert read(tmp_path, options={"auxiliary": ()}).targets == {}


def test_columns_are_a_tuple(root: Path) -> None:
    with pytest.raises(RecipeError, match=r"data\.auxiliary='kind': expected a tuple of names"):
        read(root, options={"auxiliary": "kind"})
