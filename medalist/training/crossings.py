"""What crosses from the frozen bottom of a network to its trained top, kept on disk: the bottom runs once an image and
view, for all folds together, and an epoch costs only the top.

Augmentation is drawn from (seed, epoch, image), not from the fold, so that an epoch's view of an image is the same in
every training: as many views as epochs give the very training that would have been without it, while the disk lasts.

Axes: N images, B batch, V views.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor, fx

from medalist.engines.local import usable_cores
from medalist.store import failpoint, write_atomic
from medalist.training.feeds import Batch, Images
from medalist.training.plan import Plan, Step
from medalist.training.prefix import fast_bottom
from medalist.training.rows import in_order

BATCH = 32
MOST_BYTES = 8 << 30
SHARE_OF_FREE = 4
PLAIN = "plain"
SETTLED = "crossings.json"


@dataclass
class Crossings:
    """A feed like `Images`, of tensors for the top of a network.

    Args:
        images: what is shown.
        plan: of the training, all of whose phases up to this one leave the bottom alone.
        phase: whose epochs are shown.
        bottom: see `prefix.split`.
        folder: of the arrays; whatever a killed process left there is used.
    """

    images: Images
    plan: Plan
    phase: int
    bottom: fx.GraphModule
    folder: Path

    @cached_property
    def forward(self) -> Callable[[np.ndarray], list[np.ndarray]]:
        """uint8 pixels -> tensors that cross."""
        return fast_bottom(
            self.bottom, self.images.sized(self.plan, self.phase), batch=BATCH, threads=1, bf16=self.plan.bf16
        )

    @property
    def first(self) -> int:
        """First epoch of the phase."""
        return sum(phase.epochs for phase in self.plan.phases[: self.phase])

    @property
    def num_views(self) -> int:
        """V: one an epoch, or as many as the disk had room for at first; then epochs take turns."""
        return int(self._settled["num_views"])

    @cached_property
    def _settled(self) -> dict[str, Any]:
        """V, and the shapes of one image's tensors; on disk, as views fill it and the next process must not count anew.

        Who finds all views there needs no forward pass, and none is compiled.
        """
        file = self.folder / SETTLED
        if not file.is_file():
            shapes = [array.shape[1:] for array in self.forward(self._blank())]
            size = sum(2 * math.prod(shape) for shape in shapes) * len(self.images.ids)
            most = min(MOST_BYTES, shutil.disk_usage(self.folder).free // SHARE_OF_FREE)
            num_views = max(1, min(self.plan.phases[self.phase].epochs, most // size))
            write_atomic(file, json.dumps({"shapes": shapes, "num_views": num_views}).encode())
        settled: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return settled

    def _blank(self) -> np.ndarray:
        height, width = self.plan.phases[self.phase].size
        return np.zeros((BATCH, height, width, 3), np.uint8)

    def shown(self, plan: Plan, work: Callable[[], Iterator[Step]], device: str) -> Generator[tuple[Step, Batch]]:
        """Each step with what crosses to the top, of its images' augmented views."""
        epoch, arrays = -1, list[np.ndarray]()
        for step in work():
            if step.epoch != epoch:
                epoch = step.epoch
                arrays = self.view(self.first + (epoch - self.first) % self.num_views)
            yield step, self._tensors([array[step.rows] for array in arrays])

    def plain(self, rows: np.ndarray, batch: int, device: str) -> Iterator[Batch]:
        """What crosses of the rows' own files, unaugmented, a batch at a time."""
        arrays = self._kept(PLAIN, lambda: self.images.originals(np.arange(len(self.images.ids))))
        for start in range(0, len(rows), batch):
            yield self._tensors([array[rows[start : start + batch]] for array in arrays])

    def view(self, epoch: int) -> list[np.ndarray]:
        """Memory-mapped arrays (N, ...), float16, of all images as an epoch shows them."""
        return self._kept(f"epoch{epoch}", lambda: self.images.pixels_of(self.plan, epoch))

    def _kept(self, name: str, pixels: Callable[[], Iterable[np.ndarray]]) -> list[np.ndarray]:
        """The arrays of a name, made if they are not there."""
        files = [self.folder / f"{name}-{place}.npy" for place in range(len(self._settled["shapes"]))]
        if not all(file.is_file() for file in files):
            self._make(files, pixels())
        return [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]

    def _make(self, files: list[Path], pixels: Iterable[np.ndarray]) -> None:
        """Images through the bottom, as many passes side by side as there are cores, onto the disk as they come."""
        drafts = [file.with_suffix(f".{os.getpid()}.tmp") for file in files]
        shapes = [(len(self.images.ids), *shape) for shape in self._settled["shapes"]]
        arrays = [open_memmap(d, mode="w+", dtype=np.float16, shape=s) for d, s in zip(drafts, shapes, strict=True)]
        start = 0
        for crossing in in_order(self._half, _batches(pixels), usable_cores()):
            for array, part in zip(arrays, crossing, strict=True):
                array[start : start + len(part)] = part
            start += len(crossing[0])
        for array, draft, file in zip(arrays, drafts, files, strict=True):
            array.flush()
            failpoint("before-view")
            draft.replace(file)

    def _half(self, some: list[np.ndarray]) -> list[np.ndarray]:
        padded_BHWC = self._blank()
        padded_BHWC[: len(some)] = some
        return [array[: len(some)].astype(np.float16) for array in self.forward(padded_BHWC)]

    def _tensors(self, arrays: list[np.ndarray]) -> Batch:
        dtype = torch.bfloat16 if self.plan.bf16 else torch.float32
        return tuple(_as_channels_last(torch.from_numpy(array).to(dtype)) for array in arrays)


def _as_channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def _batches(pixels: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
    arriving = iter(pixels)
    while some := list(islice(arriving, BATCH)):
        yield some
