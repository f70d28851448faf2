"""Threads around the forward passes: lanes that run them, and a reader that draws ahead."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from medalist.backbones.runtimes import Runtime

T = TypeVar("T")


class Lanes:
    """Threads for forward passes, as many as a runtime wants; whoever hands over too much waits.

    Attributes:
        seconds: wall time that the lanes were busy, divided by their number.
    """

    def __init__(self) -> None:
        self.seconds, self._clock = 0.0, threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._room = threading.Semaphore()

    def submit(self, forward: Runtime, pixels_BHWC: np.ndarray) -> Future[np.ndarray]:
        """Run `forward` on one of the threads."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(forward.lanes, "medalist-lane")
            self._room = threading.Semaphore(forward.lanes + 1)
        self._room.acquire()
        future = self._pool.submit(self._run, forward, pixels_BHWC)
        future.add_done_callback(lambda _: self._room.release())
        return future

    def _run(self, forward: Runtime, pixels_BHWC: np.ndarray) -> np.ndarray:
        start = time.perf_counter()
        features_BD = forward(pixels_BHWC)
        with self._clock:  # Lanes add to it side by side.
            self.seconds += (time.perf_counter() - start) / forward.lanes
        return features_BD

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
