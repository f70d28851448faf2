"""Members: R arrays of probabilities that need not fit in memory, seen as one array (N, R, C).

Whatever reads it reads one member, or one block of rows, at a time. Axes: N images, R members, C classes or tags.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from medalist.errors import MismatchError

ALL = slice(None)
BLOCK = 2**23  # numbers in a block of rows


class Members:
    """R arrays (N, C), in memory or memory-mapped, float16 or float32, as one (N, R, C).

    Args:
        arrays: one (N, C) a member, all of one shape.
        rows: which rows of the arrays are meant, in which order.

    Raises:
        MismatchError: no arrays, or arrays of several shapes.

    >>> members = Members([np.eye(3), np.ones((3, 3)) / 3])
    >>> members.shape, members[np.array([True, False, True])].shape, members[:, 1:].shape
    ((3, 2, 3), (2, 2, 3), (3, 1, 3))
    """

    dtype = np.dtype(np.float32)
    ndim = 3

    def __init__(self, arrays: Sequence[np.ndarray], rows: np.ndarray | slice = ALL) -> None:
        shapes = {array.shape for array in arrays}
        if len(shapes) != 1 or len(next(iter(shapes))) != 2:
            raise MismatchError(f"members are arrays (images, classes) of one shape, got {sorted(shapes) or 'none'}")
        self._arrays, self._rows = tuple(arrays), rows

    @property
    def shape(self) -> tuple[int, int, int]:
        num_rows, num_classes = self._arrays[0].shape
        rows = self._rows
        length = len(range(*rows.indices(num_rows))) if isinstance(rows, slice) else len(rows)
        return (length, len(self._arrays), num_classes)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Members:
        """Rows by slice, indices or mask, and members after a comma; nothing is read."""
        rows, which = key if isinstance(key, tuple) else (key, ALL)
        arrays = [self._arrays[r] for r in np.arange(len(self._arrays))[which]]
        if isinstance(rows, slice) and rows == ALL:
            return Members(arrays, self._rows)
        if isinstance(rows, slice) and isinstance(self._rows, slice) and self._rows == ALL:
            return Members(arrays, rows)
        return Members(arrays, self._indices()[rows])

    def _indices(self) -> np.ndarray:
        return np.arange(self._arrays[0].shape[0])[self._rows]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        out_NRC = np.empty(self.shape, np.float32)
        for r in range(self.shape[1]):
            out_NRC[:, r] = self.member(r)
        return out_NRC if dtype is None else out_NRC.astype(dtype, copy=False)

    def member(self, r: int) -> np.ndarray:
        """A copy of one member's rows, float32 (N, C); pages of a memory map are given back once copied."""
        array = self._arrays[r]
        rows_NC = np.asarray(array[self._rows])
        out_NC = rows_NC.astype(np.float32, order="C")
        _release(array)
        return out_NC

    def true(self, y_N: np.ndarray) -> np.ndarray:
        """Each member's probability of the true class, float32 (N, R)."""
        row_N = self._indices()
        out_NR = np.empty(self.shape[:2], np.float32)
        for r, array in enumerate(self._arrays):
            out_NR[:, r] = array[row_N, y_N]
            _release(array)
        return out_NR

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """All rows a block at a time: which they are, and dense float32 (B, R, C)."""
        step = max(1, BLOCK // (self.shape[1] * self.shape[2]))
        for start in range(0, len(self), step):
            rows = slice(start, min(start + step, len(self)))
            yield rows, np.asarray(self[rows])

    def sample(self, most: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Dense float32 of at most so many numbers, and the rows drawn for it; all rows in order where they fit."""
        num_rows = max(1, most // (self.shape[1] * self.shape[2]))
        if num_rows >= len(self):
            rows = np.arange(len(self))
        else:
            rows = np.sort(np.random.default_rng(seed).choice(len(self), num_rows, replace=False))
        return np.asarray(self[rows]), rows


def as_members(prob_NRC: Any) -> Members:
    """What an ensembler is given, a dense array (N, R, C) or `Members`, as `Members`."""
    if isinstance(prob_NRC, Members):
        return prob_NRC
    return Members([prob_NRC[:, r] for r in range(prob_NRC.shape[1])])


def _release(array: np.ndarray) -> None:
    """Drop a memory map's resident pages (they stay in the system's cache), so that members do not pile up.

    Not of a copy-on-write map: its changes live nowhere else.
    """
    pages = getattr(array, "_mmap", None)
    if pages is not None and getattr(array, "mode", "c") != "c" and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)
