"""Events: what sinks are told, and that nothing is lost on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medalist import progress
from medalist.progress import Event, fan_out, ignore, jsonl, stage, track


def test_every_item_comes_and_the_last_event_is_complete() -> None:
    events: list[Event] = []
    assert list(track(iter("abc"), "embed", 3, events.append, every_s=1000)) == ["a", "b", "c"]
    assert [(event.stage, event.done, event.total) for event in events] == [("embed", 3, 3)]


def test_events_come_at_most_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter(range(100))
    monkeypatch.setattr(progress.time, "perf_counter", lambda: float(next(seconds)))
    events: list[Event] = []
    list(track(range(10), "embed", 10, events.append, every_s=3))
    assert [(event.done, event.seconds) for event in events] == [(3, 3.0), (6, 6.0), (9, 9.0), (10, 10.0)]
    assert events[0].rate == 1.0


def test_a_stage_is_timed_also_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter((0.0, 2.0, 10.0, 13.0))
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(seconds))
    events: list[Event] = []
    spent: dict[str, float] = {}
    with stage("fit", events.append, spent):
        pass
    with pytest.raises(ValueError, match="slip"), stage("fit", events.append, spent):
        raise ValueError("slip")
    assert spent == {"fit": 5.0}
    assert [event.note for event in events] == [{}, {"finished": True}] * 2


def test_the_file_holds_a_line_an_event(tmp_path: Path) -> None:
    path, seen = tmp_path / "events.jsonl", list[Event]()
    feed = fan_out(ignore, jsonl(path), seen.append)
    feed(Event("fit", 1, 4, 2.0, {"loss": 0.5, "name": "café"}))
    feed(Event("fit", 4, 4, 3.0))
    first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert first.pop("time") > 0
    assert first == {"stage": "fit", "done": 1, "total": 4, "seconds": 2.0, "note": {"loss": 0.5, "name": "café"}}
    assert second["done"] == 4
    assert len(seen) == 2


def test_no_time_no_rate() -> None:
    assert Event("fit", 3, 3, 0.0).rate == 0.0
