"""Run folders: who may write, what is finished, what another run is told."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from medalist import ledger
from medalist.errors import StoreError
from medalist.ledger import Summary

SUMMARY = Summary(
    metric="accuracy",
    score=0.9,
    score_stderr=0.01,
    interval95=(0.88, 0.92),
    score_in_sample=1.0,
    heads={},
    forecast=None,
    seconds={"embed": 1.0, "total": 2.0},
    images=10,
    rejected=1,
    notes=("a note",),
    submission=None,
)


def test_a_finished_run_is_recognised_by_its_key(tmp_path: Path) -> None:
    out, key = tmp_path / "out", {"recipe": 1}
    assert ledger.finished(out, key) is None
    with ledger.writing(out, key):
        assert ledger.finished(out, key) is None
        ledger.finish(out, SUMMARY)
    assert ledger.finished(out, key) == SUMMARY


def test_another_run_is_refused_and_told_what_differs(tmp_path: Path) -> None:
    with ledger.writing(tmp_path, {"recipe": 1, "data": "a"}):
        (tmp_path / "folds.csv").write_text("id,fold\n", encoding="utf-8")
    with pytest.raises(StoreError, match=r"different: data.*--overwrite"):
        ledger.finished(tmp_path, {"recipe": 1, "data": "b"})


def test_an_attempt_that_failed_before_it_had_anything_to_lose_is_no_run(tmp_path: Path) -> None:
    with ledger.writing(tmp_path, {"recipe": 1}):
        pass
    assert ledger.finished(tmp_path, {"recipe": 2}) is None


def test_a_finished_run_without_its_submission_is_not_finished(tmp_path: Path) -> None:
    with ledger.writing(tmp_path, {}):
        ledger.finish(tmp_path, replace(SUMMARY, submission="submission.csv"))
    assert ledger.finished(tmp_path, {}) is None


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    script = "import sys, pathlib, medalist.ledger\nwith medalist.ledger.writing(pathlib.Path(sys.argv[1]), {}): pass"
    with ledger.writing(tmp_path, {}):
        process = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False
        )
    assert process.returncode == 1
    assert "another medalist is writing" in process.stderr


def test_an_unwritable_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="choose another --out"), ledger.writing(blocked / "out", {}):
        pass


def test_overwrite_removes_only_what_a_run_writes(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept", encoding="utf-8")
    with ledger.writing(tmp_path, {}):
        ledger.finish(tmp_path, SUMMARY)
    (tmp_path / "report").mkdir()  # of `medalist report`: it tells of the run that goes
    (tmp_path / "report" / "index.html").write_text("old", encoding="utf-8")
    with ledger.writing(tmp_path, {"other": 1}, overwrite=True):
        assert not (tmp_path / "summary.json").exists() and not (tmp_path / "report").exists()
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "kept"


def test_a_kill_while_overwriting_leaves_a_folder_that_the_same_command_takes(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, pathlib, shutil, medalist.ledger\n"
        "shutil.rmtree = lambda folder: os.kill(os.getpid(), signal.SIGKILL)\n"
        "with medalist.ledger.writing(pathlib.Path(sys.argv[1]), {}, overwrite=True): pass"
    )
    with ledger.writing(tmp_path, {}):
        (tmp_path / "fitted").mkdir()
        ledger.finish(tmp_path, SUMMARY)
    (tmp_path / "submission.csv").write_text("id,label\n", encoding="utf-8")
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False).returncode == -signal.SIGKILL
    with ledger.writing(tmp_path, {"new": 1}, overwrite=True):
        assert not (tmp_path / "fitted").exists()


@pytest.mark.parametrize("overwrite", [True, False])
def test_files_that_no_run_wrote_are_left_alone(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "recipe.yaml").write_text("# my notes", encoding="utf-8")
    with pytest.raises(StoreError, match="no run wrote"), ledger.writing(tmp_path, {}, overwrite=overwrite):
        pass
    assert (tmp_path / "recipe.yaml").read_text(encoding="utf-8") == "# my notes"


def test_the_fingerprint_sees_names_sizes_and_times(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1", encoding="utf-8")
    first = ledger.fingerprint(tmp_path)
    assert ledger.fingerprint(tmp_path) == first
    (tmp_path / "b").write_text("1", encoding="utf-8")
    assert ledger.fingerprint(tmp_path) != first


def test_the_text_shows_score_error_and_gap() -> None:
    text = SUMMARY.text(Path("out"))
    assert "0.9000 +- 0.0100" in text
    assert "in sample 1.0000" in text
    assert "no submission" in text


def test_the_text_leaves_out_what_is_not_known() -> None:
    heads: dict[str, dict[str, float | None]] = {"net": {"score": 0.9, "in_sample": None, "stderr": 0.01}}
    text = replace(SUMMARY, score_in_sample=None, heads=heads, seconds={}, rejected=0).text(Path("out"))
    assert "in sample not known; each member" in text and "net: 0.9000 +- 0.0100 (in sample not known)" in text
    assert "rejected.csv" not in text and "\n\n" not in text


def test_the_text_says_what_the_test_images_will_say() -> None:
    forecast = {"score": 0.88, "stderr": 0.02, "interval95": [0.84, 0.92], "num_test": 60}
    text = replace(SUMMARY, forecast=forecast).text(Path("out"))
    assert "expected on the 60 test images: 0.8800 (95 % 0.8400 to 0.9200)" in text
