"""What crosses from the frozen bottom of a network to its trained top, kept on disk: the bottom runs once an image and
view, for all folds together, and an epoch costs only the top.

Augmentation is drawn from (seed, epoch, image), not from the fold, so that an epoch's view of an image is the same in
every training: a view an epoch gives the very training that would have been without it, but for float16's rounding. All
of a phase is made before its first step; a phase that has no room on the disk or no place in float16 trains whole from
its first step to its last, in every fold and after every kill.

Axes: N images, B batch.
"""

from __future__ import annotations

import json
import math
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
from medalist.errors import BackboneError
from medalist.store import failpoint, write_atomic
from medalist.training.feeds import Batch, Images
from medalist.training.plan import Plan, Step
from medalist.training.prefix import UNSPLIT, fast_bottom
from medalist.training.rows import in_order

BATCH = 32
MOST_BYTES = 8 << 30
SHARE_OF_FREE = 4
PLAIN = "plain"
SETTLED = "crossings.json"
LARGEST = float(np.finfo(np.float16).max)


@dataclass
class Crossings:
    """A feed like `Images`, of tensors for the top of a network.

    Args:
        images: what is shown.
        plan: of the training, all of whose phases up to this one leave the bottom alone.
        phase: whose epochs are shown.
        bottom: see `prefix.split`.
        folder: of all phases' arrays, a folder a phase; whatever a killed process left there is used.
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
    def own(self) -> Path:
        """Folder of the phase."""
        return self.folder / f"phase{self.phase}"

    def prepare(self) -> None:
        """Make all that the phase shows; nothing, and no forward pass is compiled, where it is there.

        Raises:
            BackboneError: there is no room for it, or float16 does not hold it: the phase trains whole. That is settled
                on disk, for the other folds and for the next process.
        """
        settled = self._settled
        if not settled["whole"]:
            try:
                self._all()
            except BackboneError as error:
                settled = self._settle({**settled, "whole": str(error)})
        if settled["whole"]:
            for file in self.own.glob("*-*"):
                file.unlink()
            raise BackboneError(settled["whole"])

    def _all(self) -> None:
        for epoch in range(self.first, self.first + self.plan.phases[self.phase].epochs):
            self.view(epoch)
        if self._judged:
            self._originals()

    @property
    def _judged(self) -> bool:
        """Whether epochs are judged on what crosses: at another size than the answers' the whole network is asked."""
        return self.images.in_own_size(self.plan, self.phase)

    @property
    def _settled(self) -> dict[str, Any]:
        """Shapes of one image's tensors, bytes of all views, room for them, and why the phase trains whole, if it does.

        On disk, as views fill it and the next process must not count anew.
        """
        file = self.own / SETTLED
        if not file.is_file():
            return self._settle(self._measured())
        settled: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return settled

    def _settle(self, settled: dict[str, Any]) -> dict[str, Any]:
        self.own.mkdir(parents=True, exist_ok=True)
        write_atomic(self.own / SETTLED, json.dumps(settled).encode())
        return settled

    def _measured(self) -> dict[str, Any]:
        shapes = [array.shape[1:] for array in self.forward(self._blank())]
        num_views = self.plan.phases[self.phase].epochs + self._judged
        size = 2 * sum(math.prod(shape) for shape in shapes) * len(self.images.ids) * num_views
        room, whole = self._room(), ""
        if size > room:
            whole = (
                f"what crosses from its frozen part would take {size / 1e9:.3g} GB of the disk, which has room for"
                f" {room / 1e9:.3g}; {UNSPLIT}"
            )
        return {"shapes": shapes, "bytes": size, "room": room, "whole": whole}

    def _room(self) -> int:
        """Bytes that the phases before this one leave of those that all may take."""
        for earlier in range(self.phase - 1, -1, -1):
            file = self.folder / f"phase{earlier}" / SETTLED
            if file.is_file():
                settled = json.loads(file.read_text(encoding="utf-8"))
                return int(settled["room"]) - (0 if settled["whole"] else int(settled["bytes"]))
        self.folder.mkdir(parents=True, exist_ok=True)
        return min(MOST_BYTES, shutil.disk_usage(self.folder).free // SHARE_OF_FREE)

    def _blank(self) -> np.ndarray:
        height, width = self.plan.phases[self.phase].size
        return np.zeros((BATCH, height, width, 3), np.uint8)

    def shown(self, plan: Plan, work: Callable[[], Iterator[Step]], device: str) -> Generator[tuple[Step, Batch]]:
        """Each step with what crosses to the top, of its images' augmented views."""
        epoch, arrays = -1, list[np.ndarray]()
        for step in work():
            if step.epoch != epoch:
                epoch = step.epoch
                arrays = self.view(epoch)
            yield step, self._tensors([array[step.rows] for array in arrays])

    def plain(self, rows: np.ndarray, batch: int, device: str) -> Iterator[Batch]:
        """What crosses of the rows' own files, unaugmented, a batch at a time."""
        arrays = self._originals()
        for start in range(0, len(rows), batch):
            yield self._tensors([array[rows[start : start + batch]] for array in arrays])

    def view(self, epoch: int) -> list[np.ndarray]:
        """Memory-mapped arrays (N, ...), float16, of all images as an epoch shows them."""
        return self._kept(f"epoch{epoch}", lambda: self.images.pixels_of(self.plan, epoch))

    def _originals(self) -> list[np.ndarray]:
        """The same of all images' own files."""
        return self._kept(PLAIN, lambda: self.images.originals(np.arange(len(self.images.ids))))

    def _kept(self, name: str, pixels: Callable[[], Iterable[np.ndarray]]) -> list[np.ndarray]:
        """The arrays of a name, made if they are not there."""
        files = [self.own / f"{name}-{place}.npy" for place in range(len(self._settled["shapes"]))]
        if not all(file.is_file() for file in files):
            self._make(files, pixels())
        return [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]

    def _make(self, files: list[Path], pixels: Iterable[np.ndarray]) -> None:
        """Images through the bottom, as many passes side by side as there are cores, onto the disk as they come."""
        drafts = [file.with_suffix(".tmp") for file in files]  # A killed process's are written over.
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
        crossing = [array[: len(some)] for array in self.forward(padded_BHWC)]
        if not all(bool((np.abs(array) <= LARGEST).all()) for array in crossing):
            raise BackboneError(f"what crosses from its frozen part passes float16's {LARGEST:.0f}; {UNSPLIT}")
        return [array.astype(np.float16) for array in crossing]

    def _tensors(self, arrays: list[np.ndarray]) -> Batch:
        dtype = torch.bfloat16 if self.plan.bf16 else torch.float32
        return tuple(_as_channels_last(torch.from_numpy(array).to(dtype)) for array in arrays)


def _as_channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def _batches(pixels: Iterable[np.ndarray]) -> Iterator[list[np.ndarray]]:
    arriving = iter(pixels)
    while some := list(islice(arriving, BATCH)):
        yield some
