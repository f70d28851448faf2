"""The local engine: order, failures that stay alone, and no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from medalist import engines
from medalist.engines import Stage
from medalist.errors import MedalistError

HERE = "engine_stages"


@pytest.fixture(autouse=True)
def stages_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers import their functions by name from a module of this test's."""
    (tmp_path / f"{HERE}.py").write_text(
        "import os, signal, time\n"
        "def double(x): return 2 * x\n"
        "def plus(x, amount): return x + amount\n"
        "def fail_at(x, bad):\n"
        "    if x == bad: raise ValueError(f'no {x}')\n"
        "    return x\n"
        "def die_at(x, bad):\n"
        "    if x == bad: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    return x\n"
        "def hang_at(x, bad):\n"
        "    if x == bad: time.sleep(60)\n"
        "    return x\n"
        "def chatter(x):\n"
        "    os.write(1, b'noise from a C library')\n"
        "    print('noise')\n"
        "    return x\n"
        "def listen(x): return os.read(0, 9)\n"
        "def quit_at(x, bad):\n"
        "    if x == bad: raise SystemExit(3)\n"
        "    return x\n"
        "def pid(x): return os.getpid()\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)


def stage(function: str, **arguments: object) -> Stage:
    return Stage(f"{HERE}:{function}", arguments)


def test_stages_follow_one_another_and_outcomes_come_in_order() -> None:
    outcomes = list(engines.map([stage("double"), stage("plus", amount=1)], range(200), workers=3))
    assert [outcome.value for outcome in outcomes] == [2 * i + 1 for i in range(200)]
    assert [outcome.index for outcome in outcomes] == list(range(200))


def test_arrays_arrive_whole() -> None:
    image = np.arange(224 * 224 * 3, dtype=np.uint8).reshape(224, 224, 3)
    outcomes = list(engines.map([stage("double")], [image] * 5, workers=2))
    assert all(np.array_equal(outcome.value, 2 * image) for outcome in outcomes)


@pytest.mark.parametrize(
    ("function", "message"), [("fail_at", "no 7"), ("die_at", "signal 11"), ("hang_at", "longer than 1 s")]
)
def test_a_bad_item_fails_alone(function: str, message: str) -> None:
    outcomes = list(engines.map([stage(function, bad=7)], range(20), workers=2, timeout_s=1.0))
    assert [outcome.value for outcome in outcomes] == [None if i == 7 else i for i in range(20)]
    assert message in str(outcomes[7].error)
    assert all(outcome.error is None for outcome in outcomes if outcome.index != 7)


def test_a_stage_that_prints_does_not_disturb() -> None:
    assert [outcome.value for outcome in engines.map([stage("chatter")], range(5), workers=1)] == list(range(5))


def test_a_stage_that_reads_standard_input_finds_it_empty() -> None:
    assert [outcome.value for outcome in engines.map([stage("listen")], range(5), workers=1)] == [b""] * 5


def test_an_exception_that_is_no_error_ends_only_its_worker() -> None:
    outcomes = list(engines.map([stage("quit_at", bad=2)], range(5), workers=1))
    assert [outcome.value for outcome in outcomes] == [0, 1, None, 3, 4]
    assert "exit status 3" in str(outcomes[2].error)


@pytest.mark.parametrize("reference", ["no_such_module:look", f"{HERE}:no_such_function"])
def test_a_stage_that_cannot_be_imported_is_an_error_at_once(reference: str) -> None:
    with pytest.raises(MedalistError, match=reference):
        next(engines.map([Stage(reference)], range(1000), workers=2))


def test_no_items_start_no_worker() -> None:
    assert list(engines.map([Stage("no_such_module:look")], [])) == []


def test_no_more_than_a_window_is_read_ahead() -> None:
    taken: list[int] = []

    def items() -> object:
        for i in range(100):
            taken.append(i)
            yield i

    stream = engines.map([stage("double")], items(), workers=2, window=8)  # type: ignore[arg-type]
    next(stream)
    assert len(taken) <= 9
    stream.close()  # type: ignore[attr-defined]


def test_closing_early_ends_the_workers() -> None:
    stream = engines.map([stage("pid")], range(1000), workers=2)
    pids = {next(stream).value for _ in range(10)}
    stream.close()  # type: ignore[attr-defined]
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


SCRIPT = """
import os, signal, sys
from medalist import engines
stream = engines.map([engines.Stage("engine_stages:pid")], range(1000), workers=2)
print(next(stream).value, flush=True)
if len(sys.argv) > 1:
    os.kill(os.getpid(), signal.SIGKILL)
print(sum(1 for _ in stream))
"""


def test_a_script_without_a_main_guard_works(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    output = subprocess.run([sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True, check=True)
    assert output.stdout.split()[1] == "999"


def test_workers_of_a_killed_parent_end(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    process = subprocess.run(
        [sys.executable, str(tmp_path / "script.py"), "kill"], capture_output=True, text=True, check=False
    )
    assert process.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and Path(f"/proc/{process.stdout.strip()}").exists():
        time.sleep(0.05)
    assert not Path(f"/proc/{process.stdout.strip()}").exists()
