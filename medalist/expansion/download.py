"""Images that were found -> what became of each, in the order in which they were found, many at once.

One thread decides: what may start now, who is left alone and until when, what is on record, what still fits on the
disk. Others fetch. Order, names and bytes depend neither on which of them was faster nor on kills.
"""

from __future__ import annotations

import shutil
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from medalist.errors import WebError
from medalist.expansion.fetch import fetch, used
from medalist.expansion.found import Found, Outcome
from medalist.expansion.journal import Journal, Record
from medalist.expansion.patience import pause_after
from medalist.expansion.plain import plain
from medalist.expansion.web import Limits, Web
from medalist.store import hash_json

AHEAD = 4  # images that are looked at, a worker, before the first of them is told


def download(found: Iterable[Found], folder: Path, web: Web) -> Iterator[Outcome]:
    """Fetch images into `folder/images`, resuming what an earlier call began.

    A URL is asked for once, whoever points to it; equal bytes are one file. Drawing no further ends it after what is
    under way.

    Args:
        found: drawn from as needed, a few ahead.
        folder: of the expansion.
        web: who asks, and the limits.

    Returns:
        An outcome for each of `found`, in their order.

    Raises:
        StoreError: the folder is in use, damaged or cannot be written. RecipeError: no contact.
    """
    with Journal(folder, _told(web.limits)) as journal, ThreadPoolExecutor(web.limits.workers) as pool:
        work = _Work(folder, web, journal, pool)
        try:
            yield from work.outcomes(iter(found))
        finally:
            work.finish()


def _told(limits: Limits) -> str:
    """Hash of the limits on which a refusal may depend."""
    return hash_json([limits.bytes, limits.pixels])


@dataclass(frozen=True)
class _Task:
    """A URL to be asked for.

    Args:
        found: who pointed to it first.
        host: of the URL; empty for a file.
        failures: so far.
        ready: when it may be asked for, by the clock.
    """

    found: Found
    host: str
    failures: int = 0
    ready: float = 0.0


class _Work:
    """The state of one call of `download`; only its own thread touches it."""

    def __init__(self, folder: Path, web: Web, journal: Journal, pool: ThreadPoolExecutor) -> None:
        self._folder, self._web, self._journal, self._pool = folder, web, journal, pool
        self._turn = threading.Lock()
        self._used = used(folder)
        self._waiting: list[_Task] = []
        self._running: dict[Future[Record], _Task] = {}
        self._busy: Counter[str] = Counter()
        self._alone_until: dict[str, float] = {}
        self._settled: dict[str, Record] = {}  # what the journal does not keep: local files, and what found no room

    def outcomes(self, found: Iterator[Found]) -> Iterator[Outcome]:
        """See `download`."""
        told: deque[Found] = deque()
        more = True
        while more or told:
            while more and len(told) < AHEAD * self._web.limits.workers:
                image = next(found, None)
                more = image is not None
                if image is not None:
                    told.append(image)
                    self._take(image)
                    self._start()
            while told and (record := self._record(told[0].url)):
                yield record.outcome(told.popleft())
            if told and self._record(told[0].url) is None:
                self._advance()

    def finish(self) -> None:
        """Let what is under way end, and keep it."""
        self._waiting.clear()
        while self._running:
            self._collect(None)

    def _record(self, url: str) -> Record | None:
        return self._settled.get(url) or self._journal.known(url)

    def _take(self, image: Found) -> None:
        """Queue an image unless its URL is on record or asked for already."""
        asked = [*self._waiting, *self._running.values()]
        if self._record(image.url) or any(task.found.url == image.url for task in asked):
            return
        self._waiting.append(_Task(image, "" if image.local else _host(image.url)))

    def _start(self) -> None:
        """Start all that may start now."""
        for task in list(self._waiting):
            pause = self._pause(task)
            if len(self._running) >= self._web.limits.workers:
                return
            if pause > self._web.limits.patience:
                self._set_aside(task, f"not fetched: {task.host} asked to be left alone for {pause:.0f} s")
            elif pause > 0 or (task.host and self._busy[task.host] >= self._web.limits.per_host):
                continue
            elif self._fits():
                self._begin(task)
            elif not self._running:  # else what is under way may turn out small
                self._set_aside(task, self._no_room())

    def _begin(self, task: _Task) -> None:
        self._waiting.remove(task)
        self._busy[task.host] += 1
        self._running[self._pool.submit(fetch, task.found, self._folder, self._web, self._turn)] = task

    def _set_aside(self, task: _Task, reason: str) -> None:
        """Refuse an image in this call alone: nothing was learnt of it."""
        self._waiting.remove(task)
        self._settled[task.found.url] = Record(task.found.url, reason=reason)

    def _pause(self, task: _Task) -> float:
        """Seconds until it may begin."""
        now = self._web.outside.now()
        return max(0.0, task.ready - now, self._alone_until.get(task.host, now) - now)

    def _advance(self) -> None:
        """Wait until something ended or may begin."""
        self._start()
        pause = min(map(self._pause, self._waiting), default=0.0)
        full = len(self._running) >= self._web.limits.workers
        if self._running:
            self._collect(None if full else pause or None)
        elif pause:
            self._web.outside.sleep(pause)
        self._start()

    def _collect(self, seconds: float | None) -> None:
        """Put what has ended on record, or back into the queue."""
        done, _ = wait(self._running, timeout=seconds, return_when=FIRST_COMPLETED)
        for future in done:
            task = self._running.pop(future)
            self._busy[task.host] -= 1
            try:
                record = future.result()
            except WebError as error:
                self._failed(replace(task, failures=task.failures + 1), error)
            else:
                self._used += record.bytes
                self._settle(task, record)

    def _failed(self, task: _Task, error: WebError) -> None:
        now = self._web.outside.now()
        if error.after_s is not None:
            self._alone_until[task.host] = max(self._alone_until.get(task.host, 0.0), now + error.after_s)
        pause = pause_after(error, task.failures, self._web.limits.patience)
        if pause is not None:
            self._waiting.insert(0, replace(task, ready=now + pause))
            return
        reason = plain(str(error)) + (f"; asked {task.failures} times" if task.failures > 1 else "")
        limits = _told(self._web.limits)
        self._settle(task, Record(task.found.url, reason=reason, again=error.again, limits=limits))

    def _settle(self, task: _Task, record: Record) -> None:
        if task.found.local:
            self._settled[task.found.url] = record
        else:
            self._journal.write(record)

    def _fits(self) -> bool:
        """Whether one more file, and all under way, fit even if each is as large as may be."""
        coming = (len(self._running) + 1) * self._web.limits.bytes
        room = self._used + coming <= self._web.limits.total
        return room and shutil.disk_usage(self._folder).free - coming >= self._web.limits.free

    def _no_room(self) -> str:
        limits = self._web.limits
        return (
            f"not fetched: {self._used:,} bytes of at most {limits.total:,} are used, or the disk has little more than"
            f" {limits.free:,} bytes free"
        )


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
