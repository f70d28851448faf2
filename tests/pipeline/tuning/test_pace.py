"""The pace that is forecast is that of steps after the first few, by a clock that the test turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from medalist.pipeline.preflight import images_shown
from medalist.pipeline.tuning.pace import _phase_seconds
from medalist.recipe import load_recipe
from medalist.training import finetune
from medalist.training.plan import Phase, Plan, Step


class Clock:
    """A training whose first steps take `first_s` seconds each, all others `then_s`."""

    device = "cpu"

    def __init__(self, batch: int, num_steps: int, first_s: float, then_s: float) -> None:
        phase = Phase("all", 2, 0.1, 0.1, 1.0, "constant", (32, 32))
        self.plan, self.rows = Plan(phases=(phase, phase), batch=batch), np.zeros(batch * num_steps, np.int64)
        self.feed = SimpleNamespace(shown=self.shown)
        self.first_s, self.then_s, self.now, self.steps, self.entered = first_s, then_s, 0.0, 0, -1

    def enter(self, phase: int) -> None:
        self.entered = phase

    def shown(self, plan: Plan, work: Callable[[], Iterator[Step]], device: str) -> Generator[tuple[Step, Any]]:
        for step in work():
            yield step, ()

    def advance(self, step: Step, inputs: Any) -> None:
        assert step.epoch == 2 * self.entered
        self.now += self.first_s if self.steps < 3 else self.then_s
        self.steps += 1


@pytest.mark.parametrize(
    ("first_s", "budget_s", "steps", "image_s"),
    [
        (10.0, 1000.0, 12, 0.25 / 8),  # slow starts do not count
        (10.0, 15.0, 2, 10.0 / 8),  # a slow network is timed for one step after its first
        (1.0, 4.5, 10, (0.25 * 5) / (8 * 5)),  # half of what there was time for
    ],
)
def test_first_steps_do_not_count(
    monkeypatch: pytest.MonkeyPatch, first_s: float, budget_s: float, steps: int, image_s: float
) -> None:
    clock = Clock(batch=8, num_steps=12, first_s=first_s, then_s=0.25)
    monkeypatch.setattr(time, "perf_counter", lambda: clock.now)
    monkeypatch.setattr(finetune, "advance", Clock.advance)
    assert _phase_seconds(clock, 1, 4, budget_s) == pytest.approx(image_s)
    assert clock.steps == steps


def test_images_shown_by_hand(tmp_path: Path) -> None:
    """100 rows; 5 folds show 80 in each training, all rows 100."""
    keys = ["folds.k=5", "finetune.phases=[{train: head, epochs: 1}, {epochs: 3}]"]

    def shown(*more: str) -> list[float]:
        return images_shown(load_recipe(None, [*keys, *more], metric="accuracy"), 100)

    assert shown() == pytest.approx([5 * 80 + 100, 3 * (5 * 80 + 100)])
    assert shown("final=folds") == pytest.approx([400, 1200])
    assert shown("finetune.refit=continue") == pytest.approx([400, 1200 + 2 * 100])
    assert shown("finetune.holdout=true") == pytest.approx([180, 540])
