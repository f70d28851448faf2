"""Durations as text (`90s`, `30m`, `1h30m`), and how much of one is left since this process began."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medalist.errors import RecipeError

LONGEST = 1000  # hours


def seconds_of(text: str) -> int:
    """The seconds of a duration.

    Raises:
        RecipeError: it is none, or nothing, or above 1000 hours.

    >>> seconds_of("1h30m"), seconds_of("90s")
    (5400, 90)
    """
    found = re.fullmatch(r"(?:([0-9]{1,9})h)?(?:([0-9]{1,9})m)?(?:([0-9]{1,9})s)?", text.strip())
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if not 0 < total <= 3600 * LONGEST:
        raise RecipeError(
            f"--budget {text!r} is no duration; expected hours, minutes, seconds such as 90s, 30m, 2h or 1h30m, at most"
            f" {LONGEST}h"
        )
    return total


def told(seconds: float) -> str:
    """Minutes and seconds for a person.

    >>> told(61.2), told(7322)
    ('1:01', '2:02:02')
    """
    whole = max(int(seconds), 0)
    minutes = f"{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{whole // 3600}:{minutes}" if whole >= 3600 else f"{whole // 60}:{whole % 60:02d}"


def process_age() -> float:
    """Seconds since this process began, from the kernel; 0 where it does not say."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
        return max(time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK"), 0.0)
    except (OSError, ValueError, AttributeError):  # not Linux
        return 0.0


@dataclass(frozen=True)
class Clock:
    """A time that runs out.

    Args:
        budget_s: seconds in all.
        start: when they began, as `now` counts.
        now: seconds on a clock that only goes forward.
        before_s: seconds of them that earlier processes used.
    """

    budget_s: float
    start: float
    now: Callable[[], float] = time.monotonic
    before_s: float = 0.0

    def used(self) -> float:
        """Seconds used, by earlier processes too."""
        return self.before_s + self.now() - self.start

    def left(self) -> float:
        """Seconds left; negative: late."""
        return self.budget_s - self.used()


def since_process_start(budget_s: float) -> Clock:
    """A clock that began with this process."""
    return Clock(budget_s, time.monotonic() - process_age())
