"""Augmentation judged in minutes: a head learns from frozen features of augmented views alone, as a training would see
them, and answers the images as they are, out of fold.

A policy that breaks the label (a mirror image where left and right are the class) makes that head learn contradictions;
one that changes nothing leaves every answer as it was, to the bit. Views come from the same pixels and draws as those
of fine-tuning. Features of views lie in the experiment's folder, a block of images a file, so that a kill costs one.

Axes: N images, S showings of each, V of them learnt from, D features, C classes, H W pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from medalist.backbones import Backbone
from medalist.backbones.runtimes import Runtime, open_runtime
from medalist.data.decode import Preprocessing
from medalist.data.pixels import Pixels, Place, read_place
from medalist.data.views import Draw, Policy
from medalist.engines import Stage, map
from medalist.engines.local import usable_cores
from medalist.errors import DataError
from medalist.features.bank import NETWORKS
from medalist.pipeline.chain import Chain
from medalist.pipeline.decide import Truth
from medalist.progress import Sink, ignore, track
from medalist.registry import Bound
from medalist.store import array_bytes, failpoint, hash_json, write_atomic
from medalist.training import heads
from medalist.training.choice import Task
from medalist.training.crossval import fold_states
from medalist.training.rows import in_order

BLOCK = 64  # images of a file
WORTH_WORKERS = 20_000  # views; fewer are made faster than processes start
TIMEOUT_S = 300.0
WINDOW = 8  # images whose views wait for the network


@dataclass(frozen=True)
class Showing:
    """One showing of every image: by which policy, and in which epoch, which draws its random numbers."""

    policy: str
    epoch: int


@dataclass(frozen=True)
class Answered:
    """Answers of a head that learnt from views: to the N images as they are, and to a view of each."""

    plain_N: np.ndarray
    viewed_N: np.ndarray


@dataclass(frozen=True)
class Learning(Task):
    """Rows are the N images as they are, then V views of each: it learns from the views and is judged on the images.

    `fold_N` is negative for views, so that no penalty is chosen on them; `from_N` is the fold of what they show.
    """

    from_N: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    in_blocks: ClassVar[bool] = False

    def outside(self, *folds: int) -> np.ndarray:
        """Indices of the views of images in none of `folds`."""
        return np.flatnonzero((self.fold_N < 0) & ~np.isin(self.from_N, folds))


@dataclass(frozen=True)
class Copies:
    """N images, a frozen backbone and a head.

    Args:
        backbone: whose features are learnt from.
        runtime: by which it runs.
        head: bound, such as ridge.
        chain: probabilities -> what the metric eats, cross-fitted.
        truth: labels, groups and folds of the images.
        ids: N image ids, by which views are drawn.
        pixels: the images decoded.
        folder: of the features.
        seed: of the draws.
        cache: where runtimes keep converted networks.
        sink: hears of the views.
    """

    backbone: Backbone
    runtime: str
    head: Bound[Any]
    chain: Chain
    truth: Truth
    ids: tuple[str, ...]
    pixels: Pixels
    folder: Path
    seed: int
    cache: Path
    sink: Sink = ignore

    @cached_property
    def plain(self) -> np.ndarray:
        """float32 (N, D): features of the images without augmentation, from the same decoded pixels as the views."""
        return next(self.features([Showing("", 0)]))

    def features(self, showings: Sequence[Showing]) -> Iterator[np.ndarray]:
        """float32 (N, D) of each showing, in order; each image is read once for all of them."""
        folder = self.folder / self._key(showings)
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / f"{start:07d}.npy" for start in range(0, len(self.ids), BLOCK)]
        lacking = [place for place, file in enumerate(files) if not file.is_file()]
        arriving = self._views([i for place in lacking for i in self._block(place)], showings)
        with closing(arriving):
            rows = (
                in_order(self._forward, _batches(arriving, self._forward.batch), self._forward.lanes) if lacking else ()
            )
            flat = itertools.chain.from_iterable(rows)
            for place in track(lacking, "views", len(lacking), self.sink):
                shown = list(itertools.islice(flat, len(self._block(place)) * len(showings)))
                block_BSD = np.stack(shown).reshape(len(self._block(place)), len(showings), -1)
                write_atomic(files[place], array_bytes(block_BSD))
                failpoint("after-views")
        for s in range(len(showings)):
            yield np.concatenate([np.load(file, mmap_mode="r", allow_pickle=False)[:, s] for file in files])

    def _key(self, showings: Sequence[Showing]) -> str:
        """Of all that features depend on beside the experiment's own question."""
        return hash_json([[one.policy, one.epoch] for one in showings])[:16]

    def _block(self, place: int) -> range:
        return range(place * BLOCK, min(len(self.ids), (place + 1) * BLOCK))

    @cached_property
    def _forward(self) -> Runtime:
        return open_runtime(self.backbone, runtime=self.runtime, networks=self.cache / NETWORKS)

    def _views(self, rows: Sequence[int], showings: Sequence[Showing]) -> Generator[np.ndarray]:
        """uint8 (H, W, 3): all showings of the first row, then of the second."""
        arguments: dict[str, Any] = {
            "showings": [(one.policy, one.epoch) for one in showings],
            "target": self.backbone.preprocessing,
            "side": self.pixels.side,
            "seed": self.seed,
        }
        items = [(self.pixels.places[i], self.ids[i]) for i in rows]
        if len(rows) * len(showings) < WORTH_WORKERS:
            for item in items:
                yield from show(item, **arguments)
            return
        stage = Stage("medalist.experiments.augmenting.copies:show", arguments)
        workers = max(1, usable_cores() - 1)
        for outcome in map([stage], items, workers=workers, timeout_s=TIMEOUT_S, window=WINDOW):
            if outcome.error is not None:
                raise DataError(f"views of image {items[outcome.index][1]!r} could not be made: {outcome.error}")
            yield from outcome.value

    def learn(self, x_VND: Sequence[np.ndarray]) -> Answered:
        """Fit the head on views of the rows outside each fold; answer the fold's rows, and their first view.

        Args:
            x_VND: features of V views of the N images.
        """
        num_rows, num_views = len(self.ids), len(x_VND)
        x_MD = np.concatenate([self.plain, *x_VND])
        shown_M = np.tile(np.arange(num_rows), 1 + num_views)
        fold_N = self.truth.fold_N.astype(np.int64)
        task = Learning(
            head=self.head,
            y=self.truth.labels[shown_M],
            fold_N=np.concatenate([fold_N, np.full(num_rows * num_views, -1)]),
            num_folds=int(fold_N.max()) + 1,
            num_classes=len(self.truth.classes),
            seed=self.seed,
            sink=ignore,
            from_N=fold_N[shown_M],
        )
        states, _ = fold_states(task, x_MD)
        plain_NC, viewed_NC = (np.empty((num_rows, task.num_classes), np.float32) for _ in range(2))
        for fold, state in enumerate(states[:-1]):
            rows = np.flatnonzero(fold_N == fold)
            plain_NC[rows] = heads.predict(self.head.text, state, x_MD, rows)
            viewed_NC[rows] = heads.predict(self.head.text, state, x_MD, num_rows + rows)
        return Answered(self._decided(plain_NC), self._decided(viewed_NC))

    def _decided(self, prob_NC: np.ndarray) -> np.ndarray:
        """What the metric eats, each fold's by a rule that did not see it."""
        return self.chain.crossfit(prob_NC[:, None], self.truth.labels, self.truth.fold_N).answers_N


def show(
    item: tuple[Place, str], *, showings: Sequence[tuple[str, int]], target: dict[str, Any], side: int, seed: int
) -> np.ndarray:
    """The stage that makes all showings of one image, uint8 (S, H, W, 3).

    Raises:
        DataError: its pixels cannot be read.
    """
    place, image_id = item
    pixels_HWC, size = read_place(place, side), Preprocessing.from_dict(target)
    return np.stack([_parsed(policy)(pixels_HWC, Draw(seed, epoch, image_id), size) for policy, epoch in showings])


@lru_cache(maxsize=64)
def _parsed(policy: str) -> Policy:
    return Policy.parse(policy)


def _batches(pixels: Iterator[np.ndarray], size: int) -> Iterator[np.ndarray]:
    while some := list(itertools.islice(pixels, size)):
        yield np.stack(some)
