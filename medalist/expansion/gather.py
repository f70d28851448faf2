"""Sources and classes -> what was found for each class, from all sources in turn, fetched into the folder.

What was found is kept in `found.jsonl` once every search has come to its end, so that the same command asks no service
again; what was fetched is on record in the downloads' own journal.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from medalist.errors import WebError
from medalist.expansion.download import download
from medalist.expansion.found import Fetched, Found, Outcome
from medalist.expansion.sources import Source, passed_over, search, sources
from medalist.expansion.web import Web
from medalist.progress import Event, Sink, ignore, track
from medalist.registry import Bound
from medalist.store import hash_json, write_atomic

FOUND = "found.jsonl"


@dataclass(frozen=True)
class Gathered:
    """Outcomes in the order found, class by class; sentences on what is passed over, and searches that broke off."""

    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...]


@dataclass
class _Search:
    """What has been found so far, and what went wrong."""

    found: list[Found] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def gather(
    calls: Sequence[str],
    queries: Mapping[str, str],
    wanted: Mapping[str, int],
    folder: Path,
    *,
    web: Web,
    keep: bool = True,
    skipped: Collection[str] = (),
    sink: Sink = ignore,
) -> Gathered:
    """Find images and fetch them.

    Args:
        calls: sources, such as `folder(path='more')` or `openverse`.
        queries: what is asked for each class, by its label.
        wanted: how many finds of each label are looked at.
        folder: of the expansion.
        web: who asks.
        keep: read and write `found.jsonl`.
        skipped: labels that want no images; what sources hold of them is passed over without a word.
        sink: takes an event an image.

    Raises: as the sources and `download` do.
    """
    bound = [sources.bind(call) for call in calls]
    file, key = folder / FOUND, hash_json([[one.text for one in bound], dict(queries), dict(wanted)])
    known = _known(file, key) if keep else None
    so_far = _Search()
    finds = iter(known) if known is not None else _finds(bound, queries, wanted, web, so_far)
    total = len(known) if known is not None else sum(wanted.values())
    outcomes = tuple(_told(track(download(finds, folder, web), "fetch", total, sink), total, sink))
    if keep and known is None and not so_far.notes:
        lines = [{"key": key}, *map(asdict, so_far.found)]
        write_atomic(file, "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines).encode())
    return Gathered(outcomes, (*passed_over(bound, {**queries, **dict.fromkeys(skipped, "")}), *so_far.notes))


def _told(outcomes: Iterable[Outcome], total: int, sink: Sink) -> Iterator[Outcome]:
    """The same, with a line for logs after each class."""
    start, done = time.perf_counter(), 0
    for label, group in groupby(outcomes, key=lambda one: one.found.label):
        members = list(group)
        done += len(members)
        line = f"{label}: {sum(isinstance(one, Fetched) for one in members)} of {len(members)} fetched"
        sink(Event("fetch", done, total, time.perf_counter() - start, {"line": line}))
        yield from members


def _known(file: Path, key: str) -> list[Found] | None:
    """What an earlier command found for the same request."""
    if not file.is_file():
        return None
    head, *lines = (json.loads(line) for line in file.read_bytes().splitlines())
    return [Found(**line) for line in lines] if head == {"key": key} else None


def _finds(
    bound: Sequence[Bound[Source]], queries: Mapping[str, str], wanted: Mapping[str, int], web: Web, so_far: _Search
) -> Iterator[Found]:
    """So many finds of each label, its sources in turn, each address once; labels of lists that join tags come last."""
    streams: dict[str, list[Iterator[Found]]] = {label: [] for label in queries}
    for one in bound:
        for label, stream in search(one, queries, web).items():
            streams.setdefault(label, []).append(_until_it_breaks(stream, one.text, so_far))
    most = max(wanted.values(), default=0)
    for label, own in streams.items():
        for found in islice(_each_once(_in_turn(own)), wanted.get(label, most)):
            so_far.found.append(found)
            yield found


def _until_it_breaks(stream: Iterator[Found], source: str, so_far: _Search) -> Iterator[Found]:
    """A stream whose service may fail: what came before stays, the rest is told."""
    try:
        yield from stream
    except WebError as error:
        so_far.notes.append(f"{source}: {error}; the same command asks again")


def _in_turn(streams: Sequence[Iterator[Found]]) -> Iterator[Found]:
    """One of each stream, then a second of each, and so on."""
    left: list[Iterator[Any]] = list(streams)
    while left:
        for stream in list(left):
            found = next(stream, None)
            if found is None:
                left.remove(stream)
            else:
                yield found


def _each_once(stream: Iterator[Found]) -> Iterator[Found]:
    seen: set[str] = set()
    for found in stream:
        if found.url not in seen:
            seen.add(found.url)
            yield found
