"""The folds that a run makes, as one CSV from which anybody's script can train; and the rows behind such a file again.

Columns: id, fold, group, label (for tags: tags), then a column a class, 1 where the image has it. Out-of-fold and test
files of a script (`medalist import`) have the same class columns, with probabilities in them.

Axes: N labelled images, C classes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from medalist.data.ingest import facts_of
from medalist.data.splits import Folds, make_folds
from medalist.data.table import TRAIN, ImageTable
from medalist.data.textfiles import Csv, read_csv
from medalist.errors import DataError, MismatchError
from medalist.pipeline.decide import Truth
from medalist.pipeline.kept import FILE, load_folds, load_table, load_test_ids, load_truth
from medalist.pipeline.stale import mark
from medalist.pipeline.way import groups_of, read
from medalist.progress import Sink, ignore
from medalist.recipe import Recipe

LEAD = ("id", "fold", "group")
LABEL, TAGS = "label", "tags"
JOINERS = (" ", "|", ";", ",")


@dataclass(frozen=True)
class Field:
    """The rows that predictions compete on.

    Args:
        table: the N labelled images, their classes, and the sample submission where one is known.
        truth: their labels, groups and folds.
        folds: the same folds by image id.
        test_ids: the test images, readable or not; None where nobody said which there are.
        outer: the folds of all labelled images, where the rows are one of them, held out; else None.
    """

    table: ImageTable
    truth: Truth
    folds: Folds
    test_ids: tuple[str, ...] | None
    outer: Folds | None = None

    def held(self, other: Field) -> Field:
        """Of all rows those that `other` holds out, in its folds; as it is where its own folds are others."""
        outer = self.outer or self.folds
        if other.outer is None or (outer.ids, outer.hash) != (other.outer.ids, other.outer.hash):
            return self
        row_of = {name: row for row, name in enumerate(self.folds.ids)}
        rows = np.array([row_of[name] for name in other.folds.ids], np.int64)
        truth = replace(
            self.truth,
            labels=self.truth.labels[rows],
            group_N=self.truth.group_N[rows],
            fold_N=other.truth.fold_N,
        )
        return replace(self, table=self.table.take(rows), truth=truth, folds=other.folds, outer=outer)


def folds_csv(
    recipe: Recipe,
    root: Path,
    *,
    cache: Path,
    runs: Sequence[Path] = (),
    say: Callable[[str], None] = print,
    sink: Sink = ignore,
) -> str:
    """The very folds that `run` makes of this dataset with this recipe, as CSV; no network is loaded.

    Args:
        recipe: how to read and divide the dataset.
        root: its folder.
        cache: where facts of files are remembered.
        runs: earlier runs; those whose folds tear these groups apart are marked (`stale.mark`).
        say: told of each run.
        sink: takes progress events.

    Raises:
        DataError: no labelled image could be read, or there are fewer groups of images than folds.
    """
    table = read(recipe, root).labelled()
    facts = facts_of(table.root, list(table.paths), cache=cache, sink=sink)
    usable = np.array([fact.ok for fact in facts], dtype=bool)
    if not usable.any():
        raise DataError(f"none of the {len(table)} labelled images in {root} could be read")
    train = table.take(usable)
    group_N = groups_of(recipe, train, [fact for fact in facts if fact.ok])
    fold_N = make_folds(train.labels, group_N, num_folds=recipe.folds.k, seed=recipe.folds.seed)
    group_of = dict(zip(train.ids.tolist(), group_N.tolist(), strict=True))
    for run in runs:
        say(mark(run, group_of, source=recipe.folds.groups or str(root)))
    return _text(train, Truth(train.labels, train.classes, group_N, fold_N))


def load_field(folder: Path) -> Field:
    """The rows of a run folder."""
    table, truth = load_table(folder), load_truth(folder)
    folds, outer = load_folds(folder, table.ids.tolist())
    return Field(table, truth, folds, tuple(load_test_ids(folder)), outer)


def read_field(file: Path) -> Field:
    """The rows of a fold file: one of `medalist folds`, or `folds.csv` in a run folder.

    Raises:
        DataError: it is neither.
    """
    found = read_csv(file, file.name)
    if found.header[:2] == LEAD[:2] and (file.parent / FILE).is_file():
        return load_field(file.parent)
    if found.header[:3] != LEAD or found.header[3:4] not in ((LABEL,), (TAGS,)) or len(found.header) < 6:
        raise DataError(
            f"{file.name} has the columns {', '.join(found.header[:5])}, expected those of `medalist folds`"
            f" ({', '.join(LEAD)}, {LABEL} or {TAGS}, a column a class); type: medalist folds DATA > folds.csv, or name"
            " the folds.csv inside a run folder"
        )
    if found.faults or not found.rows:
        raise DataError(f"{file.name} is damaged: {found.faults[:1] or 'no rows'}; write it anew with medalist folds")
    return _field(found)


def _field(found: Csv) -> Field:
    """What `_text` wrote."""
    try:
        fold_N, group_N = (np.array([int(row[at]) for row in found.rows]) for at in (1, 2))
        has_NC = np.array([row[4:] for row in found.rows], dtype=np.float32).astype(bool)
    except ValueError as error:
        raise DataError(f"{found.name} holds something that is no number ({error}); leave it as it was made") from error
    ids, classes = [row[0] for row in found.rows], found.header[4:]
    if len(set(ids)) < len(ids) or not 0 <= fold_N.min() <= fold_N.max() < 128:
        raise DataError(f"{found.name} repeats an id or has a fold outside 0 to 127; leave it as it was made")
    tags = found.header[3] == TAGS
    if not tags and (has_NC.sum(axis=1) != 1).any():
        raise DataError(f"{found.name} has images without exactly one class; leave it as it was made")
    labels: Any = csr_array(has_NC) if tags else has_NC.argmax(axis=1).astype(np.int32)
    table = ImageTable(
        root=Path(),
        ids=np.array(ids, dtype=object),
        paths=np.full(len(ids), "", dtype=object),
        split=np.full(len(ids), TRAIN, np.uint8),
        classes=tuple(classes),
        class_names=tuple(classes),
        labels=labels,
    )
    folds = Folds(fold_N.astype(np.int8), tuple(ids), int(fold_N.max()) + 1, 0)
    return Field(table, Truth(labels, table.classes, group_N.astype(np.int64), folds.fold_N), folds, None)


def against_data(field: Field, table: ImageTable) -> Field:
    """The rows with the sample submission and test ids of the dataset that they are said to be of.

    Raises:
        MismatchError: ids, classes or labels are not the dataset's.
    """
    labelled, ids = table.labelled(), field.table.ids.tolist()
    row_of = {name: row for row, name in enumerate(labelled.ids)}
    strange = [name for name in ids if name not in row_of]
    if strange:
        raise MismatchError(
            f"the folds are of other images: {len(strange)} ids are not in DATA, such as {strange[0]!r}"
        )
    if labelled.classes != field.table.classes:
        raise MismatchError("the folds were made of other classes than DATA has; type: medalist folds DATA > folds.csv")
    changed = differ(labelled.labels[[row_of[name] for name in ids]], field.table.labels)
    if len(changed):
        raise MismatchError(f"{len(changed)} images have other labels in DATA, such as {ids[changed[0]]!r}")
    test = table.test().ids.tolist()
    asked = replace(field.table, sample=table.sample, class_names=table.class_names or table.classes)
    return replace(field, table=asked, test_ids=tuple(test))


def differ(one: Any, other: Any) -> np.ndarray:
    """Rows whose labels differ: class indices (N,), or tags (N, C) as CSR."""
    if isinstance(one, np.ndarray):
        return np.flatnonzero(one != other)
    return np.unique((one != other).nonzero()[0])


def _text(train: ImageTable, truth: Truth) -> str:
    """A row a labelled image, in the order that the fold hash is of."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    labels: Any = train.labels
    tags = train.task == "tags"
    writer.writerow([*LEAD, TAGS if tags else LABEL, *train.classes])
    joiner = next((mark for mark in JOINERS if not any(mark in name for name in train.classes)), JOINERS[-1])
    for row, name in enumerate(train.ids):
        has = labels[[row]].indices.tolist() if tags else [int(labels[row])]
        cells = np.zeros(len(train.classes), int)
        cells[has] = 1
        said = joiner.join(train.classes[c] for c in has)
        writer.writerow([name, truth.fold_N[row], truth.group_N[row], said, *cells.tolist()])
    return text.getvalue()
