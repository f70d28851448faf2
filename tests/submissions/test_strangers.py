"""Strangers' submissions: averaged by id as worked by hand, refused where they are not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from medalist.errors import SubmissionError
from medalist.submissions.strangers import average


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def test_numbers_by_id(tmp_path: Path) -> None:
    sample = write(tmp_path, "sample.csv", "id,p\n01,0.5\n1,0.5\n2,0.5\n")
    files = [
        write(tmp_path, "a.csv", "id,p\n01,0.2\n1,0.9\n2,0.5\n"),
        write(tmp_path, "b.csv", "id,p\n2,0.5\n1,0.7\n01,0.8\n"),  # another order is no fault of a stranger's file
    ]
    said = average(files, sample, tmp_path / "out.csv")
    assert lines(tmp_path / "out.csv") == ["id,p", "01,0.5", "1,0.8", "2,0.5"]
    assert "Nobody knows its cross-validation score" in said
    average(files, sample, tmp_path / "out.csv", how="geometric")
    odds = (0.9 / 0.1 * 0.7 / 0.3) ** 0.5
    assert float(lines(tmp_path / "out.csv")[2].split(",")[1]) == pytest.approx(odds / (1 + odds), rel=1e-6)
    average(files, sample, tmp_path / "out.csv", how="rank")
    # a's places are 1, 3, 2, b's 3, 2, 1.
    expected = [(2 - 0.5) / 3, (2.5 - 0.5) / 3, (1.5 - 0.5) / 3]
    got = [float(line.split(",")[1]) for line in lines(tmp_path / "out.csv")[1:]]
    assert got == pytest.approx(expected, rel=1e-6)


def test_a_column_a_class_keeps_its_sum(tmp_path: Path) -> None:
    sample = write(tmp_path, "sample.csv", "id,x,y,z\n1,0.4,0.3,0.3\n")
    files = [
        write(tmp_path, f"{i}.csv", f"id,x,y,z\n1,{row}\n") for i, row in enumerate(["0.8,0.1,0.1", "0.2,0.4,0.4"])
    ]
    average(files, sample, tmp_path / "out.csv", how="geometric")
    parts = [0.4, 0.2, 0.2]  # square roots of 0.16, 0.04, 0.04
    got = [float(cell) for cell in lines(tmp_path / "out.csv")[1].split(",")[1:]]
    assert got == pytest.approx([part / 0.8 for part in parts], rel=1e-6)
    (tmp_path / "out.csv").write_text("kept", encoding="utf-8")
    with pytest.raises(SubmissionError, match="do not sum to 1"):
        average(files, sample, tmp_path / "out.csv", how="rank")
    assert lines(tmp_path / "out.csv") == ["kept"]


def test_names_and_tags_are_voted(tmp_path: Path) -> None:
    sample = write(tmp_path, "sample.csv", "id,label\n1,cat\n2,dog\n")
    files = [write(tmp_path, f"{i}.csv", f"id,label\n1,{a}\n2,{b}\n") for i, (a, b) in enumerate(["cd", "ee", "fe"])]
    assert "most frequent answer; of equals the first" in average(files, sample, tmp_path / "out.csv")
    assert lines(tmp_path / "out.csv")[1:] == ["1,c", "2,e"]  # of equals the first file's
    sample = write(tmp_path, "tags.csv", 'id,tags\n1,"a,b"\n2,a\n')
    texts = ['1,"a,b"\n2,c', '1,"b,c"\n2,d', '1,"b,a"\n2,e']
    files = [write(tmp_path, f"t{i}.csv", f"id,tags\n{text}\n") for i, text in enumerate(texts)]
    assert "tags that at least 2 of 3 files have" in average(files, sample, tmp_path / "out.csv")
    assert lines(tmp_path / "out.csv")[1:] == ['1,"a,b"', "2,c"]
    assert "tags that at least 2 of 2 files have" in average(files[:2], sample, tmp_path / "out.csv")
    assert lines(tmp_path / "out.csv")[1:] == ["1,b", "2,c"]


def test_places_of_probabilities_may_hold_zeros(tmp_path: Path) -> None:
    sample = write(tmp_path, "sample.csv", "id,label\n1,0\n2,0\n")
    files = [write(tmp_path, f"{i}.csv", f"id,label\n1,{a}\n2,1\n") for i, a in enumerate(("0.25", "0.75"))]
    average(files, sample, tmp_path / "out.csv")
    assert lines(tmp_path / "out.csv")[1:] == ["1,0.5", "2,1"]


def test_what_is_not_fit_is_refused(tmp_path: Path) -> None:
    sample = write(tmp_path, "sample.csv", "id,p\n1,0.5\n2,0.5\n")
    good = write(tmp_path, "good.csv", "id,p\n1,0.5\n2,0.5\n")
    for text, message in (
        ("id,p\n1,0.5\n", "missing"),
        ("id,p\n1,0.5\n2,0.5\n2,0.5\n", "more than once"),
        ("id,p\n1,nan\n2,0.5\n", "NaN"),
        ("id,q\n1,0.5\n2,0.5\n", "header"),
    ):
        with pytest.raises(SubmissionError, match=message):
            average([good, write(tmp_path, "bad.csv", text)], sample, tmp_path / "out.csv")
    with pytest.raises(SubmissionError, match="have no vote; type --how mean"):
        average([good, good], sample, tmp_path / "out.csv", how="vote")
    with pytest.raises(SubmissionError, match="did you mean 'mean'"):
        average([good, good], sample, tmp_path / "out.csv", how="mena")
    with pytest.raises(SubmissionError, match="two or more"):
        average([good], sample, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
