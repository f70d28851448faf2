"""`map(stages, items)`: items through functions in worker processes of this machine, as a stream of outcomes in order.

An item that raises, kills or hangs its worker fails alone; the worker is replaced and the stream goes on. Workers are
plain subprocesses (not multiprocessing), so a script of the user's needs no `__main__` guard.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from medalist.engines.worker import CANNOT_IMPORT, receive, send
from medalist.errors import MedalistError

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # a worker is one core
# glibc: what a picture took stays with the process for the next one, up to 64 MiB, instead of page faults for each.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(1 << 26), "MALLOC_TRIM_THRESHOLD_": str(1 << 26)}
PIPE_BYTES = 1 << 20
QUEUE = 2  # items in a worker's hands: one at work, one waiting, so that it never idles while the parent computes


@dataclass(frozen=True)
class Stage:
    """A function, named `module:function` so that a worker can import it, and its keyword arguments."""

    function: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of item `index`: a value, or the error that it failed with, and the processor seconds it took."""

    index: int
    value: Any
    error: str | None = None
    seconds: float = 0.0


def map(  # the contract's name; it shadows the builtin in this module alone
    stages: Sequence[Stage],
    items: Iterable[Any],
    *,
    workers: int | None = None,
    timeout_s: float = 30.0,
    window: int = 64,
) -> Iterator[Outcome]:
    """Put each item through the stages, one after the other.

    Args:
        stages: functions `(value, **arguments) -> value`; values must be picklable.
        items: read ahead by at most `window`.
        workers: processes; None: one a usable core.
        timeout_s: seconds that one item may take before its worker is killed.
        window: outcomes that may be under way or waiting for an earlier one.

    Yields:
        An Outcome an item, in the order of the items. Closing the iterator ends the workers.

    Raises:
        MedalistError: a worker cannot import a stage.
    """
    pool = _Pool(stages, workers or usable_cores(), timeout_s)
    source = enumerate(items)
    ready: dict[int, Outcome] = {}
    given = done = 0
    try:
        while True:
            while given - done < window and pool.has_room() and (entry := next(source, None)) is not None:
                pool.give(*entry)
                given += 1
            if given == done:
                return
            for outcome in pool.collect():
                ready[outcome.index] = outcome
            while done in ready:
                yield ready.pop(done)
                done += 1
    finally:
        pool.close()


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """A subprocess, and the items in its hands in the order given: (index, item)."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        # -P and our own search path: a worker imports what this process would, not what lies in the current folder.
        command = [sys.executable, "-P", "-c", "from medalist.engines.worker import main; main()"]
        search_path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
        surroundings = {**KEEP_MEMORY, **os.environ, **ONE_THREAD, "PYTHONPATH": search_path}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=surroundings
        )
        self.items: deque[tuple[int, Any]] = deque()
        self.since = time.monotonic()
        self.questions, self.answers = cast(BinaryIO, self.process.stdin), cast(BinaryIO, self.process.stdout)
        if hasattr(
            fcntl, "F_SETPIPE_SZ"
        ):  # Linux: an answer of one image fits, so that its worker need not wait for us
            with contextlib.suppress(PermissionError):  # the user's pipes are many already
                fcntl.fcntl(self.answers, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        send(self.questions, [(stage.function, stage.arguments) for stage in stages])

    def give(self, index: int, item: Any) -> None:
        if not self.items:
            self.since = time.monotonic()
        self.items.append((index, item))
        with contextlib.suppress(BrokenPipeError):  # a dead worker shows at its answers
            send(self.questions, item)

    def stop(self) -> int:
        """Kill and reap; returns the exit code."""
        self.process.kill()
        for pipe in (self.questions, self.answers):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        return self.process.wait()


class _Pool:
    """Workers, started as items come, replaced when they die or hang."""

    def __init__(self, stages: Sequence[Stage], size: int, timeout_s: float) -> None:
        self.stages, self.size, self.timeout_s = stages, size, timeout_s
        self.workers: list[_Worker] = []
        self.selector = selectors.DefaultSelector()

    def has_room(self) -> bool:
        return len(self.workers) < self.size or any(len(worker.items) < QUEUE for worker in self.workers)

    def give(self, index: int, item: Any) -> None:
        """Hand an item to the worker with the least to do; a new one while there may be more."""
        idle = min(self.workers, key=lambda worker: len(worker.items), default=None)
        if idle is None or (idle.items and len(self.workers) < self.size):
            idle = self._hire()
        idle.give(index, item)

    def collect(self) -> Iterator[Outcome]:
        """Wait for at least one worker to answer, die or run out of time."""
        for key, _ in self.selector.select(timeout=self._patience()):
            yield self._answer_of(key.data)
        now = time.monotonic()
        for worker in [w for w in self.workers if w.items and now - w.since > self.timeout_s]:
            yield self._bury(worker, f"took longer than {self.timeout_s:g} s")

    def _patience(self) -> float:
        since = min((worker.since for worker in self.workers if worker.items), default=time.monotonic())
        return max(0.0, since + self.timeout_s - time.monotonic()) + 0.01

    def _answer_of(self, worker: _Worker) -> Outcome:
        try:
            value, error, seconds = receive(worker.answers)
        except EOFError:
            code = worker.process.wait()
            if code == CANNOT_IMPORT:
                names = ", ".join(stage.function for stage in self.stages)
                raise MedalistError(
                    f"a worker cannot import {names}: see its message above; give module:function"
                ) from None
            end = f"signal {-code}, {signal.strsignal(-code)}" if code < 0 else f"exit status {code}"
            return self._bury(worker, f"its worker process died ({end})")
        worker.since = time.monotonic()
        return Outcome(worker.items.popleft()[0], value, error, seconds)

    def _bury(self, worker: _Worker, error: str) -> Outcome:
        """The item at work fails; those that waited behind it go to a new worker."""
        self.selector.unregister(worker.answers)
        self.workers.remove(worker)
        worker.stop()
        failed, *waiting = worker.items
        if waiting:
            heir = self._hire()
            for index, item in waiting:
                heir.give(index, item)
        return Outcome(failed[0], None, error)

    def _hire(self) -> _Worker:
        worker = _Worker(self.stages)
        self.workers.append(worker)
        self.selector.register(worker.answers, selectors.EVENT_READ, worker)
        return worker

    def close(self) -> None:
        for worker in self.workers:
            worker.stop()
        self.selector.close()
