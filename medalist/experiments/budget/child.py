"""A step in a process of its own, which can be ended at any moment, as runs are kill-safe."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medalist.experiments.process import begin, end

POLL_S = 0.1
DONE, LATE, INTERRUPTED, FAILED = "done", "late", "interrupted", "failed"


@dataclass(frozen=True)
class Ended:
    """How a child ended: `done`, `late` (ended by us), `interrupted` or `failed`; its seconds; its last words."""

    status: str
    seconds: float
    said: str = ""


class Interrupt:
    """Whether the user pressed Ctrl-C once; twice ends this process at once, and its child with it."""

    def __init__(self) -> None:
        self.came = False

    def __call__(self) -> bool:
        return self.came

    def take(self, *_: object) -> None:
        """The signal's handler."""
        self.came = True
        signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def interrupts() -> Iterator[Interrupt]:
    """SIGINT is noted while this lasts."""
    interrupt = Interrupt()
    before = signal.signal(signal.SIGINT, interrupt.take)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def spawn(arguments: Sequence[str], log: Path, *, late: Callable[[], bool], interrupted: Callable[[], bool]) -> Ended:
    """Run `medalist ARGUMENTS` and wait for it.

    Args:
        arguments: of the command line.
        log: file that takes what it prints.
        late: asked ten times a second; True ends it.
        interrupted: likewise.
    """
    start = time.monotonic()
    process = begin(arguments, log)
    try:
        status = _wait(process, late, interrupted)
    finally:
        end(process)
    said = log.read_text(encoding="utf-8", errors="replace").strip()
    return Ended(status, time.monotonic() - start, said)


def _wait(process: subprocess.Popen[bytes], late: Callable[[], bool], interrupted: Callable[[], bool]) -> str:
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return DONE if process.wait(POLL_S) == 0 else FAILED
        if interrupted():
            return INTERRUPTED
        if late():
            return LATE
