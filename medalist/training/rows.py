"""Rows that need not fit in memory: a source, read block by block as standardised float32, on all cores in order.

A source is a float32 or float16 array, a memory map, or anything with a shape, a length and `source[rows]` for a slice
or for indices, which threads may call side by side. Axes: N images, B rows of a block, D features, C classes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from medalist.engines.local import usable_cores
from medalist.training.reduce import Standard, rooted
from medalist.training.weights import mass, part_of, present

Item = TypeVar("Item")
Result = TypeVar("Result")

LARGE = 2**28  # bytes of features and targets as float32 above which they are read in blocks
BLOCK = 1024  # rows read at a time
TILE = 64  # rows standardised at a time: they stay in a core's cache


class Source(Protocol):
    """Rows by slice or by indices."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


@dataclass(frozen=True)
class Part:
    """Some rows of a source, in any order, and any of them more than once."""

    source: Source
    index_n: np.ndarray

    def __len__(self) -> int:
        return len(self.index_n)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, D)."""
        return (len(self), *self.source.shape[1:])

    def __getitem__(self, rows: Any) -> Any:
        return self.source[self.index_n[rows]]


@dataclass(frozen=True)
class Rows:
    """Standardised rows of a source."""

    source: Source
    scaling: Standard

    def __len__(self) -> int:
        return len(self.source)

    @property
    def num_features(self) -> int:
        """D."""
        return self.source.shape[1]

    def read(self, rows: slice | np.ndarray) -> np.ndarray:
        """Standardised float32 (B, D)."""
        raw_BD = self.source[rows]
        z_BD = np.empty(raw_BD.shape, np.float32)
        for start in range(0, len(raw_BD), TILE):
            z_BD[start : start + TILE] = self.scaling(raw_BD[start : start + TILE])
        return z_BD


def is_large(x_ND: Source, num_classes: int) -> bool:
    """Too much for several copies in memory, and tall: with fewer rows than features their Gram matrix is smaller."""
    num_rows, num_features = x_ND.shape
    return num_rows >= num_features and 4 * num_rows * (num_features + num_classes) > LARGE


def in_memory(x_ND: Source) -> np.ndarray:
    """All rows as float32; an array that is float32 already, as it is."""
    return np.asarray(x_ND if isinstance(x_ND, np.ndarray) else x_ND[:], np.float32)


def blocks(rows: np.ndarray, size: int = BLOCK) -> list[np.ndarray]:
    """Indices, `size` at a time."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def in_order(function: Callable[[Item], Result], items: Iterable[Item], most: int | None = None) -> Iterator[Result]:
    """Results in the order of the items, one thread a core at work: sums over them have the same bits on any machine.

    No more than the threads' number and two are under way or wait to be taken.

    Args:
        function: what is done with an item.
        items: taken one by one.
        most: threads, where fewer than the cores.
    """
    threads = min(usable_cores(), most or usable_cores())
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > threads + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def measure(source: Source, *, root: bool = True, weight_N: np.ndarray | None = None) -> Standard:
    """The standardisation of a source (`reduce.standard`), in two readings: signs, then mean and deviation."""
    num_rows = mass(len(source), weight_N)
    spans: list[Any] = [slice(start, min(start + BLOCK, len(source))) for start in range(0, len(source), BLOCK)]
    if weight_N is not None:
        spans = blocks(present(np.arange(len(source)), weight_N))
    root_D = np.all(source[spans[0]] >= 0, axis=0) & root
    if root_D.any():
        for positive_D in in_order(lambda span: np.all(source[span] >= 0, axis=0), spans):
            root_D &= positive_D
    # Deviations from about the mean, so that their squares do not cancel; float32 sums of a tile, float64 of tiles.
    shift_D = rooted(np.asarray(source[spans[0]], np.float32), root_D).mean(axis=0)
    parts = in_order(lambda span: _moments(source[span], root_D, shift_D, part_of(weight_N, span)), spans)
    sum_2D = sum(parts, np.zeros((2, len(shift_D)))) / num_rows
    return Standard.of_moments(root_D, shift_D + sum_2D[0], np.sqrt(np.maximum(sum_2D[1] - sum_2D[0] ** 2, 0)))


def _moments(raw_BD: np.ndarray, root_D: np.ndarray, shift_D: np.ndarray, weight_B: np.ndarray | None) -> np.ndarray:
    """Weighted sums of deviations from `shift_D` and of their squares, float64 (2, D)."""
    sum_2D = np.zeros((2, raw_BD.shape[1]))
    for start in range(0, len(raw_BD), TILE):
        off_BD = rooted(np.asarray(raw_BD[start : start + TILE], np.float32), root_D) - shift_D
        if weight_B is None:
            sum_2D += off_BD.sum(axis=0), np.square(off_BD).sum(axis=0)
        else:
            weight_b = weight_B[start : start + TILE].astype(np.float64)
            sum_2D += weight_b @ off_BD, weight_b @ np.square(off_BD)
    return sum_2D
