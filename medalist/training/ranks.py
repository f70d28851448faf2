"""Several processes on one training: each takes its share of every batch, their gradients become one.

Started by `torchrun`, each process calls `join` and then the same training. Only rank 0 judges and writes; all read its
checkpoint. BatchNorm must be frozen, as no rank sees the whole batch; images are mixed with those of the same rank.
One process alone is a world of one, in which nothing here does anything.

Axes: V values.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from medalist.backbones.runtimes.machine import this_device
from medalist.errors import RecipeError
from medalist.training.neural.heads import draws, set_draws
from medalist.training.plan import Plan, Step

COUNT, PLACE = "WORLD_SIZE", "LOCAL_RANK"  # torchrun's
PATIENCE = timedelta(days=7)  # others wait while rank 0 embeds images or judges; one that fails ends all


def join() -> None:
    """Meet the other processes that `torchrun` started; nothing where there are none. With GPUs each takes its own.

    Raises:
        RecipeError: this machine has fewer GPUs than processes.
    """
    if int(os.environ.get(COUNT, "1")) == 1 or distributed.is_initialized():
        return
    if this_device() == "cpu":
        distributed.init_process_group("gloo", timeout=PATIENCE)
        return
    place, num_gpus = int(os.environ.get(PLACE, "0")), torch.cuda.device_count()
    if place >= num_gpus:
        raise RecipeError(f"a process a GPU: this is number {place + 1}, GPUs: {num_gpus}; lower --nproc-per-node")
    torch.cuda.set_device(place)  # from here on `cuda` means this one, in this thread
    distributed.init_process_group("cpu:gloo,cuda:nccl", timeout=PATIENCE)


def leave() -> None:
    """Part, all together: the group's threads, alive while the interpreter ends, may abort the process."""
    if distributed.is_initialized():
        meet()
        distributed.destroy_process_group()


def world() -> int:
    """Number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Which of them this is."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def check(plan: Plan, num_rows: int) -> None:
    """Refuse what a world of several cannot do.

    Raises:
        RecipeError: BatchNorm moves, or a batch has fewer rows than there are processes.
    """
    if world() == 1:
        return
    if plan.batchnorm != "frozen":
        raise RecipeError(
            f"finetune.batchnorm={plan.batchnorm} needs the whole batch in one process, there are {world()}; type"
            " finetune.batchnorm=frozen, or start without torchrun"
        )
    smallest = num_rows // -(-num_rows // plan.batch)
    if smallest < world():
        raise RecipeError(
            f"a batch of {smallest} rows cannot be shared by {world()} processes; enlarge finetune.batch={plan.batch}"
        )


def shared(work: Callable[[], Iterator[Step]]) -> Iterator[Step]:
    """The steps of `work`, each with the rows of this rank."""
    for step in work():
        yield replace(step, rows=np.array_split(step.rows, world())[rank()])


def mean_gradients(parameters: Sequence[nn.Parameter], losses: Sequence[float], num_rows: int) -> list[float]:
    """Make gradients of the mean over own rows those of the mean over all ranks' rows, in place; the same of losses.

    Args:
        parameters: those that train, in the same order everywhere.
        losses: means over own rows.
        num_rows: own.
    """
    if world() == 1:
        return list(losses)
    gradients = [p.grad for p in parameters if p.grad is not None]
    parts = [gradient.reshape(-1).float() for gradient in gradients]
    flat = mean(torch.cat([*parts, torch.tensor(losses, device=parts[0].device)]), num_rows)
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()
    return [float(value) for value in flat[start:]]


def mean(value_V: Tensor, num_rows: int) -> Tensor:
    """The mean over all ranks' rows of what is a mean over own rows, float32 (V,)."""
    if world() == 1:
        return value_V
    flat = torch.cat([value_V * num_rows, torch.tensor([float(num_rows)], device=value_V.device)])
    distributed.all_reduce(flat)
    return flat[:-1] / flat[-1]


def told(value: Any) -> Any:
    """Rank 0's value, JSON, everywhere."""
    if world() == 1:
        return value
    data = json.dumps(value).encode()
    length = torch.tensor([len(data)])
    distributed.broadcast(length, 0)
    text = torch.zeros(int(length), dtype=torch.uint8)
    if rank() == 0:
        text = torch.frombuffer(bytearray(data), dtype=torch.uint8)
    distributed.broadcast(text, 0)
    return json.loads(text.numpy().tobytes())


def meet() -> None:
    """Wait until all ranks are here."""
    if world() > 1:
        distributed.all_reduce(torch.zeros(1))  # on the CPU, as a barrier would choose a GPU by itself


def same_draws(network: nn.Module) -> None:
    """Dropout goes on from where rank 0's stands, which alone is saved; every rank's rows then get the same masks."""
    if world() == 1:
        return
    states = draws(network)
    for state in states.values():
        distributed.broadcast(torch.from_numpy(state), 0)
    set_draws(network, states)
