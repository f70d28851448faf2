"""What a sample submission asks for: kind of answer, positive class, joiner, ids as text."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medalist.data.sample import find_sample, parse_sample
from medalist.errors import DataError


def sample(folder: Path, text: str) -> Path:
    path = folder / "sample_submission.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


CATS = ("cat", "dog")
MANY = ("0", "1", "10", "elk")


@pytest.mark.parametrize(
    ("text", "classes", "tags", "kind"),
    [
        ("id,label\n1,0.5\n2,0.5\n", CATS, False, "probability"),
        ("id,label\n1,0.0\n2,1.0\n", CATS, False, "probability"),
        ("id,label\n1,5e-1\n", CATS, False, "probability"),
        ("id,label\n1,cat\n2,cat\n", CATS, False, "class"),
        ("id,label\n1,0\n2,1\n", CATS, False, "index"),
        ("id,label\n1,0\n2,1\n", ("0", "1"), False, "class"),
        ("id,label\n1,3\n", MANY, False, "index"),
        ("id,label\n1,10\n", MANY, False, "class"),
        ("id,label\n1,\n", CATS, False, "class"),
        ("id,cat,dog\n1,0.5,0.5\n", CATS, False, "wide"),
        ("id,tags\n1,cat\n", CATS, True, "tags"),
        ("id,tags\n1,\n", CATS, True, "tags"),
        ("id,label\n1,0.5\n", (), None, "probability"),
        ("id,label\n1,7\n", (), None, "index"),
        ("id,label\n1,cat\n", (), None, "class"),
        ("id,tags\n1,a b\n", (), None, "tags"),
        ("id,a,b\n1,0,1\n", (), None, "wide"),
    ],
)
def test_kind(tmp_path: Path, text: str, classes: tuple[str, ...], tags: bool | None, kind: str) -> None:
    assert parse_sample(sample(tmp_path, text), classes=classes, tags=tags).kind == kind


def test_positive_is_the_last_class_of_the_list(tmp_path: Path) -> None:
    path = sample(tmp_path, "id,label\n1,0.5\n")
    assert parse_sample(path, classes=("cat", "dog")).positive == "dog"
    assert parse_sample(path, classes=("dog", "cat")).positive == "cat"  # a classes.txt in this order says so
    assert parse_sample(path, classes=CATS, positive="cat").positive == "cat"
    assert parse_sample(path).positive is None
    with pytest.raises(DataError, match="did you mean 'dog'"):
        parse_sample(path, classes=CATS, positive="dogs")


def test_a_column_named_for_a_class_asks_for_its_probability(tmp_path: Path) -> None:
    assert parse_sample(sample(tmp_path, "id,cat\n1,0.5\n"), classes=CATS).positive == "cat"


def test_positive_turns_whole_numbers_into_probabilities(tmp_path: Path) -> None:
    found = parse_sample(sample(tmp_path, "id,label\n1,0\n"), classes=CATS, positive="cat")
    assert (found.kind, found.positive) == ("probability", "cat")


@pytest.mark.parametrize(
    ("answer", "classes", "joiner"),
    [('"a,b"', ("a", "b"), ","), ("a b", ("a", "b"), " "), ("a|b c", ("a", "b c"), "|"), ("b c", ("a", "b c"), ";")],
)
def test_joiner(tmp_path: Path, answer: str, classes: tuple[str, ...], joiner: str) -> None:
    """From the sample's answers; where they show none, the one of the training labels."""
    assert (
        parse_sample(sample(tmp_path, f"id,tags\n1,{answer}\n"), classes=classes, tags=True, joiner=";").joiner
        == joiner
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id\n1\n", "only the column 'id'"),
        ("id,label\n", "has no rows"),
        ("id,label\n1,a\n1,b\n", "repeats 1 ids, such as '1'"),
        ("id,label\n1,a,b\n", "line 2: 3 cells"),
        ("id,label\n1,elks\n", "did you mean 'elk'"),
        ("id,label\n1,0.5\n", "no probability of one of 4 classes"),
    ],
)
def test_a_sample_that_asks_for_nothing_known(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_sample(sample(tmp_path, text), classes=MANY, tags=False)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        parse_sample(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["train.csv"], None),
        (["train.csv", "kaggle_sample_submission.csv"], "kaggle_sample_submission.csv"),
        (["submission.csv", "sampleSubmission.csv"], "sampleSubmission.csv"),
        (["sample_submission.csv", "sample_submission_stage1.csv"], "sample_submission.csv"),
    ],
)
def test_find(names: list[str], found: str | None) -> None:
    assert find_sample(names) == found


def test_two_samples_need_a_word() -> None:
    with pytest.raises(DataError, match=r"data\.sample=sample_a\.csv"):
        find_sample(["sample_a.csv", "sample_b.csv"])


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(texts, min_size=1, max_size=9, unique=True), end=st.sampled_from(["\n", "\r\n"]), bom=st.booleans())
def test_ids_survive(ids: list[str], end: str, bom: bool) -> None:
    """Ids of any text come back in order, as the csv module of a spreadsheet would write them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sample_submission.csv"
        with path.open("w", encoding="utf-8-sig" if bom else "utf-8", newline="") as file:
            csv.writer(file, lineterminator=end).writerows([["id", "label"], *([name, "0.5"] for name in ids)])
        assert parse_sample(path, classes=CATS).ids == tuple(ids)
