"""The record of what was tried: read back as written, dropped where its runs are gone, and as a table."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from medalist.experiments.budget import journal
from medalist.experiments.budget.journal import Tried

NUMBER = st.floats(-1e6, 1e6)
WORD = st.text(max_size=8)
STEP = st.builds(
    Tried,
    *(WORD, WORD, WORD, st.just(""), st.lists(WORD, max_size=3).map(tuple), WORD, NUMBER, NUMBER, NUMBER),
    score=st.none() | NUMBER,
    p=st.none() | st.floats(0, 1),
    held_out=st.booleans(),
    reason=WORD,
)


@given(st.lists(STEP, max_size=4), NUMBER)
def test_read_back_as_written(steps: list[Tried], used_s: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal.save(Path(folder), steps, used_s)
        assert journal.load(Path(folder)) == (steps, round(used_s, 3))


def step(name: str, outcome: str, gain: float | None = None) -> Tried:
    """A step that took 61 s, 5 of them foreseen."""
    run = f"arms/{name}"
    ended = Tried("rank", name, name, run, ("a",), outcome, 5.0, 61.0, 75.0, runs=(run,))
    numbers = {"score": 0.5, "stderr": 0.01, "challenger": 0.5, "gain": gain, "gain_stderr": 0.02, "p": 0.1}
    return replace(ended, verdict="better", **numbers)  # type: ignore[arg-type]


def test_a_record_without_its_runs_is_none(tmp_path: Path) -> None:
    journal.save(tmp_path, [step("one", journal.FIRST)], 10.0)
    assert journal.load(tmp_path) == ([], 0.0)
    (tmp_path / "arms/one").mkdir(parents=True)
    (tmp_path / "arms/one/summary.json").write_text("{}")
    assert journal.load(tmp_path)[1] == 10.0


def test_the_incumbent_is_the_last_that_replaced_and_gains_add_up() -> None:
    steps = [
        step("one", journal.FIRST),
        step("two", journal.REPLACED, 0.1),
        step("three", journal.KEPT, 0.5),
        step("four", journal.REPLACED, 0.25),
        step("five", journal.STOPPED),
    ]
    held = journal.incumbent_of(steps)
    assert held is not None and held.step == "four"
    assert journal.gained(steps) == 0.35


def test_nothing_was_foreseen_of_the_first_step() -> None:
    head, first, second = journal.table([step("one", journal.FIRST), step("two", journal.KEPT, 0.1)]).splitlines()
    assert head.split()[-3:] == ["seconds", "forecast", "at"]
    assert first.split()[-3:] == ["first", "61", "1:15"]
    assert second.split()[-3:] == ["61", "5", "1:15"]


def test_the_runner_up_is_the_best_gain_since_the_incumbent() -> None:
    before = [step("one", journal.FIRST), step("old", journal.KEPT, 0.9), step("two", journal.REPLACED, 0.1)]
    assert journal.runner_up(before) is None
    since = [step("three", journal.KEPT, 0.02), step("four", journal.KEPT, 0.05), step("five", journal.KEPT, -0.2)]
    found = journal.runner_up([*before, *since])
    assert found is not None and found.step == "four"
    assert journal.runner_up([*before, since[-1]]) is None


def test_a_line_a_step_and_no_name_is_cut() -> None:
    long = "a backbone of a very long name, " * 5
    lines = journal.table([step(long, journal.FIRST), step("two", journal.REPLACED, 0.1)]).splitlines()
    assert len(lines) == 3 and long.strip() in lines[1]
    cells = "two 0.5000 +- 0.0100 +0.1000 +- 0.0200 better replaces 61 5 1:15"
    assert lines[2].split() == cells.split()
