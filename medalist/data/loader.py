"""What feeds a training: augmented images from worker processes, in order; and originals for evaluation.

In: which images to show, when and how large (`Glance`). Out: (height, width, 3) uint8, the same whatever the number of
workers, since every random number derives from seed, epoch and image. One stream serves a whole training, so that
workers start once; closing it ends them. Axes: H W pixels.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from medalist.data.decode import Preprocessing
from medalist.data.ingest import ingest
from medalist.data.pixels import Pixels, Place, read_place
from medalist.data.views.policy import Draw, Policy
from medalist.engines import Outcome, Stage, map
from medalist.engines.ahead import ahead
from medalist.errors import DataError

AHEAD = 128  # images ready before they are asked for: a step takes its batch at once
TIMEOUT_S = 300.0  # an image past the cache's bound may be a large one on a busy machine
LOADER_BOUND = 0.1


@dataclass(frozen=True)
class Glance:
    """One image to show: its position, the epoch, the size wanted, the strength of the augmentation."""

    index: int
    epoch: int
    height: int
    width: int
    strength: float = 1.0


Item = tuple[Place, str, Glance]


class Stream(Iterator[np.ndarray]):
    """Images in order, and the clock of whoever takes them; made by `stream`, ended by `close`.

    Attributes:
        shown: images handed on.
        start_s: wall seconds until the first, in which workers start.
        waited_s: wall seconds that the consumer waited for the others.
        work_s: processor seconds that making all of them took.
    """

    def __init__(self, images: Generator[tuple[np.ndarray, float]]) -> None:
        self._images = images
        self.shown, self.start_s, self.waited_s, self.work_s = 0, 0.0, 0.0, 0.0

    def __next__(self) -> np.ndarray:
        start = time.perf_counter()
        image_HWC, seconds = next(self._images)
        waited = time.perf_counter() - start
        if self.shown:
            self.waited_s += waited
        else:
            self.start_s = waited
        self.shown += 1
        self.work_s += seconds
        return image_HWC

    def close(self) -> None:
        """End the workers."""
        self._images.close()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def stream(
    pixels: Pixels,
    ids: Sequence[str],
    work: Iterable[Glance],
    *,
    policy: str,
    target: dict[str, Any],
    seed: int,
    workers: int,
) -> Stream:
    """Show images, augmented.

    Args:
        pixels: of N images.
        ids: their N ids, from which the random numbers derive.
        work: what to show, in order; drawn in advance of what is taken, possibly in another thread.
        policy: augmentation, as `Policy.parse` reads it; empty: the network's own resize.
        target: the network's `Preprocessing` as JSON; each glance's size replaces its height and width.
        seed: of the augmentation.
        workers: processes; 0: none, each image is made when it is asked for.

    Returns:
        A Stream. It raises DataError at an image that cannot be made: nothing is ever left out.

    Raises:
        RecipeError: the policy is not one.

    >>> work = [Glance(i, epoch, 224, 224) for epoch in range(3) for i in range(100)]  # doctest: +SKIP
    >>> with stream(pixels, ids, work, policy="flip", target=target, seed=0, workers=2) as images:  # doctest: +SKIP
    ...     batch_BHWC = np.stack(list(islice(images, 32)))
    """
    Policy.parse(policy)  # a fault of the recipe shows here, not in a worker
    arguments = {"policy": policy, "target": target, "side": pixels.side, "seed": seed}
    items = ((pixels.places[glance.index], ids[glance.index], glance) for glance in work)
    return Stream(_by_workers(items, arguments, workers) if workers else _in_process(items, arguments))


def show(item: Item, *, policy: str, target: dict[str, Any], side: int, seed: int) -> np.ndarray:
    """The stage that makes one image, (height, width, 3) uint8.

    Raises:
        DataError: its pixels cannot be read, see `pixels.read_place`.
    """
    place, image_id, glance = item
    size = replace(Preprocessing.from_dict(target), height=glance.height, width=glance.width)
    draw = Draw(seed, glance.epoch, image_id)
    return _parsed(policy)(read_place(place, side), draw, size, strength=glance.strength)


@lru_cache(maxsize=8)
def _parsed(policy: str) -> Policy:
    return Policy.parse(policy)


def _in_process(items: Iterator[Item], arguments: dict[str, Any]) -> Generator[tuple[np.ndarray, float]]:
    for item in items:
        start = time.process_time()
        try:
            image_HWC = show(item, **arguments)
        except Exception as error:
            raise _unshown(item, f"{type(error).__name__}: {error}") from error
        yield image_HWC, time.process_time() - start


def _by_workers(items: Iterator[Item], arguments: dict[str, Any], workers: int) -> Generator[tuple[np.ndarray, float]]:
    given = deque[Item]()

    def noted() -> Iterator[Item]:
        for item in items:
            given.append(item)
            yield item

    outcomes = map([Stage("medalist.data.loader:show", arguments)], noted(), workers=workers, timeout_s=TIMEOUT_S)
    with closing(ahead(outcomes, AHEAD)) as arriving:
        for outcome in arriving:
            item = given.popleft()  # outcomes come in the order of their items
            yield _image_of(item, outcome), outcome.seconds


def _image_of(item: Item, outcome: Outcome) -> np.ndarray:
    if outcome.error is not None:
        raise _unshown(item, outcome.error)
    image_HWC: np.ndarray = outcome.value
    return image_HWC


def _unshown(item: Item, error: str) -> DataError:
    place, image_id, glance = item
    return DataError(
        f"image {image_id!r} ({place.path}) could not be shown in epoch {glance.epoch}: {error}; training leaves no"
        " image out: once this is mended, the same command goes on where it stopped"
    )


def originals(
    root: Path, paths: Sequence[str], preparation: Preprocessing, *, cache: Path, workers: int | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """Images as prediction sees them: decoded from their files, without the cache of pixels.

    Args:
        root: folder that the paths are relative to.
        paths: N files that can be decoded.
        preparation: what the network wants.
        cache: folder of `facts.sqlite`.
        workers: processes; None: one a core.

    Yields:
        (position, (height, width, 3) uint8), in order.

    Raises:
        DataError: a file cannot be decoded.
    """
    for entry in ingest(root, paths, preparations=[preparation], cache=cache, workers=workers):
        if not entry.facts.ok:
            raise DataError(f"{paths[entry.index]} cannot be evaluated: {entry.facts.reason}; run again without it")
        yield entry.index, entry.images[0]


def bottleneck(waited_s: float, wall_s: float) -> str:
    """`loader` where the consumer waited for images a tenth of its time or more, else `network`."""
    return "loader" if waited_s >= LOADER_BOUND * wall_s else "network"
