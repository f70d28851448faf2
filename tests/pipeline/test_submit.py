"""Handing in: the file checked first, what was handed in noted once, scores added, kaggle called by its arguments."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from medalist.errors import MismatchError, StoreError, SubmissionError
from medalist.pipeline.join import join
from medalist.pipeline.submit import check_score, submit
from medalist.submissions.handed_in import FILE, hand_ins


@pytest.fixture
def out(contest: Any, tmp_path: Path) -> Path:
    """A finished import with the organisers' sample."""
    folder = tmp_path / "net"
    join(*contest.script("net"), contest.folds(), folder, metric="accuracy", name="net")
    rows = "".join(f"{name},cat\n" for name in contest.test_ids)
    (folder / "sample_submission.csv").write_text(f"id,label\n{rows}", encoding="utf-8")
    return folder


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `kaggle` on PATH that notes its arguments; fails where a file `fail` lies beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = f"""#!{sys.executable}
import json, os, sys
json.dump(sys.argv[1:], open({str(folder / "argv.json")!r}, "w"))
if os.path.exists({str(folder / "fail")!r}):
    sys.exit("404 - Not Found")
print("Successfully submitted to Digits")
"""
    (folder / "kaggle").write_text(script, encoding="utf-8")
    (folder / "kaggle").chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_it_is_noted_once_and_its_scores_are_added(out: Path) -> None:
    said = submit(out, public=0.5)
    assert "expected on the leaderboard" in said
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    (one,) = hand_ins(out)
    assert (one.score, one.stderr, one.public) == (summary["score"], summary["score_stderr"], 0.5)
    assert one.forecast == summary["forecast"] and one.forecast["num_test"] == 60
    assert "add --public" in submit(out)
    assert "noted: private 0.6" in submit(out, private=0.6)
    (one,) = hand_ins(out)
    assert (one.public, one.private) == (0.5, 0.6)
    assert len((out / FILE).read_text(encoding="utf-8").splitlines()) == 2


def test_both_scores_are_confirmed_and_a_replaced_one_is_told(out: Path) -> None:
    said = submit(out, public=0.75, private=0.7)
    assert "public 0.75, private 0.7" in said and "replaces" not in said
    assert "public 0.76 (replaces 0.75)" in submit(out, public=0.76)
    assert "surprising" not in said
    assert "surprising: private 0.01 is more than 10 standard errors from the forecast" in submit(out, private=0.01)


@pytest.mark.parametrize("score", [float("nan"), float("inf"), 60.0, -0.1])
def test_a_score_that_cannot_be_is_refused(out: Path, score: float) -> None:
    with pytest.raises(MismatchError, match="got --public"):
        submit(out, public=score)
    assert not (out / FILE).exists()
    submit(out)
    with pytest.raises(MismatchError, match="got --private"):
        submit(out, private=score)


def test_ranges_are_those_of_the_metrics() -> None:
    with pytest.raises(MismatchError, match=r"accuracy is a number from 0 to 1; for 60 % type --lb 0.6"):
        check_score("accuracy", 60, "--lb")
    check_score("log_loss", 7.5, "--lb")
    check_score("matthews", -0.5, "--lb")
    for metric, score in (("log_loss", -0.1), ("matthews", -1.1), ("roc_auc", -0.1)):
        with pytest.raises(MismatchError, match="is a number"):
            check_score(metric, score, "--lb")


def test_kaggle_gets_the_checked_file(out: Path, kaggle: Path) -> None:
    said = submit(out, kaggle="digits", message="first")
    assert "Successfully submitted" in said
    argv = json.loads((kaggle / "argv.json").read_text(encoding="utf-8"))
    assert argv == ["competitions", "submit", "-c", "digits", "-f", str(out / "submission.csv"), "-m", "first"]
    (one,) = hand_ins(out)
    assert (one.slug, one.message) == ("digits", "first")
    with pytest.raises(SubmissionError, match=r"handed in on .* already"):
        submit(out, kaggle="digits")


def test_what_was_only_noted_can_be_sent_once(out: Path, kaggle: Path) -> None:
    submit(out)
    assert "Successfully submitted" in submit(out, kaggle="digits", public=0.5)
    (one,) = hand_ins(out)
    assert (one.slug, one.public) == ("digits", 0.5)
    with pytest.raises(SubmissionError, match=r"handed in on .* already"):
        submit(out, kaggle="digits")


def test_nothing_is_noted_where_kaggle_fails(out: Path, kaggle: Path) -> None:
    (kaggle / "fail").touch()
    with pytest.raises(SubmissionError, match="404 - Not Found"):
        submit(out, kaggle="digits")
    assert hand_ins(out) == []


def test_a_file_that_fails_a_check_is_not_sent(out: Path, kaggle: Path) -> None:
    text = (out / "submission.csv").read_text(encoding="utf-8")
    (out / "submission.csv").write_text(text.replace("t003,", "t3,"), encoding="utf-8")
    with pytest.raises(SubmissionError, match=r"not fit to be handed in(.|\n)*t003"):
        submit(out, kaggle="digits")
    assert not (kaggle / "argv.json").exists() and hand_ins(out) == []


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no finished run"):
        submit(tmp_path)
