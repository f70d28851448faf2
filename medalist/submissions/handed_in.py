"""What was handed in: an append-only `submitted.jsonl` in the run's folder, a line an event, and the events as records.

A file is known by its SHA-256. A line is never changed: scores that come later are lines of their own.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from medalist.errors import StoreError

FILE = "submitted.jsonl"


@dataclass(frozen=True)
class HandIn:
    """A submission as it was handed in, with what is known of it by now.

    Args:
        time: UTC, ISO 8601.
        sha256: of the file.
        metric: that it was made for.
        score, stderr: cross-validated.
        forecast: `score`, `stderr`, `interval95`, `num_test`; None where there was none.
        slug: of the Kaggle competition; None where it was handed in by hand.
        message: that went with it.
        public, private: scores on the leaderboards; None where not known.
    """

    time: str
    sha256: str
    metric: str
    score: float
    stderr: float
    forecast: dict[str, Any] | None
    slug: str | None = None
    message: str | None = None
    public: float | None = None
    private: float | None = None


def append(folder: Path, event: dict[str, Any]) -> None:
    """Add a line with the time, and have it on disk before returning.

    Raises:
        StoreError: the file cannot be written, or a number is NaN or infinite.
    """
    facts = {"time": datetime.now(UTC).isoformat(timespec="seconds"), **event}
    try:
        line = json.dumps(facts, sort_keys=True, allow_nan=False) + "\n"
    except ValueError:
        raise StoreError(f"a number of the hand-in is NaN or infinite, which JSON does not know: {event}") from None
    try:
        with (folder / FILE).open("a+b") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            # A line that a kill cut short must not swallow this one.
            file.write((b"\n" if file.read() not in (b"", b"\n") else b"") + line.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"cannot write {folder / FILE}: {error.strerror}") from error


def hand_ins(folder: Path) -> list[HandIn]:
    """What was handed in from a run's folder, oldest first, each with the newest scores told of it.

    Raises:
        StoreError: a line is no event; a half-written last line (a kill) is passed over.
    """
    records: dict[str, dict[str, Any]] = {}
    for event in _events(folder):
        # A score's line has its own time; the record keeps that of the hand-in.
        known = {key: value for key, value in event.items() if value is not None}
        records[event["sha256"]] = {**known, **records.get(event["sha256"], {}), **_scores(known)}
    return [HandIn(**{"forecast": None, **record}) for record in records.values()]


def on_day(folder: Path, day: date) -> set[str]:
    """SHA-256 of each file that was handed in from a run's folder on a day of UTC.

    Raises:
        StoreError: see `hand_ins`.
    """
    events = [event for event in _events(folder) if "metric" in event]
    return {event["sha256"] for event in events if str(event["time"]).startswith(day.isoformat())}


def _events(folder: Path) -> list[dict[str, Any]]:
    """The lines, oldest first."""
    if not (folder / FILE).is_file():
        return []
    events: list[dict[str, Any]] = []
    lines = (folder / FILE).read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
            events.append({"time": event["time"], "sha256": event["sha256"], **event})
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            if number == len(lines):
                continue
            raise StoreError(f"{folder / FILE}, line {number} is no event: {error}; mend or remove the line") from error
    return events


def _scores(event: dict[str, Any]) -> dict[str, float]:
    return {key: event[key] for key in ("public", "private") if key in event}
