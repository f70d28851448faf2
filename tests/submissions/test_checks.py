"""The checks: a valid submission passes, and a submission spoilt in one way shows that fault and no other."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medalist.data.table import SampleSubmission
from medalist.errors import SubmissionError
from medalist.submissions.checks import check, lint

CLASSES = ("NA", "no", "1e5", "café, noir", "Rosa 'x'", "agaricus")
KINDS = ("class", "index", "probability", "wide", "tags")
ids = st.lists(st.text("0123456789abcdefé-_. ,\"'", min_size=1, max_size=8), min_size=3, max_size=8, unique=True)

Rows = list[list[str]]


def answer(kind: str, rng: np.random.Generator) -> list[str]:
    """A random valid answer."""
    if kind == "class":
        return [str(rng.choice(CLASSES))]
    if kind == "index":
        return [str(rng.integers(len(CLASSES)))]
    if kind == "tags":
        return ["|".join(rng.permutation(CLASSES)[: rng.integers(1, 4)])]
    prob_C = rng.dirichlet(np.ones(len(CLASSES)))
    return [f"{prob:.6f}" for prob in (prob_C if kind == "wide" else prob_C[:1])]


def submission(folder: Path, kind: str, ids: list[str], seed: int) -> tuple[SampleSubmission, Rows]:
    """A sample submission on disk, and a valid submission as rows."""
    rng = np.random.default_rng(seed)
    columns = ("id", *CLASSES) if kind == "wide" else ("id", "label")
    share = f"{1 / len(CLASSES):.6f}"
    blank = {"class": "NA", "index": "0", "probability": "0.5", "wide": share, "tags": "NA"}[kind]
    path = folder / "sample.csv"
    path.write_bytes(encoded([list(columns), *([name] + [blank] * (len(columns) - 1) for name in ids)]))
    sample = SampleSubmission(path, tuple(ids), columns, kind, positive="no", joiner="|")
    return sample, [list(columns), *([name, *answer(kind, rng)] for name in ids)]


def encoded(rows: Rows, newline: str = "\n") -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=newline).writerows(rows)
    return buffer.getvalue().encode()


Spoiler = Callable[[Rows, int], Any]


def spoil_answer(text: str) -> Spoiler:
    def spoil(rows: Rows, at: int) -> None:
        rows[at][-1] = text

    return spoil


def rename(rows: Rows, at: int) -> None:
    rows[at][0] += "~"


def swap(rows: Rows, at: int) -> None:
    other = at - 1 if at > 1 else at + 1
    rows[at], rows[other] = rows[other], rows[at]


def shift_probability(rows: Rows, at: int) -> None:
    rows[at][1] = f"{(float(rows[at][1]) + 0.5) % 1:.6f}"


def repeat_tag(rows: Rows, at: int) -> None:
    rows[at][1] += "|" + rows[at][1].split("|")[0]


NUMBERS = ("index", "probability", "wide")
SPOILERS: dict[str, tuple[tuple[str, ...], Spoiler, set[str]]] = {
    "a row is left out": (KINDS, lambda rows, at: rows.pop(at), {"missing"}),
    "a row is added": (KINDS, lambda rows, at: rows.append(["~", *rows[at][1:]]), {"extra"}),
    "a row comes twice": (KINDS, lambda rows, at: rows.insert(at, rows[at]), {"repeated"}),
    "an id is renamed": (KINDS, rename, {"missing", "extra"}),
    "two rows change places": (KINDS, swap, {"order"}),
    "a column is renamed": (KINDS, lambda rows, at: rows[0].__setitem__(1, "answer"), {"columns"}),
    "there is no header": (KINDS, lambda rows, at: rows.pop(0), {"columns"}),
    "a column is added": (KINDS, lambda rows, at: rows[0].append("more"), {"columns"}),
    "a cell too many": (KINDS, lambda rows, at: rows[at].append("0"), {"cells"}),
    "a cell too few": (KINDS, lambda rows, at: rows[at].pop(), {"cells"}),
    "an empty answer": (KINDS, spoil_answer(""), {"empty"}),
    "a blank answer": (KINDS, spoil_answer(" "), {"empty"}),
    "a name with another case": (("class", "tags"), spoil_answer("Agaricus"), {"class"}),
    "a name with a space": (("class", "tags"), spoil_answer("no "), {"class"}),
    "a tag twice": (("tags",), repeat_tag, {"twice"}),
    "a joiner at the end": (("tags",), spoil_answer("NA|"), {"empty"}),
    "a word": (NUMBERS, spoil_answer("agaricus"), {"number"}),
    "a decimal comma": (NUMBERS, spoil_answer("0,5"), {"number"}),
    "a fraction": (("index",), spoil_answer("1.5"), {"number"}),
    "no number": (("probability", "wide"), spoil_answer("nan"), {"nan"}),
    "infinity": (("probability", "wide"), spoil_answer("inf"), {"nan"}),
    "less than nothing": (NUMBERS, spoil_answer("-1"), {"range"}),
    "a class too many": (("index",), spoil_answer(str(len(CLASSES))), {"range"}),
    "per cent": (("probability", "wide"), spoil_answer("50"), {"range"}),
    "a row that does not sum to 1": (("wide",), shift_probability, {"sum"}),
}
CASES = [(name, kind) for name, (kinds, _, _) in SPOILERS.items() for kind in kinds]


@pytest.mark.parametrize(("name", "kind"), CASES)
@given(ids=ids, seed=st.integers(0, 2**32 - 1), data=st.data())
@settings(max_examples=16, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_one_slip_is_one_fault(
    name: str, kind: str, ids: list[str], seed: int, data: st.DataObject, tmp_path: Path
) -> None:
    sample, rows = submission(tmp_path, kind, ids, seed)
    _, spoil, expected = SPOILERS[name]
    spoil(rows, data.draw(st.integers(1, len(ids))))
    file = tmp_path / "submission.csv"
    file.write_bytes(encoded(rows))
    assert {fault.code for fault in check(file, sample, CLASSES)} == expected


@pytest.mark.parametrize("kind", KINDS)
@given(ids=ids, seed=st.integers(0, 2**32 - 1), newline=st.sampled_from(["\n", "\r\n"]))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_valid_submission_passes(kind: str, ids: list[str], seed: int, newline: str, tmp_path: Path) -> None:
    sample, rows = submission(tmp_path, kind, ids, seed)
    file = tmp_path / "submission.csv"
    file.write_bytes(encoded(rows, newline))
    assert check(file, sample, CLASSES) == []
    assert check(file, sample) == []
    # Bytes in front of the header are one fault, too.
    file.write_bytes(b"\xef\xbb\xbf" + encoded(rows, newline))
    assert [fault.code for fault in check(file, sample, CLASSES)] == ["bom"]


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ("class", "probability"),
        ("tags", "index"),
        ("index", "class"),
        ("index", "probability"),
        ("probability", "class"),
        ("probability", "tags"),
    ],
)
def test_answers_of_another_kind_are_told_once(asked: str, got: str, tmp_path: Path) -> None:
    sample, _ = submission(tmp_path, asked, list("abcdef"), 0)
    classes = ("rose", "lily") if asked in ("class", "tags") else CLASSES
    rows = [["id", "label"], *([name, "rose" if got in ("class", "tags") else "0.25"] for name in "abcdef")]
    file = tmp_path / "submission.csv"
    file.write_bytes(encoded(rows))
    assert [fault.code for fault in check(file, sample, classes)] == ["kind"]


def test_ids_are_text(tmp_path: Path) -> None:
    sample, rows = submission(tmp_path, "index", ["007", "1e5", "0079ba6b38a5b84d"], 0)
    rows[1][0], rows[2][0] = "7", "100000"
    file = tmp_path / "submission.csv"
    file.write_bytes(encoded(rows))
    missing, extra = check(file, sample, CLASSES)
    assert "2: '007', '1e5'" in missing.text
    assert "2: '7', '100000'; did you mean '007'?" in extra.text


def test_all_faults_are_told_counted_with_five_places(tmp_path: Path) -> None:
    names = [f"{i:03}" for i in range(20)]
    sample, rows = submission(tmp_path, "class", names, 0)
    for row in rows[3:12]:
        row[1] = "agarics"
    del rows[15:]
    file = tmp_path / "submission.csv"
    file.write_bytes(encoded(rows))
    texts = [str(fault) for fault in check(file, sample, CLASSES)]
    assert texts == [
        "ids of the sample that are missing: 6: '014', '015', '016', '017', '018', ...",
        "rows with a name outside the classes: 9: '002: agarics', '003: agarics', '004: agarics', '005: agarics', "
        "'006: agarics', ...; did you mean 'agaricus'?",
    ]


def test_the_sample_says_whether_classes_exclude_each_other(tmp_path: Path) -> None:
    sample, rows = submission(tmp_path, "wide", list("abc"), 0)
    for row in rows[1:]:
        row[1:] = ["0.9"] * len(CLASSES)
    file = tmp_path / "submission.csv"
    file.write_bytes(encoded(rows))
    assert [fault.code for fault in check(file, sample)] == ["sum"]
    assert check(file, sample, exclusive=False) == []
    sample.path.write_bytes(encoded([list(sample.columns), *([name, *["0.5"] * len(CLASSES)] for name in "abc")]))
    assert check(file, sample) == []


@pytest.mark.parametrize(
    ("data", "code"), [(b"", "columns"), (b"id,label\n\xff,no\n", "encoding"), (b'id,label\na,"no\n', "csv")]
)
def test_a_file_that_is_no_csv(data: bytes, code: str, tmp_path: Path) -> None:
    sample, _ = submission(tmp_path, "class", ["a", "b"], 0)
    file = tmp_path / "submission.csv"
    file.write_bytes(data)
    assert [fault.code for fault in check(file, sample, CLASSES)] == [code]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    sample, _ = submission(tmp_path, "class", ["a", "b"], 0)
    with pytest.raises(SubmissionError, match="No such file"):
        check(tmp_path / "submission.csv", sample)


@pytest.mark.parametrize(
    "name",
    [
        "cats-dogs/sample_submission.csv",
        "mushrooms8/sample_submission.csv",
        "grocery81/sample_submission.csv",
        "flowers102/kaggle_sample_submission.csv",
        "movie-posters/sample_submission.csv",
    ],
)
def test_lint_takes_the_organisers_own_sample(name: str, shared: Callable[[str], Path]) -> None:
    sample = shared(f"data/{name}")
    assert lint(sample, sample) == []


def test_lint_knows_the_sample_alone(tmp_path: Path) -> None:
    sample, file = tmp_path / "sample_submission.csv", tmp_path / "submission.csv"
    sample.write_text("id;label\r\n1;0.5\r\n2;0.5\r\n", newline="")
    file.write_text("id;label\r\n1;0.1\r\n2;0.9\r\n", newline="")
    assert lint(file, sample) == []
    file.write_text("id;label\n2;cat\n1;dog\n")
    assert [fault.code for fault in lint(file, sample)] == ["order", "kind"]
