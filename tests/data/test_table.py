"""ImageTable: rows taken together, splits, the task, the hash of the class list."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from medalist.data.table import TEST, TRAIN, VALID, ImageTable


@pytest.fixture
def table() -> ImageTable:
    return ImageTable(
        root=Path("images"),
        ids=np.array(["007", "7", "NA", "1e5"]),
        paths=np.array(["a/007.jpg", "a/7.jpg", "", "b/1e5.jpg"]),
        split=np.array([TRAIN, VALID, TEST, TRAIN], np.uint8),
        classes=("a", "b", "c"),
        labels=np.array([0, 2, -1, 1], np.int32),
        groups=np.array(["x", "x", "y", "z"]),
        weights=np.array([1, 2, 3, 4], np.float32),
        targets={"kind": np.array(["007", "", "", "no"])},
    )


def test_rows_are_taken_together_in_the_order_asked_for(table: ImageTable) -> None:
    taken = table.take(np.array([3, 0]))
    assert taken.groups is not None
    assert taken.weights is not None
    assert taken.ids.tolist() == ["1e5", "007"]
    assert taken.paths.tolist() == ["b/1e5.jpg", "a/007.jpg"]
    assert taken.split.tolist() == [TRAIN, TRAIN]
    assert np.asarray(taken.labels).tolist() == [1, 0]
    assert taken.groups.tolist() == ["z", "x"]
    assert taken.weights.tolist() == [4, 1]
    assert {name: text_N.tolist() for name, text_N in taken.targets.items()} == {"kind": ["no", "007"]}
    assert len(taken) == 2


def test_labelled_rows_are_those_for_training_and_validation(table: ImageTable) -> None:
    assert table.labelled().ids.tolist() == ["007", "7", "1e5"]
    assert table.test().ids.tolist() == ["NA"]


def test_the_task_follows_from_labels_and_classes(table: ImageTable) -> None:
    assert table.task == "multiclass"
    plain = ImageTable(table.root, table.ids, table.paths, table.split, ("a", "b"), np.array([0, 1, -1, 1], np.int32))
    assert plain.task == "binary"
    tags_NC = np.array([[1, 0], [1, 1], [0, 0], [0, 1]], bool)
    tagged = ImageTable(table.root, table.ids, table.paths, table.split, ("a", "b"), csr_array(tags_NC))
    assert tagged.task == "tags"
    taken = tagged.take(np.array([3, 1])).labels
    assert not isinstance(taken, np.ndarray)
    np.testing.assert_array_equal(taken.toarray(), tags_NC[[3, 1]])
    assert tagged.take(np.array([0])).groups is None


def test_the_class_hash_knows_the_order(table: ImageTable) -> None:
    def hash_of(*classes: str) -> str:
        return ImageTable(table.root, table.ids, table.paths, table.split, classes, table.labels).class_hash

    assert table.class_hash == hash_of("a", "b", "c")
    # ["a","b","c"] as canonical JSON, through sha256sum.
    assert table.class_hash == "fa1844c2988ad15ab7b49e0ece09684500fad94df916859fb9a43ff85f5bb477"
    assert len({hash_of("a", "b", "c"), hash_of("c", "b", "a"), hash_of("ab", "c"), hash_of("a", "bc")}) == 4
