"""Threads that run the forward passes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from medalist.backbones.runtimes import Runtime


class Lanes:
    """Threads for forward passes, as many as a runtime wants; whoever hands over too much waits.

    Attributes:
        busy: of each name that work was handed in under: rows that went through, and wall time that the lanes were busy
            with them, divided by their number.
    """

    def __init__(self) -> None:
        self.busy: dict[str, tuple[int, float]] = {}
        self._clock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._room = threading.Semaphore()

    @property
    def seconds(self) -> float:
        """Wall time that the lanes were busy in all."""
        return sum(seconds for _, seconds in self.busy.values())

    def submit(self, forward: Runtime, pixels_BHWC: np.ndarray, name: str) -> Future[np.ndarray]:
        """Run `forward` on one of the threads; the time counts under `name`."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(forward.lanes, "medalist-lane")
            self._room = threading.Semaphore(forward.lanes + 1)
        self._room.acquire()
        future = self._pool.submit(self._run, forward, pixels_BHWC, name)
        future.add_done_callback(lambda _: self._room.release())
        return future

    def _run(self, forward: Runtime, pixels_BHWC: np.ndarray, name: str) -> np.ndarray:
        start = time.perf_counter()
        features_BD = forward(pixels_BHWC)
        with self._clock:  # Lanes add to it side by side.
            rows, seconds = self.busy.get(name, (0, 0.0))
            seconds += (time.perf_counter() - start) / forward.lanes
            self.busy[name] = rows + len(pixels_BHWC), seconds
        return features_BD

    def __enter__(self) -> Lanes:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
