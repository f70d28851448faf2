"""How a training goes, told to whoever listens while it runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from medalist.progress import Event, Sink
from medalist.training import ranks
from medalist.training.plan import Step
from medalist.training.underway import Training

SAID_S = 0.5


@dataclass
class Heard:
    """Tells a sink of the steps: done of all, with loss, metric, learning rate and images a second."""

    name: str
    training: Training
    end: int
    sink: Sink
    start: float = field(default_factory=time.perf_counter)
    said: float = 0.0
    shown: int = 0
    since: float = 0.0
    trained_s: float = 0.0
    epoch_s: float = 0.0
    waited_before_s: float = 0.0

    def __post_init__(self) -> None:
        self.waited_before_s = self.training.images.waited_s

    def begin(self) -> None:
        """Steps begin, or go on after the epoch was judged and written, which is no training."""
        self.since = time.perf_counter()

    def step(self, step: Step) -> None:
        """After each step; said twice a second at most, and at each epoch's end."""
        self.shown += len(step.rows) * ranks.world()
        now = time.perf_counter()
        self.trained_s, self.epoch_s = self.trained_s + now - self.since, self.epoch_s + now - self.since
        self.since = now
        waited_s = self.training.images.waited_s - self.waited_before_s
        self.training.pace = {"images": self.shown, "seconds": self.trained_s, "waited_s": waited_s}
        if not step.last and now - self.said < SAID_S:
            return
        self.said = now
        done = round((step.epoch + (step.number + 1) / step.num_steps) * len(self.training.rows))
        loss = self.training.sums[0] / max(self.training.sums[1], 1)
        note: dict[str, Any] = {"loss": round(loss, 5), "lr": self.training.lr(), "epoch": step.epoch + 1}
        if self.training.curves and "metric" in self.training.curves[-1]:
            note["metric"] = round(self.training.curves[-1]["metric"], 5)
        note["images_s"] = round(self.shown / self.trained_s, 1)
        if step.last:
            note["epoch_s"], self.epoch_s = round(self.epoch_s, 3), 0.0
        total = self.end * len(self.training.rows)
        self.sink(Event(self.name, min(done, total), total, now - self.start, note))
