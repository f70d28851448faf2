"""Images through backbones, once: paths in, rows in the feature bank out; each file is read and decoded a single time.

The plan is fixed before the first image: the table's order is cut into cells of `shard_rows`, a cell becomes a shard of
each space, and a batch never spans two cells. Axes: B batch, H W pixels, C channels, D features.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np

from medalist.backbones import Backbone
from medalist.backbones.runtimes import AUTO, Runtime, describe_runtime, open_runtime
from medalist.data.decode import Preprocessing, decoder_version
from medalist.data.facts import Facts, known_facts
from medalist.data.ingest import Ingested, ingest
from medalist.errors import RecipeError, near
from medalist.features.bank import FeatureBank, Space
from medalist.progress import Event, Sink, ignore, track

T = TypeVar("T")
VIEWS = ("center", "flip")
AHEAD = 64


def embed(
    root: Path,
    paths: Sequence[str],
    backbones: Sequence[Backbone],
    *,
    views: Sequence[str] = ("center",),
    cache: Path,
    runtime: str = AUTO,
    batch: int | None = None,
    shard_rows: int = 512,
    sink: Sink = ignore,
) -> tuple[list[Facts], list[Space]]:
    """Fill the bank with what it lacks: the features of each image, by each backbone, in each view.

    Args:
        root: folder that the paths are relative to.
        paths: N images; an unreadable one gets facts with a reason and no row.
        backbones: their weights are loaded only if rows are missing.
        views: `center`, and `flip` for its mirror image, from the same pixels.
        cache: folder of bank and facts.
        runtime: see `backbones.runtimes.open_runtime`.
        batch: rows of every forward pass; None: what suits the runtime.
        shard_rows: images of a cell, the most that a kill can cost.
        sink: takes events of the stage `embed`; the first notes damaged shards and non-commercial weights.

    Returns:
        N facts, and the spaces: all views of the first backbone, then of the second.

    Raises:
        RecipeError: an unknown view or runtime.
    """
    for view in views:
        if view not in VIEWS:
            raise RecipeError(f"unknown view {view!r}{near(view, VIEWS)} known: {', '.join(VIEWS)}")
    bank, lanes = FeatureBank(cache), Lanes()
    columns = [_Column(backbone, tuple(views), bank, runtime, batch, lanes) for backbone in backbones]
    facts = known_facts(root, paths, cache=cache)
    hashes = [fact.hash for fact in facts if fact is not None and fact.ok]
    unknown = any(fact is None for fact in facts)
    lacking = [(column, column.missing(hashes)) for column in columns]
    columns = [column for column, absent in lacking if unknown or absent]
    absent = set().union(*(absent for _, absent in lacking))
    todo = [i for i, fact in enumerate(facts) if fact is None or (fact.ok and fact.hash in absent)]
    note = {
        "known": len(paths) - len(todo),
        "damaged": [str(path) for path in bank.damaged],
        "non_commercial": [backbone.name for backbone in backbones if backbone.non_commercial],
    }
    sink(Event("embed", 0, len(todo), 0.0, note))
    preparations = list(dict.fromkeys(column.preparation for column in columns))
    stream = ingest(root, [paths[i] for i in todo], preparations=preparations, cache=cache)
    with lanes, closing(ahead(stream, AHEAD)) as arriving:
        arrived = zip(todo, track(arriving, "embed", len(todo), sink), strict=True)
        for _, cell in groupby(arrived, key=lambda pair: pair[0] // shard_rows):
            for i, one in cell:
                facts[i] = one.facts
                for column in columns:
                    column.add(one, preparations)
            for column in columns:
                column.finish_cell()
    return [fact for fact in facts if fact is not None], [space for column, _ in lacking for space in column.spaces]


@dataclass
class _Column:
    """One backbone on its way through a cell: images that arrived, pixels that wait for a full batch, finished rows."""

    backbone: Backbone
    views: tuple[str, ...]
    bank: FeatureBank
    runtime: str
    batch: int | None
    lanes: Lanes
    _arrived: dict[str, np.ndarray] = field(default_factory=dict)
    _waiting: dict[str, np.ndarray] = field(default_factory=dict)
    _running: list[Future[np.ndarray]] = field(default_factory=list)
    _done: list[str] = field(default_factory=list)

    @cached_property
    def preparation(self) -> Preprocessing:
        return Preprocessing.from_dict(self.backbone.preprocessing)

    @cached_property
    def spaces(self) -> list[Space]:
        """One a view."""
        return [space_of(self.backbone, view, runtime=self.runtime, batch=self.batch) for view in self.views]

    @property
    def _size(self) -> int:
        """Rows of a forward pass."""
        return int(self.spaces[0].key["runtime"]["batch"])

    @cached_property
    def _forward(self) -> Runtime:
        return open_runtime(self.backbone, runtime=self.runtime, batch=self.batch)

    def missing(self, hashes: Sequence[str]) -> set[str]:
        """Hashes that lack a row in any view."""
        return {key for space in self.spaces for key in self.bank.missing(space, hashes)}

    def add(self, one: Ingested, preparations: Sequence[Preprocessing]) -> None:
        """Take an image; the forward pass runs when a batch is full."""
        if one.facts.ok:
            self._arrived[one.facts.hash] = one.images[preparations.index(self.preparation)]
        if len(self._arrived) == self._size:
            self._admit()

    def finish_cell(self) -> None:
        """Run what waits, and write the cell's rows, a shard a space."""
        self._admit()
        self._run(list(self._waiting))
        results = [future.result() for future in self._running]
        for position, space in enumerate(self.spaces):
            if keys := self.bank.missing(space, self._done):
                rows = dict(zip(self._done, np.concatenate(results[position :: len(self.views)]), strict=True))
                self.bank.write(space, keys, np.stack([rows[key] for key in keys]))
        self._running.clear()
        self._done.clear()

    def _admit(self) -> None:
        """Let in those that arrived and whose rows the bank and this cell lack: a renamed file costs nothing."""
        absent = self.missing(list(self._arrived)) - set(self._done)
        self._waiting |= {key: pixels for key, pixels in self._arrived.items() if key in absent}
        self._arrived.clear()
        while len(self._waiting) >= self._size:
            self._run(list(self._waiting)[: self._size])

    def _run(self, keys: list[str]) -> None:
        if not keys:
            return
        pixels_BHWC = np.stack([self._waiting.pop(key) for key in keys])
        for view in self.views:
            seen_BHWC = pixels_BHWC if view == "center" else pixels_BHWC[:, :, ::-1]
            self._running.append(self.lanes.submit(self._forward, seen_BHWC))
        self._done += keys


def space_of(backbone: Backbone, view: str, *, runtime: str = AUTO, batch: int | None = None) -> Space:
    """The space that `embed` would fill; loads no torch."""
    key = {
        "name": backbone.name,
        "weights_hash": backbone.weights_hash,
        "preprocessing": backbone.preprocessing,
        "view": view,
        "runtime": describe_runtime(runtime=runtime, batch=batch),
        "decoder": decoder_version(),
    }
    return Space(key, backbone.num_features)


class Lanes:
    """Threads for forward passes, as many as a runtime wants; whoever hands over too much waits."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._room = threading.Semaphore()

    def submit(self, forward: Runtime, pixels_BHWC: np.ndarray) -> Future[np.ndarray]:
        """Run `forward` on one of the threads."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(forward.lanes, "medalist-lane")
            self._room = threading.Semaphore(forward.lanes + 1)
        self._room.acquire()
        future = self._pool.submit(forward, pixels_BHWC)
        future.add_done_callback(lambda _: self._room.release())
        return future

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def ahead(items: Iterator[T], depth: int) -> Generator[T]:
    """`items`, drawn by a thread up to `depth` in advance: decoders go on while a forward pass runs."""
    waiting: queue.Queue[tuple[bool, T | BaseException | None]] = queue.Queue(depth)
    closed = threading.Event()

    def put(entry: tuple[bool, T | BaseException | None]) -> bool:
        while not closed.is_set():
            try:
                waiting.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def draw() -> None:
        end: BaseException | None = None
        try:
            for item in items:
                if not put((True, item)):
                    break
        except BaseException as error:
            end = error
        finally:
            if isinstance(items, Generator):
                items.close()
            put((False, end))

    thread = threading.Thread(target=draw, name="medalist-ahead", daemon=True)
    thread.start()
    try:
        while (entry := waiting.get())[0]:
            yield entry[1]  # type: ignore[misc]
        if entry[1] is not None:
            raise entry[1]  # type: ignore[misc]
    finally:
        closed.set()
        thread.join()
