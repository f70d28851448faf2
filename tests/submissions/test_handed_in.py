"""The ledger of hand-ins, and the kaggle command, played by a script."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from medalist.errors import MissingExtraError, StoreError, SubmissionError
from medalist.submissions.handed_in import FILE, append, hand_ins
from medalist.submissions.kaggle import hand_in

EVENT = {"sha256": "a", "metric": "accuracy", "score": 0.9, "stderr": 0.01, "forecast": None, "slug": None}


def test_lines_are_added_and_never_changed(tmp_path: Path) -> None:
    append(tmp_path, EVENT)
    first = (tmp_path / FILE).read_bytes()
    append(tmp_path, {"sha256": "a", "public": 0.8})
    append(tmp_path, {**EVENT, "sha256": "b", "score": 0.7})
    append(tmp_path, {"sha256": "a", "public": 0.81, "private": 0.85})
    assert (tmp_path / FILE).read_bytes().startswith(first)
    one, two = hand_ins(tmp_path)
    assert (one.public, one.private, one.score) == (0.81, 0.85, 0.9)
    assert one.time == json.loads(first)["time"]
    assert (two.sha256, two.public, two.score) == ("b", None, 0.7)
    assert hand_ins(tmp_path / "nowhere") == []


def test_a_half_line_of_a_kill_is_passed_over(tmp_path: Path) -> None:
    append(tmp_path, EVENT)
    with (tmp_path / FILE).open("a", encoding="utf-8") as file:
        file.write('{"sha256": "b", "sco')
    assert len(hand_ins(tmp_path)) == 1
    append(tmp_path, {**EVENT, "sha256": "c"})
    assert (tmp_path / FILE).read_text(encoding="utf-8").count("\n") == 3
    with pytest.raises(StoreError, match="line 2 is no event"):
        hand_ins(tmp_path)


def fake(folder: Path, code: int = 0) -> Path:
    """A `kaggle` that notes its arguments."""
    script = f"""#!{sys.executable}
import json, sys
json.dump(sys.argv[1:], open({str(folder / "argv.json")!r}, "w"))
print("Successfully submitted")
print("403 - Forbidden", file=sys.stderr)
sys.exit({code})
"""
    (folder / "kaggle").write_text(script, encoding="utf-8")
    (folder / "kaggle").chmod(stat.S_IRWXU)
    return folder


def test_the_command_gets_arguments_and_no_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fake(tmp_path)))
    message = "it's; $(touch never) `date` -m x"
    assert "Successfully submitted" in hand_in("digit-recognizer", tmp_path / "a b.csv", message)
    argv = json.loads((tmp_path / "argv.json").read_text(encoding="utf-8"))
    expected = ["competitions", "submit", "-c", "digit-recognizer", "-f", str(tmp_path / "a b.csv"), "-m", message]
    assert argv == expected
    assert not (tmp_path / "never").exists()


def test_failure_and_absence_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fake(tmp_path, 3)))
    with pytest.raises(SubmissionError, match=r"exit 3(.|\n)*403 - Forbidden"):
        hand_in("digit-recognizer", tmp_path / "a.csv", "m")
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(MissingExtraError, match=r"pip install 'medalist\[kaggle\]'"):
        hand_in("digit-recognizer", tmp_path / "a.csv", "m")
    with pytest.raises(SubmissionError, match="no competition"):
        hand_in("--help", tmp_path / "a.csv", "m")


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="NaN"):
        append(tmp_path, {"sha256": "a", "public": float("nan")})
    assert not (tmp_path / FILE).exists()
