"""Features that lie in shards on disk as one (N, D) array, read when rows are asked for; how a shard holds them.

Axes: N images, n of them asked for, D features of all blocks side by side, S features of one block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NORMS = ("none", "l1", "l2")
READ_ROWS = 8192  # of one access to the shards, so that reading needs little beside what it returns
SMALLEST = 1e-12
# Half a float16's spacing is 4.9e-4 of a value: more than this means that a row lies in the subnormals or overflows.
MAX_LOSS = 1e-3


@dataclass(frozen=True)
class Block:
    """Rows of one space: shard files, and the file number and row (N, 2) of each image, negative where it has none."""

    files: Sequence[Path]
    place_N2: np.ndarray
    width: int

    def read(self, index_n: np.ndarray) -> np.ndarray:
        """float32 (n, S); zeros for an image without features."""
        x_nS = np.zeros((len(index_n), self.width), np.float32)
        file_n, row_n = self.place_N2[index_n].T
        order = np.argsort(file_n, kind="stable")
        for at in np.split(order, np.flatnonzero(np.diff(file_n[order])) + 1):
            if len(at) and file_n[at[0]] >= 0:
                shard = np.load(self.files[file_n[at[0]]], mmap_mode="r", allow_pickle=False)
                x_nS[at] = shard[row_n[at]]
        return x_nS


class Rows:
    """What an array of shape (N, D) would be if it were in memory: `rows[index]` reads float32 (n, D).

    Args:
        blocks: spaces, side by side.
        normalise: `none`; `l1`, `l2`: each row of each block is divided by its norm. The heads take the square root of
            features that are never negative, so that `l1` gives them rows of unit length (power and L2 normalisation:
            Perronnin, Sanchez & Mensink 2010, section 3).
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, blocks: Sequence[Block], *, num_rows: int, normalise: str = "none") -> None:
        self.blocks, self.normalise = tuple(blocks), normalise
        self.shape = (num_rows, sum(block.width for block in blocks))

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, index_n: np.ndarray) -> Rows:
        """Those rows, still unread."""
        blocks = [Block(block.files, block.place_N2[index_n], block.width) for block in self.blocks]
        return Rows(blocks, num_rows=len(index_n), normalise=self.normalise)

    def then(self, other: Rows) -> Rows:
        """These rows, then the other's, of the same spaces, still unread."""
        blocks = [_stacked(one, two) for one, two in zip(self.blocks, other.blocks, strict=True)]
        return Rows(blocks, num_rows=len(self) + len(other), normalise=self.normalise)

    def only(self, blocks: Sequence[int]) -> Rows:
        """The columns of those blocks, still unread."""
        return Rows([self.blocks[i] for i in blocks], num_rows=len(self), normalise=self.normalise)

    def __getitem__(self, index: Any) -> np.ndarray:
        """Rows by a slice, an array of positions or of booleans."""
        at_n = np.arange(len(self))[index]
        x_nD = np.empty((len(at_n), self.shape[1]), np.float32)
        for start in range(0, len(at_n), READ_ROWS):
            part, column = slice(start, start + READ_ROWS), 0
            for block in self.blocks:
                x_nD[part, column : column + block.width] = normalised(block.read(at_n[part]), self.normalise)
                column += block.width
        return x_nD


def _stacked(one: Block, two: Block) -> Block:
    """Rows of one block, then of another."""
    moved_N2 = two.place_N2 + np.where(two.place_N2[:, :1] >= 0, [[len(one.files), 0]], 0).astype(two.place_N2.dtype)
    return Block((*one.files, *two.files), np.concatenate([one.place_N2, moved_N2]), one.width)


def normalised(x_nS: np.ndarray, norm: str) -> np.ndarray:
    """Rows divided by their L1 or L2 norm; a row of zeros stays one."""
    if norm == "none":
        return x_nS
    length_n = np.linalg.norm(x_nS, ord=1 if norm == "l1" else 2, axis=1)
    scaled_nS: np.ndarray = x_nS / np.maximum(length_n, SMALLEST)[:, None]
    return scaled_nS


def compact(x_ND: np.ndarray) -> np.ndarray:
    """Rows as float16; where a row would overflow or lose more than MAX_LOSS of its largest value, all as float32.

    Rows that fit are rounded to float16 in either case: a row's value must not depend on its shard-mates.
    """
    with np.errstate(over="ignore"):
        half_ND = x_ND.astype(np.float16)
    rounded_ND = half_ND.astype(np.float32)
    scale_N = np.abs(x_ND).max(axis=1, initial=0.0)
    with np.errstate(invalid="ignore"):
        lost_N = np.abs(rounded_ND - x_ND).max(axis=1, initial=0.0) > MAX_LOSS * scale_N
    if not lost_N.any():
        return half_ND
    return np.where(lost_N[:, None], x_ND, rounded_ND).astype(np.float32)
