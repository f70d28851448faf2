"""The command line as a process: none outlives whoever started it, and the working directory shadows no library."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from medalist.experiments.process import STUB, begin, end


def test_files_of_the_working_directory_are_no_libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "random.py").write_text("raise ImportError('the one in the working directory')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    process = begin(["--help"], tmp_path / "log")
    assert process.wait() == 0, (tmp_path / "log").read_text(encoding="utf-8")


def test_it_ends_with_all_that_it_started(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    inner = f"import os, time; open({str(file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    process = subprocess.Popen([sys.executable, "-c", outer], start_new_session=True)
    pid = written(file)
    end(process)
    end(process)  # nothing more to do
    assert process.returncode == -9
    assert ended(pid), "it outlived who started it"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word on a parent's death is Linux's")
def test_it_dies_with_who_started_it(tmp_path: Path) -> None:
    """Killed as `kill -9` does, the starter can end nothing itself."""
    file = tmp_path / "pid"
    instead = f"import time; open({str(file)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    stub = STUB.replace("from medalist.cli import main\nmain()", instead)
    spawn = f"subprocess.Popen([sys.executable, '-c', {stub!r}, str(os.getpid())])"
    starter = subprocess.Popen([sys.executable, "-c", f"import os, subprocess, sys, time; {spawn}; time.sleep(60)"])
    pid = written(file)
    starter.kill()
    starter.wait()
    assert ended(pid), "it outlived who started it"


def written(file: Path) -> int:
    """A process id, once it is in the file."""
    while not (file.exists() and file.read_text(encoding="ascii")):
        time.sleep(0.05)
    return int(file.read_text(encoding="ascii"))


def ended(pid: int) -> bool:
    """Whether a process is gone or a zombie, within ten seconds."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False
