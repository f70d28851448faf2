"""The text of `medalist check`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.sparse import csr_array

from medalist.data.describe import describe
from medalist.data.table import TEST, TRAIN, VALID, ImageTable, Rejected, SampleSubmission


def table(**changes: object) -> ImageTable:
    fields = {
        "root": Path("data"),
        "ids": np.array(["a", "b", "c", "d"]),
        "paths": np.array(["a.jpg", "b.jpg", "c.jpg", ""]),
        "split": np.array([TRAIN, TRAIN, VALID, TEST], np.uint8),
        "classes": ("0", "1"),
        "class_names": ("rose", "1"),
        "labels": np.array([0, 0, 1, -1], np.int32),
        "notes": ("layout coco: because",),
        "sample": SampleSubmission(Path("sample.csv"), ("d",), ("id", "p"), "probability", positive="1"),
    }
    return ImageTable(**(fields | changes))  # type: ignore[arg-type]


def test_a_table() -> None:
    assert describe(table()).splitlines() == [
        "data",
        "  layout coco: because",
        "images: 2 train, 1 valid, 1 test",
        "task: binary, 2 classes",
        "  0 rose (2), 1 (1)",
        "sample submission: sample.csv (id, p) asks the probability of '1'",
        "  1 ids, 1 of them without a file",
        "left out: nothing",
    ]


def test_rejected_are_grouped_by_reason() -> None:
    rejected = tuple(Rejected(f"{i}.csv:2", f"no such file: {i}") for i in range(5))
    lines = describe(table(rejected=(Rejected(".DS_Store", "hidden"), *rejected), sample=None)).splitlines()
    assert lines[-4:] == [
        "sample submission: none",
        "left out: 6",
        "  5 no such file: 0.csv:2 (0), 1.csv:2 (1), 2.csv:2 (2), ... 2 more",
        "  1 hidden: .DS_Store",
    ]


def test_tags_and_many_classes() -> None:
    dense_NC = np.zeros((4, 9), bool)
    dense_NC[0, :3] = dense_NC[1, 0] = dense_NC[2, 8] = True
    names = tuple("abcdefghi")
    text = describe(table(labels=csr_array(dense_NC), classes=names, class_names=names))
    assert "task: tags, 9 tags, 1.67 an image (1 to 3)" in text
    assert "largest: a (2), b (1), c (1)" in text
    assert "smallest: f (0), g (0), h (0)" in text
