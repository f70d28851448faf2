"""ImageTable: which images there are (N rows), their ids, files, splits, labels, classes, groups, weights and targets.

Axes: N images, C classes. Ids, classes and paths are text and stay text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medalist.store import hash_json

if TYPE_CHECKING:
    from scipy.sparse import csr_array

TRAIN, VALID, TEST, EXTRA = 0, 1, 2, 3


@dataclass(frozen=True)
class Rejected:
    """A file or row that was left out: its path relative to the root (or `file.csv:12`), and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class SampleSubmission:
    """The organisers' sample submission, which rules the output.

    Args:
        path: the file.
        ids: M ids in its order, text as written.
        columns: header, as written; the first is the id column.
        kind: `class` (class name), `index` (position in the class list), `probability` (of `positive`), `wide` (a
            column a class, in `columns[1:]`), `tags` (names joined by `joiner`), `ranked` (the likeliest classes, best
            first, joined by `joiner`).
        positive: the class whose probability is asked for, where kind is `probability`.
        joiner: text between names, where kind is `tags` or `ranked`.
        places: how many classes are named, where kind is `ranked`.
    """

    path: Path
    ids: tuple[str, ...]
    columns: tuple[str, ...]
    kind: str
    positive: str | None = None
    joiner: str = ","
    places: int = 1


@dataclass(frozen=True)
class ImageTable:
    """The images of a dataset.

    Args:
        root: the dataset's folder; every path lies below it (or is absolute where a recipe allows outside data).
        ids: (N,) text, unique within a split.
        paths: (N,) text relative to `root`, `/`-separated; empty where the id has no file.
        split: (N,) uint8 of TRAIN, VALID, TEST, and EXTRA: learnt from, never scored.
        classes: C class names as the organisers write them, in the order of their indices.
        labels: (N,) int32 class index, -1 where unlabelled; or for tags a boolean CSR array (N, C).
        class_names: C names for people where `classes` are codes (COCO category ids), else the same as `classes`.
        groups: (N,) text from a group column, or None.
        weights: (N,) float32 row weights, or None.
        targets: further columns of the labels by name, (N,) text each; empty where a cell is unknown.
        sample: the sample submission, or None.
        layout: the layout that read it.
        notes: what was inferred, a sentence each.
        rejected: what was left out, and why.
    """

    root: Path
    ids: np.ndarray
    paths: np.ndarray
    split: np.ndarray
    classes: tuple[str, ...]
    labels: np.ndarray | csr_array
    class_names: tuple[str, ...] = ()
    groups: np.ndarray | None = None
    weights: np.ndarray | None = None
    targets: Mapping[str, np.ndarray] = field(default_factory=dict)
    sample: SampleSubmission | None = None
    layout: str = ""
    notes: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def task(self) -> str:
        """`tags` for label sets, `binary` for two classes, else `multiclass`."""
        if not isinstance(self.labels, np.ndarray):
            return "tags"
        return "binary" if len(self.classes) == 2 else "multiclass"

    @property
    def class_hash(self) -> str:
        """Hash of the ordered class list; part of every artefact."""
        return hash_json(list(self.classes))

    def take(self, index: np.ndarray) -> ImageTable:
        """The rows at `index` (integers or a boolean mask), in that order."""
        return replace(
            self,
            ids=self.ids[index],
            paths=self.paths[index],
            split=self.split[index],
            labels=self.labels[index],
            groups=None if self.groups is None else self.groups[index],
            weights=None if self.weights is None else self.weights[index],
            targets={name: text_N[index] for name, text_N in self.targets.items()},
        )

    def followed_by(self, other: ImageTable, *, notes: tuple[str, ...] | None = None) -> ImageTable:
        """These rows, then those of another table with the same classes and columns; all else is this one's."""
        return replace(
            self,
            ids=np.concatenate([self.ids, other.ids]),
            paths=np.concatenate([self.paths, other.paths]),
            split=np.concatenate([self.split, other.split]),
            labels=_stacked(self.labels, other.labels),
            groups=None if self.groups is None or other.groups is None else np.concatenate([self.groups, other.groups]),
            weights=_weights(self, other),
            targets={name: np.concatenate([text_N, other.targets[name]]) for name, text_N in self.targets.items()},
            notes=self.notes if notes is None else notes,
        )

    def labelled(self) -> ImageTable:
        """Training and validation rows."""
        return self.take(self.split < TEST)

    def test(self) -> ImageTable:
        """Test rows."""
        return self.take(self.split == TEST)


def _stacked(one: Any, other: Any) -> Any:
    """Labels of two tables."""
    if isinstance(one, np.ndarray):
        return np.concatenate([one, other])
    from scipy.sparse import vstack

    return vstack([one, other], format="csr")


def _weights(one: ImageTable, other: ImageTable) -> np.ndarray | None:
    """Weights of two tables; None where neither has any."""
    if one.weights is None and other.weights is None:
        return None
    parts = [np.ones(len(part), np.float32) if part.weights is None else part.weights for part in (one, other)]
    return np.concatenate(parts)
