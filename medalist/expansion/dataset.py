"""The dataset that new images are to join: its table, the facts of its files, and how its own images fit their classes.

Axes: N labelled images that are compared with, X new ones, J both, A all with test images, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medalist.data.facts import Facts
from medalist.data.groups import duplicate_groups
from medalist.data.ingest import facts_of
from medalist.data.splits import make_folds
from medalist.data.table import TEST, TRAIN, VALID, ImageTable
from medalist.errors import DataError
from medalist.expansion.likeness import Fit, fits
from medalist.features.bank import FeatureBank
from medalist.pipeline.extraction import SETTLED, extract, unit_rows
from medalist.pipeline.way import read
from medalist.progress import Sink, ignore
from medalist.quality.alike import shown_before
from medalist.recipe import Recipe
from medalist.training.heads.contract import targets

MOST = 5000  # labelled images that new ones are compared with


@dataclass(frozen=True)
class Dataset:
    """A dataset as an expansion sees it.

    Args:
        recipe: how it is read, and by which backbones images are compared; it names one.
        table: its images.
        facts: of each.
    """

    recipe: Recipe
    table: ImageTable
    facts: tuple[Facts, ...]

    @classmethod
    def of(cls, recipe: Recipe, root: Path, *, cache: Path, sink: Sink = ignore) -> Dataset:
        """Read a dataset and look at each file once."""
        table = read(recipe, root)
        return cls(recipe, table, tuple(facts_of(table.root, list(table.paths), cache=cache, sink=sink)))


@dataclass(frozen=True)
class Labelled:
    """N labelled images: how they fit each class out of fold, which classes they are of, their folds."""

    fit: Fit
    has_NC: np.ndarray
    fold_N: np.ndarray


def labelled_fits(
    dataset: Dataset, folder: Path, paths: Sequence[str], *, cache: Path, sink: Sink = ignore
) -> tuple[Labelled, Fit, dict[int, int]]:
    """How labelled images fit the classes, out of fold, and how new ones do; and which of these show a known picture.

    Args:
        dataset: at most MOST of its labelled images are taken, of all classes as evenly as can be.
        folder: of the expansion; it keeps which runtime the features are made by.
        paths: X images in it, all of which can be decoded.
        cache: folder of features.
        sink: takes progress events.

    Returns:
        Labelled images, new ones, and the row of the table whose picture a new one shows, by its place among them: of
        all test images and the labelled ones that are compared with, see `alike.shown_before`.

    Raises:
        DataError: no labelled image can be decoded.
    """
    recipe, table = dataset.recipe, dataset.table
    readable = np.array([fact.ok for fact in dataset.facts])
    usable = readable & np.isin(table.split, (TRAIN, VALID))
    if not usable.any():
        raise DataError(f"none of the labelled images in {table.root} could be read; try medalist check")
    rows = _some(table, np.flatnonzero(usable))
    own, labels = table.take(rows), table.take(rows).labels
    group_N = duplicate_groups([dataset.facts[row] for row in rows], own.groups)
    fold_N = make_folds(labels, group_N, num_folds=recipe.folds.k, seed=recipe.folds.seed)
    known = np.concatenate([rows, np.flatnonzero(readable & (table.split == TEST))])
    files = [str((table.root / path).absolute()) for path in table.paths[known]]
    files += [str((folder / path).absolute()) for path in paths]
    found = extract(recipe, Path("/"), files, cache=cache, settled=folder / SETTLED, sink=sink)
    bank, hashes = FeatureBank(cache), [fact.hash for fact in found.facts]
    place_A = np.arange(len(files))
    unit_AD = unit_rows(bank, found, place_A)
    kinds = place_A[len(rows) : len(known)], place_A[: len(rows)]
    judged = np.concatenate([place_A[: len(rows)], place_A[len(known) :]])
    x_JD = bank.rows(found.spaces, [hashes[place] for place in judged], normalise=recipe.normalise)[:]
    num_classes = len(table.classes)
    mine, new = fits(x_JD, unit_AD[judged], labels, fold_N, num_classes=num_classes)
    shown = shown_before(files, unit_AD, kinds, place_A[len(known) :], cache=cache, sink=sink)
    same = {place - len(known): int(known[other]) for place, other in shown.items()}
    return Labelled(mine, targets(labels, num_classes).astype(bool), fold_N), new, same


def _some(table: ImageTable, rows: np.ndarray) -> np.ndarray:
    """At most MOST of the rows: one of each class, then a second, and so on; of tags any."""
    if len(rows) <= MOST:
        return rows
    drawn = np.random.default_rng(0).permutation(rows)
    if isinstance(table.labels, np.ndarray):
        drawn = drawn[np.argsort(_turns(table.labels[drawn]), kind="stable")]
    return np.sort(drawn[:MOST])


def _turns(label_N: Any) -> np.ndarray:
    """How many rows before it have a row's class.

    >>> _turns(np.array([3, 1, 3, 3, 1])).tolist()
    [0, 0, 1, 2, 1]
    """
    order = np.argsort(label_N, kind="stable")
    _, first, count = np.unique(label_N[order], return_index=True, return_counts=True)
    turn_N = np.empty(len(label_N), int)
    turn_N[order] = np.arange(len(label_N)) - np.repeat(first, count)
    return turn_N
