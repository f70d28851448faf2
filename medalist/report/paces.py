"""How many images a second each stage went through: as the run wrote it down, else from what it counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medalist.report.seen import Seen

EVENTS = "events.jsonl"
Pace = dict[str, Any]


def paces(seen: Seen) -> list[Pace]:
    """Of stages (`what` is empty), and of work within them: `stage`, `what`, `images`, `kept`, `seconds`, `images_s`.

    A run of before paces were written down tells how long its stages took and how many images they are of; what went
    through networks stands in its events.
    """
    return list(seen.summary.get("paces") or _derived(seen))


def _derived(seen: Seen) -> Iterator[Pace]:
    seconds, outer = seen.summary["seconds"], seen.field.outer
    num_scored, num_test = len(seen.ids), len(seen.field.test_ids or ())
    num_labelled = num_scored if outer is None else len(outer.ids)
    counts = {"read": seen.summary["images"], "split": num_labelled, "fit": num_labelled, "tune": num_labelled}
    counts |= {"decide": num_scored + num_test, "submit": num_test}
    for stage, images in counts.items():
        if stage in seconds and images:
            yield _pace(stage, images, seconds[stage])
    if (passed := _embedded(seen.folder / EVENTS)) is not None:
        yield passed


def _pace(stage: str, images: int, seconds: float, kept: int = 0) -> Pace:
    rate = images / seconds if images and seconds > 0 else None
    return {"stage": stage, "what": "", "images": images, "kept": kept, "seconds": seconds, "images_s": rate}


def _embedded(file: Path) -> Pace | None:
    """The last pass over images: how many went through networks in how long, and how many the bank held."""
    known, last = 0, None
    for event in _events(file):
        known = event["note"].get("known", known)
        if event["done"] == event["total"] and "bottleneck" in event["note"]:
            last = event
    return None if last is None else _pace("embed", last["total"], last["seconds"], known)


def _events(file: Path) -> Iterator[dict[str, Any]]:
    """Events of the stage in which images go through networks; a killed run may have cut a line."""
    if not file.is_file():
        return
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if '"embed"' not in line:
                continue
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["stage"] == "embed":
                yield event
