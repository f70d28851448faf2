"""Durations: text to seconds and back, and what is no duration."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from medalist.errors import RecipeError
from medalist.experiments.budget.clock import Clock, process_age, seconds_of, since_process_start, told


@given(hours=st.integers(0, 900), minutes=st.integers(0, 5000), seconds=st.integers(0, 100_000))
def test_parts_add_up(hours: int, minutes: int, seconds: int) -> None:
    assume(hours + minutes + seconds > 0)
    text = "".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if n)
    assert seconds_of(text) == hours * 3600 + minutes * 60 + seconds


@given(st.text(alphabet="0123456789hms -.", max_size=12))
def test_anything_else_is_refused_with_what_to_type(text: str) -> None:
    if re.fullmatch(r"\s*(\d+h)?(\d+m)?(\d+s)?\s*", text) and re.search("[1-9]", text):
        assume(len(text.strip()) < 5)
        assert seconds_of(text) > 0
    else:
        with pytest.raises(RecipeError, match=r"is no duration; expected .* 1h30m"):
            seconds_of(text)


@pytest.mark.parametrize("text", ["", "30", "0s", "m", "30m1h", "-5m", "1.5h", "30 m", "5min", "1001h", "٣m"])
def test_named_cases_are_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="is no duration"):
        seconds_of(text)


def test_a_clock_counts_what_earlier_processes_used() -> None:
    clock = Clock(100.0, start=5.0, now=lambda: 25.0, before_s=30.0)
    assert (clock.used(), clock.left()) == (50.0, 50.0)
    assert told(59.9) == "0:59" and told(3600) == "1:00:00"


def test_the_budget_began_with_the_process() -> None:
    script = (
        "import time; time.sleep(0.5); from medalist.experiments.budget.clock import since_process_start as s;"
        "print(s(10).used())"
    )
    begin = time.monotonic()
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert 0.5 <= float(said) <= time.monotonic() - begin + 0.02  # a tick of the kernel's is 0.01 s
    assert process_age() > 0 and since_process_start(10).left() < 10
