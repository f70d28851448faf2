"""Labels and groups -> folds: stratified by class, for tags iteratively with the rarest tag first; groups stay whole.

Axes: N images, G groups, C classes or tags, K folds.
"""

from __future__ import annotations

import csv
import heapq
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array

from medalist.errors import DataError, MismatchError, StoreError
from medalist.store import hash_json, write_atomic


@dataclass(frozen=True)
class Folds:
    """The fold of each labelled image.

    Args:
        fold_N: int8 (N,), 0 to K - 1.
        ids: N image ids.
        num_folds: K.
        seed: that they were drawn with.
    """

    fold_N: np.ndarray
    ids: tuple[str, ...]
    num_folds: int
    seed: int

    def __post_init__(self) -> None:
        if len(self.fold_N) != len(self.ids):
            raise MismatchError(f"got {len(self.fold_N)} folds for {len(self.ids)} image ids")

    @property
    def hash(self) -> str:
        """Hash of the ids with their folds; part of every artefact."""
        return hash_json([list(self.ids), self.fold_N.tolist()])

    def save(self, path: Path) -> None:
        """Write `id,fold` as CSV."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["id", "fold"])
        writer.writerows(zip(self.ids, self.fold_N.tolist(), strict=True))
        write_atomic(path, text.getvalue().encode("utf-8", "surrogateescape"))

    @classmethod
    def load(cls, path: Path, *, ids: Sequence[str] | None = None, seed: int = 0) -> Folds:
        """Read what `save` wrote, or any CSV that begins with its two columns; with `ids`, in their order.

        Raises:
            StoreError: another header, a fold that is no number below 128, or an id that comes twice.
            MismatchError: the file's ids are not `ids`.
        """
        with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            header, *rows = [*csv.reader(file)] or [[]]
        if header[:2] != ["id", "fold"] or not all(len(row) >= 2 and _is_fold(row[1]) for row in rows):
            raise StoreError(f"{path} is no fold file: expected the columns id,fold and a number in each row")
        fold_of = {row[0]: int(row[1]) for row in rows}
        if len(fold_of) != len(rows):
            raise StoreError(f"{path}: an image id comes twice")
        ids = list(fold_of) if ids is None else ids
        if fold_of.keys() != set(ids):
            strange = sorted(fold_of.keys() ^ set(ids))
            raise MismatchError(f"{path} has folds of other images: {len(strange)} ids differ, such as {strange[0]!r}")
        fold_N = np.array([fold_of[name] for name in ids], np.int8)
        return cls(fold_N, tuple(ids), int(fold_N.max(initial=-1)) + 1, seed)


def _is_fold(text: str) -> bool:
    return text.isdecimal() and int(text) < 128


def make_folds(labels: np.ndarray | csr_array, group_N: np.ndarray, *, num_folds: int, seed: int) -> np.ndarray:
    """Fold of each row, int8 (N,).

    Args:
        labels: class indices (N,), -1 where unknown, or tags as booleans (N, C), CSR or dense.
        group_N: (N,) int group of each row, numbered from 0; a group lies in one fold.
        num_folds: K.
        seed: of the order among equals.

    Raises:
        DataError: fewer groups than folds.

    Groups of several rows are dealt first, then single rows by iterative stratification: the label with the fewest rows
    left is served first (Sechidis, Tsoumakas, Vlahavas 2011, algorithm 1). With one label a row and groups of one row,
    class counts of two folds differ by at most 1; a class with K groups of its own is in every fold.
    """
    num_groups = int(group_N.max(initial=-1)) + 1
    if num_groups < num_folds:
        fix = f"type folds.k={num_groups}" if num_groups >= 3 else "label more images"
        raise DataError(f"{num_groups} groups of images cannot fill {num_folds} folds; {fix}")
    count_GC = _label_counts(labels, group_N, num_groups)
    size_G = np.bincount(group_N, minlength=num_groups)
    rng = np.random.default_rng(seed)
    fold_G = _deal(count_GC, size_G, num_folds, rng)
    return np.asarray(fold_G[group_N])


def rare_classes(
    labels: np.ndarray | csr_array, group_N: np.ndarray, *, num_folds: int, num_classes: int
) -> np.ndarray:
    """Indices of the classes with rows in fewer groups than folds: some fold lacks them, in part or altogether."""
    count_GC = _label_counts(labels, group_N, int(group_N.max(initial=-1)) + 1)
    return np.flatnonzero(np.bincount(count_GC.indices, minlength=num_classes) < num_folds)


def _label_counts(labels: Any, group_N: np.ndarray, num_groups: int) -> csr_array:
    """(G, C) how many rows of a group carry a label."""
    if isinstance(labels, np.ndarray) and labels.ndim == 1:
        known_N = labels >= 0
        rows, columns = group_N[known_N], labels[known_N]
        num_labels = int(labels.max(initial=0)) + 1
    else:
        coo = coo_array(labels)
        rows, columns, num_labels = group_N[coo.row], coo.col, labels.shape[1]
    ones = np.ones(len(rows), np.int64)
    return coo_array((ones, (rows, columns)), shape=(num_groups, num_labels)).tocsr()  # equal entries are added up


def _deal(count_GC: csr_array, size_G: np.ndarray, num_folds: int, rng: np.random.Generator) -> np.ndarray:
    """Fold of each group, int8 (G,)."""
    table = _Table(count_GC, size_G, num_folds, rng.permutation(num_folds))
    luck_G = rng.permutation(len(size_G))
    several = np.flatnonzero(size_G > 1)
    for group in several[np.lexsort((luck_G[several], -size_G[several]))]:
        table.place(int(group))
    _deal_single_rows(table, luck_G)
    bare = np.flatnonzero(table.fold_G < 0)
    for group in bare[np.argsort(luck_G[bare])]:
        table.place(int(group))
    return table.fold_G


def _deal_single_rows(table: _Table, luck_G: np.ndarray) -> None:
    by_label = table.count_GC.tocsc()
    heap = [(int(rows), label) for label, rows in enumerate(table.left_C) if rows]
    heapq.heapify(heap)
    while heap:
        num_left, label = heapq.heappop(heap)
        if num_left != table.left_C[label]:  # rows of it went with rarer labels: back in line at its new place
            if table.left_C[label]:
                heapq.heappush(heap, (int(table.left_C[label]), label))
            continue
        groups = by_label.indices[by_label.indptr[label] : by_label.indptr[label + 1]]
        groups = groups[table.fold_G[groups] < 0]
        for group in groups[np.argsort(luck_G[groups])]:
            table.place(int(group), label)


class _Table:
    """The folds while they are dealt: rows of each label (K, C) and in all (K,); rows of a label not dealt yet (C,)."""

    def __init__(self, count_GC: csr_array, size_G: np.ndarray, num_folds: int, luck_K: np.ndarray) -> None:
        self.count_GC, self.size_G, self.luck_K = count_GC, size_G, luck_K
        self.have_KC = np.zeros((num_folds, count_GC.shape[1]), np.int64)
        self.have_K = np.zeros(num_folds, np.int64)
        self.fold_G = np.full(len(size_G), -1, np.int8)
        self.left_C = np.asarray(count_GC.sum(axis=0), np.int64)
        self.weight_C = 1.0 / np.maximum(self.left_C, 1) ** 2

    def place(self, group: int, label: int | None = None) -> None:
        """To the fold with the fewest rows of `label`; then of the group's labels; then of all; then by lot.

        Second key: sum_c (h_kc / n_c)^2 over folds and labels is least when every fold holds the same share of each
        label. A group with g_c rows adds (2 h_kc g_c + g_c^2) / n_c^2, of which only the first term depends on k.
        """
        own = slice(self.count_GC.indptr[group], self.count_GC.indptr[group + 1])
        labels, rows = self.count_GC.indices[own], self.count_GC.data[own]
        have_KL = self.have_KC[:, labels]
        keys = [self.luck_K, self.have_K]
        if label is None or len(labels) > 1:
            keys.append((have_KL * (rows * self.weight_C[labels])).sum(axis=1))
        if label is not None:
            keys.append(self.have_KC[:, label])
        fold = int(np.lexsort(keys)[0])
        self.fold_G[group] = fold
        self.have_KC[fold, labels] += rows
        self.have_K[fold] += self.size_G[group]
        self.left_C[labels] -= rows
