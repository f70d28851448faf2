"""Groups by id: written and read back, the same name in training and test told apart, slips refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medalist.data.groupfile import groups_column, groups_csv
from medalist.data.table import EXTRA, TEST, TRAIN, ImageTable
from medalist.errors import DataError


def table_of(names: str, split: list[int]) -> ImageTable:
    ids = np.array(names.split(), dtype=object)
    return ImageTable(Path(), ids, ids, np.array(split, np.uint8), ("a", "b"), np.zeros(len(ids), np.int32))


TABLE = table_of("1 2 NA 007 1", [TRAIN, TRAIN, TRAIN, TEST, TEST])


def test_groups_come_back_by_id_and_split(tmp_path: Path) -> None:
    file = tmp_path / "groups.csv"
    file.write_bytes(groups_csv(TABLE, np.array([0, 1, 0, 2, 1])))
    assert file.read_text() == "id,group,split\n1,0,train\n2,1,train\nNA,0,train\n1,1,test\n"
    assert groups_column(file, TABLE).tolist() == ["0", "1", "0", "", "1"]
    assert groups_column(file, TABLE.take(np.array([4, 2]))).tolist() == ["1", "0"]


def test_extra_images_are_in_no_group() -> None:
    table = table_of("1 2 3 more", [TRAIN, TRAIN, TRAIN, EXTRA])
    assert groups_csv(table, np.array([0, 1, 1, 0])).decode() == "id,group,split\n2,1,train\n3,1,train\n"


def test_a_list_without_splits_is_of_labelled_images(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("group,id\nx,1\nx,2\n")
    assert groups_column(file, TABLE).tolist() == ["x", "x", "", "", ""]
    assert groups_column(file, TABLE.test()).tolist() == ["", ""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,group\n1,0\n", "expected id and group"),
        ("id,group\n1,0\n1,2\n", "line 3: '1' is in two groups"),
        ("id,group\nx,0\ny,0\n", "names none of these images"),
    ],
)
def test_slips_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "slip.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        groups_column(tmp_path / "slip.csv", TABLE)
