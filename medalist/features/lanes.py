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
