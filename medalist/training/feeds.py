"""What comes before a network: images as they are shown in training, the same images unaugmented to judge it by.

Axes: N images, B batch, H W pixels, C classes, T targets: classes, then those of auxiliary columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from medalist.backbones import Backbone
from medalist.backbones.runtimes.on_torch import normaliser
from medalist.data.decode import Preprocessing
from medalist.data.loader import Glance, Stream, originals, stream
from medalist.data.pixels import Pixels
from medalist.engines.local import usable_cores
from medalist.training.auxiliary import Auxiliary
from medalist.training.heads.contract import counts, is_tags, targets
from medalist.training.plan import Plan, Step
from medalist.training.weights import part_of

Batch = tuple[Tensor, ...]


@dataclass
class Images:
    """The images that a network learns from, of all folds.

    Args:
        backbone: whose preprocessing they get, in the size of the answers.
        root: folder of the files; `paths` are relative to it.
        paths: N files.
        ids: N image ids; augmentation is drawn by them.
        labels: class indices (N,), or tags (N, C) as CSR.
        num_classes: C.
        pixels: the same images decoded, for training alone.
        cache: folder of facts.
        workers: processes that augment; None: as many as pay.
        auxiliary: further columns of the labels that are learnt, or None.
        weight_N: what each row's loss counts, or None.
        waited_s: seconds that trainings waited for images.
    """

    backbone: Backbone
    root: Path
    paths: tuple[str, ...]
    ids: tuple[str, ...]
    labels: Any
    num_classes: int
    pixels: Pixels
    cache: Path
    workers: int | None = None
    auxiliary: Auxiliary | None = None
    weight_N: np.ndarray | None = None
    waited_s: float = 0.0

    @property
    def preparation(self) -> Preprocessing:
        """How an image is prepared to be answered."""
        return Preprocessing.from_dict(self.backbone.preprocessing)

    @property
    def tags(self) -> bool:
        """Label sets rather than one class an image."""
        return is_tags(self.labels)

    def targets(self, rows: np.ndarray) -> Tensor:
        """float32 (B, T), never made for more than a batch: the C classes, auxiliary columns, and last, where rows are
        weighed, their weights: what mixes rows mixes those alike.
        """
        blocks = [torch.from_numpy(targets(self.labels[rows], self.num_classes))]
        if self.auxiliary is not None:
            blocks.append(self.auxiliary.targets(rows))
        if self.weight_N is not None:
            blocks.append(torch.from_numpy(self.weight_N[rows].astype(np.float32)[:, None]))
        return torch.cat(blocks, dim=1) if len(blocks) > 1 else blocks[0]

    def parts(self, target_BT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `targets` gave: classes (B, C), auxiliary columns (B, E), weights (B, 1) or (B, 0)."""
        weighed = target_BT.shape[1] - (self.weight_N is not None)
        own_BC, others_BE, weight_B1 = target_BT.tensor_split([self.num_classes, weighed], dim=1)
        return own_BC, others_BE, weight_B1

    def count(self, rows: np.ndarray) -> Tensor:
        """float32 (C,): how many of the rows are of each class or have each tag, or what those weigh."""
        return torch.from_numpy(counts(self.labels[rows], self.num_classes, part_of(self.weight_N, rows)))

    def shown(self, plan: Plan, work: Callable[[], Iterator[Step]], device: str) -> Generator[tuple[Step, Batch]]:
        """Each step with its augmented images, float32 (B, 3, H, W), in order; closing it ends the workers.

        Args:
            plan: of the training.
            work: the steps to do, as often as asked: images are drawn ahead of them in another thread.
            device: where the images are wanted.
        """
        prepare = normaliser(self.backbone, device)
        glances = (glance(plan, step.epoch, row) for step in work() for row in step.rows.tolist())
        with closing(self._stream(plan, glances, device)) as arriving:
            before_s = self.waited_s
            for step in work():
                pixels_BHWC = np.stack(list(itertools.islice(arriving, len(step.rows))))
                self.waited_s = before_s + arriving.waited_s
                yield step, (prepare(pixels_BHWC),)

    def pixels_of(self, plan: Plan, epoch: int) -> Iterator[np.ndarray]:
        """All N images as an epoch shows them, uint8 (H, W, 3), in the order of the rows."""
        with closing(self._stream(plan, (glance(plan, epoch, row) for row in range(len(self.ids))), "cpu")) as arriving:
            yield from arriving

    def _stream(self, plan: Plan, glances: Iterator[Glance], device: str) -> Stream:
        return stream(
            self.pixels,
            self.ids,
            glances,
            policy=plan.augment,
            target=self.backbone.preprocessing,
            seed=plan.seed,
            workers=self.workers if self.workers is not None else workers_beside(device),
        )

    def sized(self, plan: Plan, phase: int) -> Backbone:
        """The backbone on images of a phase's size."""
        height, width = plan.phases[phase].size
        return replace(self.backbone, preprocessing={**self.backbone.preprocessing, "height": height, "width": width})

    def in_own_size(self, plan: Plan, phase: int) -> bool:
        """Whether a phase shows images in the size of the answers."""
        how = self.backbone.preprocessing
        return plan.phases[phase].size == (how["height"], how["width"])

    def originals(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """The rows' own files as they are answered, uint8 (H, W, 3), unaugmented."""
        paths = [self.paths[row] for row in rows]
        return (pixels for _, pixels in originals(self.root, paths, self.preparation, cache=self.cache))

    def plain(self, rows: np.ndarray, batch: int, device: str) -> Iterator[Batch]:
        """The same as float32 (B, 3, H, W), a batch at a time."""
        prepare, arriving = normaliser(self.backbone, device), self.originals(rows)
        while some := list(itertools.islice(arriving, batch)):
            yield (prepare(np.stack(some)),)


def glance(plan: Plan, epoch: int, row: int) -> Glance:
    """How an epoch shows a row."""
    height, width = plan.phases[plan.place(epoch)[0]].size
    return Glance(row, epoch, height, width, plan.strength(epoch))


def workers_beside(device: str) -> int:
    """Processes that augment: on a CPU the network needs nearly all cores, on a GPU none."""
    cores = usable_cores()
    return cores - 1 if device == "cuda" else min(cores - 1, max(1, cores // 8))
