"""Processes of the command line: they end by themselves, when they are told to, and with whoever started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medalist.experiments.budget.child import DONE, FAILED, INTERRUPTED, LATE, interrupts, spawn


def never() -> bool:
    return False


def at_once() -> bool:
    return True


def test_what_it_prints_is_kept(tmp_path: Path) -> None:
    ended = spawn(["--help"], tmp_path / "log", late=never, interrupted=never)
    assert ended.status == DONE and "submission" in ended.said
    assert "submission" in (tmp_path / "log").read_text()


def test_a_fault_is_told(tmp_path: Path) -> None:
    ended = spawn(["lint", "none.csv", "--sample", "none.csv"], tmp_path / "log", late=never, interrupted=never)
    assert ended.status == FAILED and "error: " in ended.said


def test_it_ends_when_it_is_late_or_the_user_says_so(tmp_path: Path) -> None:
    words = ["demo", "--out", str(tmp_path / "demo")]
    assert spawn(words, tmp_path / "log", late=at_once, interrupted=never).status == LATE
    assert spawn(words, tmp_path / "log", late=never, interrupted=at_once).status == INTERRUPTED


def test_the_first_interrupt_is_noted_and_the_second_ends_the_process() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts() as interrupt:
        assert not interrupt()
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupt() and signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word on a parent's death is Linux's")
def test_a_killed_parent_takes_it_along(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from medalist.experiments.budget.child import spawn;"
        "spawn(['demo', '--out', sys.argv[1]], Path(sys.argv[2]), late=lambda: False, interrupted=lambda: False)"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "demo"), str(tmp_path / "log")]
    with subprocess.Popen(words) as parent:
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        while not (found := children.read_text().split()):
            time.sleep(0.05)
        # Its first act is to ask for the signal; it draws images once it is well past that.
        while not (tmp_path / "demo").is_dir() and not list(tmp_path.glob(".demo*")):
            time.sleep(0.05)
        parent.kill()
    patience = 200
    while _runs(int(found[0])) and patience:
        time.sleep(0.05)
        patience -= 1
    assert patience, "it outlived who started it"


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
