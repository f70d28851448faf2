"""The writer: what the sample asks for, one answer an id, and nothing on disk that fails a check."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from medalist.data.sample import parse_sample
from medalist.data.table import TEST, TRAIN, ImageTable
from medalist.errors import SubmissionError
from medalist.submissions.writers import write

IDS = ("007", "1e5", "a, b", "0079ba6b38a5b84d")
PROB_MC = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.25, 0.5, 0.25], [1e-7, 1 - 2e-7, 1e-7]], np.float32)
SETS_MC = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 1]], bool)


def table_of(
    folder: Path, sample: str | None, *, classes: tuple[str, ...] = ("no", "NA", "1e5"), labels: Any = None
) -> ImageTable:
    """Four training rows, labelled 0, 1, 1, 1 unless `labels` are given, and the four test ids."""
    tags = not isinstance(labels, np.ndarray | None)
    path = folder / "sample_submission.csv"
    if sample is not None:
        path.write_bytes(sample.encode())
    train = np.array([0, 1, 1, 1], np.int32)
    return ImageTable(
        root=folder,
        ids=np.array(["a", "b", "c", "d", *IDS]),
        paths=np.array([""] * 8),
        split=np.array([TRAIN] * 4 + [TEST] * 4, np.uint8),
        classes=classes,
        labels=labels if tags else np.concatenate([train, np.full(4, -1, np.int32)]),
        sample=None if sample is None else parse_sample(path, classes=classes, tags=tags, joiner=" "),
    )


def tags_table(folder: Path, sample: str | None) -> ImageTable:
    train = np.array([[1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 1, 1]], bool)
    return table_of(folder, sample, labels=csr_array(np.concatenate([train, np.zeros((4, 3), bool)])))


def written(table: ImageTable, answers: np.ndarray, prob_MC: np.ndarray = PROB_MC) -> str:
    path = table.root / "submission.csv"
    write(table, IDS, answers, prob_MC, path)
    return path.read_bytes().decode()


LABELS_M = PROB_MC.argmax(axis=1)


def test_class_names_in_the_samples_order(tmp_path: Path) -> None:
    table = table_of(tmp_path, 'name,what\n1e5,no\n0079ba6b38a5b84d,no\n007,no\n"a, b",no\n')
    expected = 'name,what\n1e5,1e5\n0079ba6b38a5b84d,NA\n007,no\n"a, b",NA\n'
    assert written(table, LABELS_M) == expected
    assert written(table, PROB_MC) == expected


def test_class_indices_keep_the_line_ending_and_the_delimiter(tmp_path: Path) -> None:
    table = table_of(tmp_path, "id;label\r\n007;0\r\n1e5;0\r\na, b;0\r\n0079ba6b38a5b84d;0\r\n")
    assert written(table, LABELS_M) == "id;label\r\n007;0\r\n1e5;2\r\na, b;1\r\n0079ba6b38a5b84d;1\r\n"


def test_a_column_a_class_in_the_samples_order_without_scientific_notation(tmp_path: Path) -> None:
    table = table_of(tmp_path, '\ufeffid,1e5,no,NA\n007,0,0,0\n1e5,0,0,0\n"a, b",0,0,0\n0079ba6b38a5b84d,0,0,0\n')
    expected = 'id,1e5,no,NA\n007,0.1,0.7,0.2\n1e5,0.6,0.1,0.3\n"a, b",0.25,0.25,0.5\n'
    expected += "0079ba6b38a5b84d,0.0000001,0.0000001,0.9999998\n"
    assert written(table, PROB_MC) == expected
    assert written(table, LABELS_M) == expected


@pytest.mark.parametrize(("positive", "column"), [("dog", 1), ("cat", 0)])
def test_the_probability_of_the_positive_class(positive: str, column: int, tmp_path: Path) -> None:
    text = 'id,label\n007,0.5\n1e5,0.5\n"a, b",0.5\n0079ba6b38a5b84d,0.5\n'
    table = table_of(tmp_path, text, classes=("cat", "dog"))
    assert table.sample is not None
    table = replace(table, sample=replace(table.sample, positive=positive))
    prob_MC = np.array([[0.995, 0.005], [0.5, 0.5], [1, 0], [0.2, 0.8]], np.float32)
    rows = list(csv.reader(written(table, prob_MC, prob_MC).splitlines()))
    assert [row[1] for row in rows[1:]] == [["0.995", "0.5", "1", "0.2"], ["0.005", "0.5", "0", "0.8"]][column]


def test_where_the_metric_eats_probabilities_a_zero_holds_their_place(tmp_path: Path) -> None:
    table = table_of(tmp_path, 'id,label\n007,0\n1e5,0\n"a, b",0\n0079ba6b38a5b84d,0\n', classes=("cat", "dog"))
    prob_MC = np.array([[0.995, 0.005], [0.5, 0.5], [1, 0], [0.25, 0.75]], np.float32)
    assert written(table, prob_MC, prob_MC).endswith("0079ba6b38a5b84d,0.75\n")
    assert written(table, prob_MC.argmax(axis=1), prob_MC).endswith("0079ba6b38a5b84d,1\n")


def test_tags_joined_as_in_the_sample(tmp_path: Path) -> None:
    table = tags_table(tmp_path, 'id,tags\n007,no NA\n1e5,no\n"a, b",no\n0079ba6b38a5b84d,no\n')
    expected = 'id,tags\n007,no 1e5\n1e5,NA\n"a, b",no NA 1e5\n0079ba6b38a5b84d,1e5\n'
    assert written(table, SETS_MC) == expected


def test_the_likeliest_classes_best_first(tmp_path: Path) -> None:
    """What MAP@k eats: as many names as the sample shows."""
    table = table_of(tmp_path, 'id,label\n1e5,no NA\n007,NA no\n"a, b",no NA\n0079ba6b38a5b84d,no NA\n')
    assert table.sample is not None
    assert (table.sample.kind, table.sample.places) == ("ranked", 2)
    lines = written(table, PROB_MC).splitlines()
    assert lines[1:3] == ["1e5,1e5 NA", "007,no NA"]
    assert lines[4] == "0079ba6b38a5b84d,NA no"


def test_tags_in_a_column_each(tmp_path: Path) -> None:
    table = tags_table(tmp_path, 'id,no,NA,1e5\n007,0,0,1\n1e5,0,0,1\n"a, b",0,0,1\n0079ba6b38a5b84d,0,0,1\n')
    assert written(table, SETS_MC).startswith('id,no,NA,1e5\n007,1,0,1\n1e5,0,1,0\n"a, b",1,1,1\n')


def test_an_id_without_an_answer_gets_the_prior(tmp_path: Path) -> None:
    text = "id,label\nlost,no\n1e5,no\n"
    assert written(table_of(tmp_path, text), LABELS_M).startswith("id,label\nlost,NA\n")
    text = "id,no,NA,1e5\nlost,0,0,0\n"
    assert written(table_of(tmp_path, text), PROB_MC) == "id,no,NA,1e5\nlost,0.25,0.75,0\n"
    # Two tags an image on average: the two most frequent ones.
    assert written(tags_table(tmp_path, "id,tags\nlost,no\n"), SETS_MC) == "id,tags\nlost,NA 1e5\n"


def test_without_a_sample_the_answers_tell_the_kind(tmp_path: Path) -> None:
    assert written(table_of(tmp_path, None), LABELS_M).startswith("id,label\n007,no\n1e5,1e5\n")
    assert written(table_of(tmp_path, None), PROB_MC).startswith("id,no,NA,1e5\n007,0.7,0.2,0.1\n")
    assert written(tags_table(tmp_path, None), SETS_MC).startswith('id,label\n007,"no,1e5"\n')
    two = table_of(tmp_path, None, classes=("cat", "dog"))
    assert written(two, PROB_MC[:, :2], PROB_MC[:, :2]).startswith("id,label\n007,0.2\n")


@pytest.mark.parametrize(
    ("prob", "reason"),
    [(np.nan, "NaN or infinity: 1: '1e5"), (1.5, "out of range: 1: '1e5"), (0.2, "do not sum to 1: 1")],
)
def test_what_fails_a_check_is_not_written(prob: float, reason: str, tmp_path: Path) -> None:
    table = table_of(tmp_path, 'id,no,NA,1e5\n007,0,0,0\n1e5,0,0,0\n"a, b",0,0,0\n')
    path = tmp_path / "submission.csv"
    path.write_text("what was there")
    prob_MC = PROB_MC.copy()
    prob_MC[1, 2] = prob
    with pytest.raises(SubmissionError, match=reason):
        write(table, IDS, prob_MC, prob_MC, path)
    assert path.read_text() == "what was there"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["sample_submission.csv", "submission.csv"]


def test_an_image_without_tags_is_an_answer_where_labelled_ones_have_none(tmp_path: Path) -> None:
    train = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1], [0, 1, 1]], bool)
    labels = csr_array(np.concatenate([train, np.zeros((4, 3), bool)]))
    table = table_of(tmp_path, 'id,tags\n007,no\n1e5,no\n"a, b",no\n0079ba6b38a5b84d,no\n', labels=labels)
    assert written(table, SETS_MC & False).splitlines()[1:] == ["007,", "1e5,", '"a, b",', "0079ba6b38a5b84d,"]


def test_an_image_without_tags_fails_the_check(tmp_path: Path) -> None:
    table = tags_table(tmp_path, None)
    with pytest.raises(SubmissionError, match="empty answer: 1: '1e5"):
        written(table, SETS_MC & np.array([True, False, True]))


def test_answers_that_cannot_be_of_the_samples_kind(tmp_path: Path) -> None:
    text = 'id,label\n007,no\n1e5,no\n"a, b",no\n'
    with pytest.raises(SubmissionError, match="metric such as accuracy"):
        written(table_of(tmp_path, text), SETS_MC)
    with pytest.raises(SubmissionError, match="such as f1_samples"):
        written(tags_table(tmp_path, text), LABELS_M)
    with pytest.raises(SubmissionError, match="'N', which is no class; did you mean 'NA'"):
        written(table_of(tmp_path, "id,no,N,1e5\n007,0,0,0\n"), PROB_MC)
    with pytest.raises(SubmissionError, match="no column for 1 classes, such as 'NA'"):
        written(table_of(tmp_path, "id,no,1e5\n007,0,0\n"), PROB_MC)


def test_a_test_id_that_comes_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="1 test ids come more than once"):
        write(table_of(tmp_path, None), ("a", "b", "a", "c"), LABELS_M, PROB_MC, tmp_path / "submission.csv")


@given(probs=st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_probabilities_read_back_to_the_bit(probs: list[float], tmp_path: Path) -> None:
    prob_MC = np.stack([1 - np.array(probs, np.float32), np.array(probs, np.float32)], axis=1)
    text = written(table_of(tmp_path, None, classes=("cat", "dog")), prob_MC, prob_MC)
    cells = [row[1] for row in csv.reader(text.splitlines())][1:]
    assert [np.float32(cell) for cell in cells] == probs
    assert "e" not in "".join(cells)
