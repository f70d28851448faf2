"""Runs as processes: what they find, how they fail and how much memory they hold."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from medalist.data.drawn import draw_competition
from medalist.experiments.arms import Arm
from medalist.experiments.searching import children
from medalist.experiments.searching.children import Place, Runs, resident, side_by_side
from medalist.recipe import load_recipe

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


def test_a_run_that_fails_is_an_outcome_with_its_reason(tmp_path: Path) -> None:
    draw_competition(tmp_path / "data", seed=1, num_train=12, num_test=4)
    workers = Runs(Place(tmp_path / "data", tmp_path / "out", tmp_path / "cache"), None)
    recipe = load_recipe(metric="accuracy", backbones=["embedded"], heads=["ridgee"])
    workers.start(Arm("001-folds", recipe))
    name, outcome = workers.wait()
    assert name == "001-folds" and outcome.score is None
    assert outcome.fault.startswith("this run cannot start: heads: unknown head 'ridgee'; did you mean 'ridge'?")


class Sleeper(subprocess.Popen[bytes]):
    """A process that sleeps."""

    def __init__(self, seconds: float = 60, code: str = "") -> None:
        super().__init__(
            [sys.executable, "-c", f"import time; {code or 'pass'}; time.sleep({seconds})"], start_new_session=True
        )


def child(process: subprocess.Popen[bytes], tmp_path: Path) -> children.Child:
    (tmp_path / "log").write_text("", encoding="utf-8")
    return children.Child(Arm("a", load_recipe(metric="accuracy")), process, tmp_path / "log")


def test_a_killed_run_says_what_usually_kills(tmp_path: Path) -> None:
    one = child(Sleeper(), tmp_path)
    assert not one.over()
    one.process.kill()
    one.process.wait()
    assert one.over() and "memory" in one.fault()


def test_what_was_broken_off_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = child(Sleeper(), tmp_path)
    workers = Runs(Place(tmp_path, tmp_path), None)
    workers._children["a"] = one

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(children.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        workers.wait()
    assert one.process.poll() is not None


@LINUX
def test_memory_counts_what_a_process_started_itself(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    inner = f"import time; b = bytearray(80_000_000); open({str(ready)!r}, 'w').close(); time.sleep(60)"
    one = child(Sleeper(code=f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {inner!r}])"), tmp_path)
    while not ready.exists():
        time.sleep(0.05)
    one.over()
    assert one.peak > 80_000_000
    one.end()


@pytest.mark.parametrize(
    ("peak", "wanted", "cores", "gpu", "expected"),
    [
        (0, 4, 64, False, 1),  # not measured yet
        (1_000, 4, 2, False, 4),
        (3_000, 4, 2, False, 2),  # 8,000 of 10,000 bytes may be taken
        (20_000, 4, 2, False, 1),
        (1_000, None, 2, False, 1),
        (1_000, None, 32, False, 4),
        (1_000, None, 32, True, 1),
    ],
)
def test_as_many_side_by_side_as_fit(
    monkeypatch: pytest.MonkeyPatch, peak: int, wanted: int | None, cores: int, gpu: bool, expected: int
) -> None:
    monkeypatch.setattr(children, "free_memory", lambda: 10_000)
    monkeypatch.setattr(children, "usable_cores", lambda: cores)
    monkeypatch.setattr(children, "_has_gpu", lambda: gpu)
    assert side_by_side(peak, wanted) == expected


def test_a_process_that_is_gone_holds_nothing() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert resident(gone.pid) == 0
