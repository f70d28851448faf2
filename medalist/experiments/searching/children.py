"""A run as a process of its own: what crashes it, or takes all memory, ends one trial and not the search.

The process dies with the search. Its memory is looked at while it runs: how many fit side by side is measured.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medalist.engines.local import usable_cores
from medalist.experiments.arms import ARMS, Arm, folder_name
from medalist.experiments.process import begin, end, shared_options
from medalist.experiments.searching.record import Outcome
from medalist.ledger import SUMMARY
from medalist.progress import Event, Sink, ignore
from medalist.store import write_atomic

LOOK_S = 0.3  # between two looks at the processes
CORES = 8  # that one run keeps busy; a second one beside it pays with twice as many
SPARE = 0.8  # of the free memory may be taken


@dataclass(frozen=True)
class Place:
    """Where runs find and put things.

    Args:
        root: folder of the dataset.
        out: folder of the experiment.
        cache: see `pipeline.run`.
        code: MODULE:FUNCTION of the user's own metrics.
    """

    root: Path
    out: Path
    cache: Path | None = None
    code: tuple[str, ...] = ()

    def command(self, arm: Arm) -> list[str]:
        """The command line's words that run an arm; its recipe is written beside its folder."""
        folder = self.folder(arm)
        folder.parent.mkdir(parents=True, exist_ok=True)
        recipe = folder.with_name(f"{folder.name}.yaml")
        write_atomic(recipe, arm.recipe.to_yaml().encode())
        options = [f"--recipe={recipe}", f"--out={folder}"]
        return ["run", str(self.root), *options, *shared_options(self.cache, self.code)]

    def folder(self, arm: Arm) -> Path:
        """The arm's run folder."""
        return self.out / ARMS / folder_name(arm.name)

    def log(self, arm: Arm) -> Path:
        """What the arm's process said."""
        return self.out / ARMS / f"{folder_name(arm.name)}.log"


@dataclass
class Child:
    """A run at work.

    Args:
        arm: which.
        process: of it.
        log: what it says.
        began: by the steady clock.
        peak: bytes that it and its own processes were seen to hold at once.
    """

    arm: Arm
    process: subprocess.Popen[bytes]
    log: Path
    began: float = field(default_factory=time.monotonic)
    peak: int = 0

    def over(self) -> bool:
        """Whether it has ended; looks at its memory where it has not."""
        if self.process.poll() is not None:
            return True
        self.peak = max(self.peak, resident(self.process.pid))
        return False

    def end(self) -> None:
        """With all that it started."""
        end(self.process)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.began

    def fault(self) -> str:
        """Why it failed, in a line; empty where it did not."""
        code = self.process.returncode
        if code == 0:
            return ""
        if code == -signal.SIGKILL:
            return "killed by the system, as happens where memory does not suffice"
        if code < 0:
            return f"ended by {signal.Signals(-code).name}"
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        # A fault may take several lines: the first says what it is.
        told = next((line for line in lines if line.startswith("error: ")), lines[-1] if lines else f"exit code {code}")
        return " ".join([told.removeprefix("error: "), *_rest(lines, told)])


class Runs:
    """Runs at work, as many side by side as fit.

    Args:
        place: where they find and put things.
        wanted: at once; None: as many as pay.
        peak: bytes that one was seen to hold; 0: not known, so that one works alone.
        sink: takes an event when a run begins, and when it ends.
    """

    def __init__(self, place: Place, wanted: int | None, *, peak: int = 0, sink: Sink = ignore) -> None:
        self.place, self.wanted, self.peak, self.sink = place, wanted, peak, sink
        self._children: dict[str, Child] = {}

    @property
    def room(self) -> bool:
        """Whether one more fits."""
        # Those at work have taken their memory already, or will: what is free is counted without them.
        if not self._children:
            return True
        held = sum(resident(child.process.pid) for child in self._children.values())
        return len(self._children) < side_by_side(self.peak, self.wanted, held=held)

    def start(self, arm: Arm) -> None:
        """Begin an arm's run, or go on with it."""
        self.sink(Event("runs", 0, 0, 0.0, {"arm": arm.name}))
        log = self.place.log(arm)
        self._children[arm.name] = Child(arm, begin(self.place.command(arm), log), log)

    def wait(self) -> tuple[str, Outcome]:
        """The next arm that ends, by name; if the wait is broken off, all are ended."""
        try:
            while not (over := [name for name, child in self._children.items() if child.over()]):
                time.sleep(LOOK_S)
        except BaseException:
            for child in self._children.values():
                child.end()
            raise
        child = self._children.pop(over[0])
        self.peak = max(self.peak, child.peak)
        fault = child.fault()
        self.sink(Event("runs", 0, 0, child.seconds, {"ended": over[0], "told": fault or f"{child.seconds:.0f} s"}))
        if fault:
            return over[0], Outcome(None, None, child.seconds, child.peak, fault)
        summary = json.loads((self.place.folder(child.arm) / SUMMARY).read_bytes())
        seconds = max(child.seconds, summary["seconds"]["total"])  # a run that was finished before says so at once
        return over[0], Outcome(summary["score"], summary["score_stderr"], round(seconds, 1), child.peak)


def side_by_side(peak: int, wanted: int | None, *, held: int = 0) -> int:
    """How many runs may work at once: as many as their memory allows, and no more than pay.

    Args:
        peak: bytes that one run held.
        wanted: as asked for; None: one for every 8 cores, and one where there is a GPU to share.
        held: bytes that those at work hold already.
    """
    fit = int((free_memory() + held) * SPARE // peak) if peak else 1
    if wanted is None:
        wanted = 1 if _has_gpu() else usable_cores() // CORES
    return max(1, min(fit, wanted))


def free_memory() -> int:
    """Bytes that new processes can have; 0 where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)


def resident(pid: int) -> int:
    """Bytes that a process and all below it hold; what they share counts for each. 0 where the system does not say."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        tasks = [*Path(f"/proc/{pid}/task").iterdir()]
        below = [int(child) for task in tasks for child in (task / "children").read_text(encoding="ascii").split()]
    except (OSError, IndexError):  # ended while it was looked at
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") + sum(map(resident, below))


def _rest(lines: Sequence[str], told: str) -> list[str]:
    """The indented lines that belong to an error."""
    after = lines[lines.index(told) + 1 :] if told in lines else []
    return [line.strip() for line in after if line.startswith("  ")]


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
