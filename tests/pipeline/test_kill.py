"""Kill a run anywhere, repeat the command: the same bytes as a run that nobody killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from medalist.store import FAILPOINT, hash_bytes

# Where the process ends with SIGKILL: the n-th passing of a point in the code.
POINTS = [
    "after-shard:1",
    "in-fit:2",
    *(pytest.param(p, marks=pytest.mark.slow) for p in ("before-rename:3", "after-sidecar:1", "before-submission:1")),
]
SAME = ("fitted", "predictions", "submission.csv", "folds.csv", "decision.json", "recipe.yaml", "rejected.csv")


def run_in(competition: Path, folder: Path, failpoint: str = "") -> int:
    script = "from medalist.cli import main; main()"
    arguments = ["run", str(competition), "--metric", "accuracy", "--backbone", "embedded", "--folds", "3"]
    arguments += ["--out", str(folder / "out"), "--cache", str(folder / "cache")]
    environment = {**os.environ, FAILPOINT: failpoint}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], env=environment, capture_output=True, check=False
    ).returncode


def bytes_of(folder: Path) -> dict[str, str]:
    """Hash of every file that a run's answer consists of, and of every shard; not of a kill's own temporary file."""
    files = [file for name in SAME for file in [folder / "out" / name, *(folder / "out" / name).rglob("*")]]
    files += (folder / "cache" / "bank").rglob("*")
    return {
        str(file.relative_to(folder)): hash_bytes(file.read_bytes())
        for file in files
        if file.is_file() and file.suffix != ".tmp"
    }


@pytest.fixture(scope="module")
def undisturbed(competition: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_in(competition, folder) == 0
    return bytes_of(folder)


@pytest.mark.parametrize("point", POINTS)
def test_the_same_bytes_after_a_kill(
    competition: Path, undisturbed: dict[str, str], tmp_path: Path, point: str
) -> None:
    assert run_in(competition, tmp_path, point) == -signal.SIGKILL
    assert not (tmp_path / "out" / "summary.json").exists()
    assert run_in(competition, tmp_path) == 0
    assert bytes_of(tmp_path) == undisturbed
