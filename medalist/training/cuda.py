"""What training on a GPU needs beside the loop: kernels that repeat, and a compiled body where measuring says it pays.

Written by reading, tested on a CPU with stand-ins; no GPU has run it yet.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medalist.store import write_atomic
from medalist.training import network, ranks
from medalist.training.feeds import Batch
from medalist.training.network import Network
from medalist.training.neural.heads import draws, set_draws
from medalist.training.underway import Training

LONG_S = 300.0  # a shorter phase is over before compiling could pay
TIMED = 5


@contextmanager
def repeatable(device: str) -> Iterator[None]:
    """Inside, a GPU takes kernels that give the same bits again, in float32 without TF32; it warns where there is none.

    A kernel picked by timing, or one that adds up in any order, would make a resumed training another than a whole one.
    """
    if device != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what cuBLAS asks for in return
    before = torch.are_deterministic_algorithms_enabled()
    only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=only_warned)


def choose(training: Training, inputs: Batch, target_BT: Tensor, num_steps: int) -> None:
    """Let a phase's steps go through a compiled body (torch.compile) where that pays; judging never does.

    The choice is a measurement, so that it is made once for all folds and kept on disk, as a compiled body rounds
    otherwise; it stands in the training's facts too.

    Args:
        training: at a phase's first step since it was entered; nothing of it changes but gradients and facts.
        inputs, target_BT: of that step.
        num_steps: of the phase.
    """
    file = Path(str(training.compiles)) / f"phase{training.phase}.json"
    known = ranks.told(json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None)
    chosen = known or ranks.told(_measured(training, inputs, target_BT, num_steps))
    if ranks.rank() == 0 and not known:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, json.dumps(chosen).encode())
    training.facts.setdefault("compiled", {})[str(training.phase)] = chosen
    training.quick = _compiled(training.part) if chosen["pays"] else training.part


def _measured(training: Training, inputs: Batch, target_BT: Tensor, num_steps: int) -> dict[str, Any]:
    """Seconds of a pass as the body is and compiled, and of compiling; all ranks measure, as passes meet."""
    _, *times = (_seconds(training, training.part, inputs, target_BT) for _ in range(1 + TIMED))
    found: dict[str, Any] = {"pays": False, "plain_s": ranks.told(statistics.median(times))}
    if found["plain_s"] * num_steps < LONG_S:
        return {**found, "why": f"{num_steps} steps are too few"}
    try:
        compiled = _compiled(training.part)
        first, *times = (_seconds(training, compiled, inputs, target_BT) for _ in range(1 + TIMED))
    except Exception as error:  # whatever the compiler raises, or the network's own code under it
        return {**found, "why": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
    found |= {"compiled_s": statistics.median(times), "compiling_s": first}
    return {**found, "pays": pays(found, num_steps)}


def pays(found: dict[str, Any], num_steps: int) -> bool:
    """Whether a phase's steps save more than compiling costs: `plain_s`, `compiled_s` a step, `compiling_s` once."""
    return bool(num_steps * (found["plain_s"] - found["compiled_s"]) > found["compiling_s"])


def _compiled(part: Network) -> Network:
    """The same modules, the body compiled; the head is left alone, whose dropout draws on the CPU."""
    body: Any = torch.compile(part.body)
    return Network(body, part.head, part.auxiliary)


def _seconds(training: Training, part: Network, inputs: Batch, target_BT: Tensor) -> float:
    """Of the gradients of one batch; dropout and norms' statistics stand after it where they stood before."""
    before, training.quick = draws(training.net), part
    # Held-still norms are another program to the compiler, which would begin anew at the first real step.
    moves = training.plan.batchnorm != "frozen"
    _wait(training.device)
    start = time.perf_counter()
    with network.still(training.net) if moves else nullcontext():
        training.gradients(inputs, target_BT)
    _wait(training.device)
    set_draws(training.net, before)
    return time.perf_counter() - start


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
