"""Images beside the dataset's own: from expansions' folders to rows that every model learns from and no score is of.

A folder of an expansion has `extra.csv` (id, path below the folder, label, weight, ...). Its rows join the table with
the split EXTRA. What shows the same picture as a labelled or a test image is left out when the run has seen the bytes:
the former would answer for its twin, the latter is the test set.

Axes: N labelled images, E extra ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medalist.data.facts import Facts
from medalist.data.groups import direct_twins, duplicate_groups
from medalist.data.layouts.csv_rows import weight
from medalist.data.splits import Folds
from medalist.data.table import EXTRA, TEST, ImageTable, Rejected
from medalist.data.textfiles import Csv, read_csv
from medalist.errors import DataError, near
from medalist.features.rows import Rows
from medalist.pipeline.extraction import Features

FILE = "extra.csv"
COLUMNS = ("id", "path", "label", "weight")
JOINER = "|"  # between tags


def with_extra(table: ImageTable, folders: Sequence[str], extra_weight: float) -> ImageTable:
    """The table, then the rows of each folder's extra.csv, their weights times `extra_weight`.

    Raises:
        DataError: a file lacks, a column or a class is unknown, an id comes twice.
    """
    for folder in folders:
        extra = _read(table, Path(folder), extra_weight)
        clash = sorted({*table.ids[table.split == EXTRA].tolist()} & {*extra.ids.tolist()})
        if clash:
            raise DataError(f"extra: {folder} repeats {len(clash)} ids of another folder, such as {clash[0]!r}")
        note = f"{len(extra)} extra images of {folder} are learnt from and never scored"
        table = table.followed_by(extra, notes=(*table.notes, note))
    return table


def _read(table: ImageTable, folder: Path, extra_weight: float) -> ImageTable:
    """The rows of one folder."""
    found = read_csv(folder / FILE, str(folder / FILE))
    at = {name: found.column(name, "extra") for name in COLUMNS}
    if found.faults:
        line, reason = found.faults[0]
        raise DataError(f"{found.name}:{line}: {reason}; write it anew with medalist expand")
    num_rows, ids = len(found.rows), [row[at["id"]] for row in found.rows]
    if not num_rows:
        raise DataError(f"{found.name} has no rows: nothing was accepted; leave extra out")
    if len(set(ids)) < num_rows:
        raise DataError(f"{found.name} has an id twice; write it anew with medalist expand")
    weights = [weight(row[at["weight"]], _place(found, i)) * extra_weight for i, row in enumerate(found.rows)]
    paths = [str((folder / row[at["path"]]).absolute()) for row in found.rows]
    return ImageTable(
        root=table.root,
        ids=np.array(ids, np.str_),
        paths=np.array(paths, np.str_),
        split=np.full(num_rows, EXTRA, np.uint8),
        classes=table.classes,
        labels=_labels(found, at["label"], table),
        groups=None if table.groups is None else np.full(num_rows, "", np.str_),
        weights=None if set(weights) == {1.0} else np.array(weights, np.float32),
        targets={name: np.full(num_rows, "", np.str_) for name in table.targets},
    )


def _labels(found: Csv, column: int, table: ImageTable) -> Any:
    """Class indices, or tags as CSR."""
    index = {name: place for place, name in enumerate(table.classes)}
    tags = table.task == "tags"
    rows = [row[column].split(JOINER) if tags else [row[column]] for row in found.rows]
    for i, names in enumerate(rows):
        for name in names:
            if name not in index:
                raise DataError(
                    f"{_place(found, i)}: {name!r} is no class of the dataset{near(name, table.classes)}; classes:"
                    f" {', '.join(table.classes[:10])}{', ...' if len(table.classes) > 10 else ''}"
                )
    if not tags:
        return np.array([index[name] for (name,) in rows], np.int32)
    from scipy.sparse import csr_array

    has_NC = np.zeros((len(rows), len(index)), bool)
    for i, names in enumerate(rows):
        has_NC[i, [index[name] for name in names]] = True
    return csr_array(has_NC)


def _place(found: Csv, row: int) -> str:
    return f"{found.name}:{found.lines[row]}"


def strangers(table: ImageTable, facts: Sequence[Facts]) -> tuple[np.ndarray, tuple[Rejected, ...]]:
    """The extra rows of a table that may be learnt from, and why the others may not.

    Args:
        table: with all its splits.
        facts: of its files.
    """
    extra = np.flatnonzero(table.split == EXTRA)
    if not len(extra):
        return extra, ()
    opened = np.flatnonzero([fact.ok for fact in facts])
    group_of = dict(zip(opened.tolist(), duplicate_groups([facts[int(i)] for i in opened]).tolist(), strict=True))
    first = {group_of[i]: i for i in reversed(opened.tolist()) if table.split[i] != EXTRA}
    # Groups pass likeness on, and cut long chains: a picture's own twin may lie beyond the cut.
    direct = direct_twins([fact if fact.ok else Facts(False) for fact in facts], table.split == EXTRA)
    kept, rejected = [], []
    for i in extra.tolist():
        twin = int(direct[i]) if direct[i] >= 0 else first.get(group_of.get(i, -1))
        if twin is not None:
            where = "test" if table.split[twin] == TEST else "labelled"
            rejected.append(Rejected(str(table.paths[i]), f"shows the same picture as {where} {table.paths[twin]}"))
        elif not facts[i].ok:
            rejected.append(Rejected(str(table.paths[i]), facts[i].reason))
        else:
            kept.append(i)
    return np.array(kept, np.int64), tuple(rejected)


def extra_notes(features: Features) -> list[str]:
    """What came of the extra images."""
    if features.extra is None:
        return []
    kept, out = len(features.extra.table), len(features.extra.rejected)
    left = f", {out} are left out (rejected.csv says why)" if out else ""
    return [f"models learn from {kept} extra images besides{left}; the score is of the dataset's own images alone"]


@dataclass(frozen=True)
class Learnt:
    """What models learn from: the N labelled rows, then the E extra ones.

    Args:
        table: N + E rows, with their weights.
        x_ND: their features.
        hashes: of their bytes.
        fold_N: fold of each, -1 for extra ones.
    """

    table: ImageTable
    x_ND: Rows
    hashes: tuple[str, ...]
    fold_N: np.ndarray


def learnt(features: Features, folds: Folds) -> Learnt:
    """Labelled rows with their folds, and what was added to them."""
    if (extra := features.extra) is None:
        return Learnt(features.train, features.x_ND, features.hashes, folds.fold_N)
    fold_N = np.concatenate([folds.fold_N, np.full(len(extra.table), -1, folds.fold_N.dtype)])
    hashes = (*features.hashes, *extra.hashes)
    return Learnt(features.train.followed_by(extra.table), features.x_ND.then(extra.x_ED), hashes, fold_N)
