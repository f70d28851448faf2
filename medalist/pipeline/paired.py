"""Two finished runs on the rows that both were scored on, by image id: which is better, by how much, how surely.

Axes: N rows of one run, P rows that both share.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medalist.errors import MismatchError, StoreError
from medalist.evidence import Comparison, compare
from medalist.pipeline.folds import differ
from medalist.pipeline.outcome import unseen_answers


@dataclass(frozen=True)
class Pair:
    """The answers of two runs to the P rows that both share; neither had seen the rows that it answers.

    Args:
        ids: of the rows.
        labels: class indices (P,), or tags (P, C) as CSR.
        group_P: group of each row, drawn together.
        one_P, two_P: answers, what the metric eats.
        moved: how many of the rows lie in another fold of the second run.
    """

    ids: tuple[str, ...]
    labels: Any
    group_P: np.ndarray
    one_P: np.ndarray
    two_P: np.ndarray
    moved: int = 0

    def compare(self, metric: str) -> Comparison:
        """The first against the second; positive: the first is better; p is of this one comparison."""
        return compare(metric, self.labels, self.one_P, self.two_P, groups=self.group_P)


def pair(one: Path, two: Path) -> Pair:
    """The rows that two run folders share.

    Raises:
        StoreError: one of them is not finished, or they share no row.
        MismatchError: their classes differ, or the labels of an image.
    """
    (field, one_N), (other, two_N) = unseen_answers(one), unseen_answers(two)
    row_of = {name: row for row, name in enumerate(other.table.ids)}
    shared = [(row, row_of[name]) for row, name in enumerate(field.table.ids) if name in row_of]
    if not shared:
        raise StoreError(f"{one} and {two} are scored on other rows")
    mine, theirs = np.array(shared).T
    truth = field.truth
    if truth.classes != other.truth.classes:
        raise MismatchError(f"{one} and {two} are of other classes, so that their answers cannot be compared")
    if len(changed := differ(truth.labels[mine], other.truth.labels[theirs])):
        name = field.table.ids[mine[changed[0]]]
        raise MismatchError(f"{one} and {two} have other labels for {len(changed)} images, such as {name!r}")
    ids = tuple(str(name) for name in field.table.ids[mine])
    moved = int((truth.fold_N[mine] != other.truth.fold_N[theirs]).sum())
    return Pair(ids, truth.labels[mine], truth.group_N[mine], one_N[mine], two_N[theirs], moved)
