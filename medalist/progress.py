"""Events of a running stage (done, total, rate, note) -> sinks: terminal bars, events.jsonl, a user's callback."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

PACE = "pace"  # a stage that is none: numbers for the record
T = TypeVar("T")


@dataclass(frozen=True)
class Event:
    """One step of a stage: `done` of `total` items after `seconds`; `note` carries curve values, names, verdicts."""

    stage: str
    done: int
    total: int
    seconds: float
    note: dict[str, Any] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Items a second since the stage began."""
        return self.done / self.seconds if self.seconds > 0 else 0.0


Sink = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The sink that keeps nothing."""


def fan_out(*sinks: Sink) -> Sink:
    """One sink that feeds several."""

    def feed(event: Event) -> None:
        for sink in sinks:
            sink(event)

    return feed


def jsonl(path: Path) -> Sink:
    """A sink that appends a line an event, with the wall-clock time, to `path`."""

    def write(event: Event) -> None:
        line = json.dumps({"time": round(time.time(), 3), **asdict(event)}, sort_keys=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    return write


@contextmanager
def stage(name: str, sink: Sink, seconds: dict[str, float]) -> Iterator[None]:
    """Time a stage: an event at its start and end, its wall seconds added to `seconds[name]`."""
    start = time.perf_counter()
    sink(Event(name, 0, 0, 0.0))
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - start
        sink(Event(name, 1, 1, seconds[name], {"finished": True}))


def tell_pace(sink: Sink, what: str, images: int, seconds: float, *, kept: int = 0) -> None:
    """Say how many images a piece of work went through, how fast, and how many it need not touch.

    Args:
        sink: takes an event of the stage `pace`.
        what: was done; empty: all that the stage under way does to images.
        images: that this process worked on.
        seconds: that took.
        kept: images whose result was there: from the cache, or from a run that was stopped and taken up again.
    """
    sink(Event(PACE, images, images, seconds, {"pace": pace(what, images, seconds, kept=kept)}))


def pace(what: str, images: int, seconds: float, *, kept: int = 0) -> dict[str, Any]:
    """The same as JSON, with images a second; None where nothing was worked on."""
    rate = round(images / seconds, 3) if images and seconds > 0 else None
    return {"what": what, "images": images, "kept": kept, "seconds": round(seconds, 3), "images_s": rate}


def track(items: Iterable[T], name: str, total: int, sink: Sink, *, every_s: float = 0.2) -> Iterator[T]:
    """Yield `items`, telling `sink` how many are done at most every `every_s` seconds."""
    start = last = time.perf_counter()
    for done, item in enumerate(items, 1):
        yield item
        now = time.perf_counter()
        if now - last >= every_s or done == total:
            last = now
            sink(Event(name, done, total, now - start))
