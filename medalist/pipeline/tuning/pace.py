"""How fast a network trains, from a few steps: the first ones, in which processes start and kernels are chosen, are not
those of a run.
"""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from medalist.backbones.outline import outline
from medalist.data.loader import AHEAD
from medalist.pipeline.tuning.shared import Tuning
from medalist.pipeline.tuning.trainings import training_of

WARM, TIMED = 3, 12  # steps


def runs_once(tuning: Tuning) -> bool:
    """Whether some phase leaves layers alone that run once an image and view for all its trainings."""
    from torch import nn

    from medalist.training.network import Network, untouched

    net, phases = Network(outline(tuning.backbone), nn.Identity()), range(len(tuning.plan.phases))
    return tuning.prefix is not None and any(untouched(net, tuning.plan, phase) for phase in phases)


def image_seconds(tuning: Tuning, folder: Path, *, budget_s: float) -> list[float]:
    """Seconds that training the whole network takes for an image, in each phase; nothing is kept of it.

    Args:
        tuning: of a few images, which are shown again and again.
        folder: for what a training writes.
        budget_s: after which a phase is timed no longer, once it has made two steps.
    """
    # What was drawn ahead while the first step was slow is used up before the clock counts.
    warm = WARM + -(-AHEAD // tuning.plan.batch)
    rows = np.resize(np.arange(len(tuning.features.train)), tuning.plan.batch * (warm + TIMED))
    training = training_of(tuning, folder, rows)
    return [_phase_seconds(training, phase, warm, budget_s) for phase in range(len(tuning.plan.phases))]


def _phase_seconds(training: Any, phase: int, warm: int, budget_s: float) -> float:
    from medalist.training.finetune import advance
    from medalist.training.plan import steps

    plan = training.plan
    first = sum(earlier.epochs for earlier in plan.phases[:phase])
    training.enter(phase)
    work = partial(steps, plan, training.rows, phase, (first, 0), first + 1)
    start, ended, images = time.perf_counter(), list[float](), list[int]()
    with closing(training.feed.shown(plan, work, training.device)) as stream:
        for step, inputs in stream:
            advance(training, step, inputs)
            ended.append(time.perf_counter())
            images.append(len(step.rows))
            if len(ended) > 1 and ended[-1] - start > budget_s:
                break
    begin = min(warm, len(ended) // 2)
    return (ended[-1] - ended[begin - 1]) / sum(images[begin:])
