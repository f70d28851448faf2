"""A file of groups, which images are one picture, by id: `check --out` writes it, the recipe key folds.groups reads it.

Columns: id, group and split, as an id may come in training and test. Without `split` all rows are labelled images. A
person may edit it: images that share a group are never torn apart, what is not in the file stays as it was.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from medalist.data.describe import SPLIT_NAMES
from medalist.data.table import EXTRA, TEST, ImageTable
from medalist.data.textfiles import read_csv
from medalist.errors import DataError

COLUMNS = ("id", "group", "split")


def groups_csv(table: ImageTable, group_N: np.ndarray) -> bytes:
    """The groups of two images and more, a row an image; extra images are in no fold, and in no group here.

    Args:
        table: N images.
        group_N: group of each.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    own = np.flatnonzero(table.split != EXTRA)
    for row in own[np.bincount(group_N[own])[group_N[own]] > 1] if len(own) else own:
        writer.writerow([table.ids[row], group_N[row], SPLIT_NAMES[int(table.split[row])]])
    return text.getvalue().encode("utf-8", "surrogateescape")


def groups_column(file: Path, table: ImageTable) -> np.ndarray:
    """(N,) group names of the table's rows, empty for those that the file does not name.

    Raises:
        DataError: it is no such file, or is of other images.
    """
    found = read_csv(file, str(file))
    if not {"id", "group"} <= {*found.header}:
        raise DataError(
            f"{file} has the columns {', '.join(found.header)}, expected id and group; type: medalist check DATA --out"
            " found, and name found/groups.csv"
        )
    at_id, at_group = (found.header.index(name) for name in ("id", "group"))
    at_split = found.header.index("split") if "split" in found.header else None
    group_of: dict[tuple[bool, str], str] = {}
    for row, line in zip(found.rows, found.lines, strict=True):
        key = (at_split is not None and row[at_split] == SPLIT_NAMES[TEST], row[at_id])
        if group_of.setdefault(key, row[at_group]) != row[at_group]:
            raise DataError(f"{file}, line {line}: {row[at_id]!r} is in two groups; leave one line")
    column_N = [group_of.get((split == TEST, name), "") for name, split in zip(table.ids, table.split, strict=True)]
    sides = {split == TEST for split in table.split.tolist()}
    if any(side in sides for side, _ in group_of) and not any(column_N):
        raise DataError(f"{file} names none of these images; was it made from another dataset?")
    return np.array(column_N, dtype=object)
