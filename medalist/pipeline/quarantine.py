"""A quarantine list -> labelled images that no model learns from; they are scored with their own labels all the same,
and what comes after the models (blend, rule, prior) still sees those.

So a run with the list and one without answer for the same rows, and their difference is what those labels teach.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np

from medalist.data.table import TEST, ImageTable
from medalist.data.textfiles import read_csv
from medalist.errors import DataError
from medalist.store import write_atomic

FILE = "quarantined.csv"
KEYS = ("id", "path")


def quarantined(table: ImageTable, file: Path) -> ImageTable:
    """The table with a weight of 0 for the images that a CSV names by `id` or `path`; its other columns are for people.

    Raises: as `named`.
    """
    weights = np.ones(len(table), np.float32) if table.weights is None else table.weights.copy()
    weights[named(table, file)] = 0
    return replace(table, weights=weights)


def named(table: ImageTable, file: Path) -> np.ndarray:
    """Rows of the labelled images that a list names.

    Raises:
        DataError: it has neither column, or names what is no labelled image.
    """
    found = read_csv(file, str(file))
    key = next((name for name in KEYS if name in found.header), None)
    if key is None:
        raise DataError(f"data.quarantine: {file} has the columns {', '.join(found.header)}, expected id or path")
    column = found.header.index(key)
    wanted = [row[column] for row in found.rows]
    if not wanted:
        raise DataError(f"data.quarantine: {file} names no image; leave the key out, or name another file")
    labelled = np.flatnonzero(table.split < TEST)
    names = (table.ids if key == "id" else table.paths)[labelled].tolist()
    row_of = dict(zip(names, labelled.tolist(), strict=True))
    strange = [name for name in wanted if name not in row_of]
    if strange:
        raise DataError(
            f"data.quarantine: {len(strange)} of {len(wanted)} rows of {file} are no {key} of a labelled image, such as"
            f" {strange[0]!r}; the dataset has {names[0]!r}"
        )
    return np.array(sorted({row_of[name] for name in wanted}), np.int64)


def quarantine_note(rows: np.ndarray, table: ImageTable, file: Path, scored_ids: Collection[str]) -> str:
    """A sentence on what a list does to a run.

    Args:
        rows: that the list names, see `named`.
        table: as the run read it.
        file: the list.
        scored_ids: of the images that the score is of.
    """
    num_scored = len(set(table.ids[rows].tolist()) & set(scored_ids))
    scored = "they are" if num_scored == len(rows) else f"the {num_scored} of them that the score is of are"
    return (
        f"{len(rows)} labelled images are in quarantine ({file.name}): no model learns from them; {scored} scored with"
        " their own labels, and blend, rule and prior still see those"
    )


def save_quarantined(rows: np.ndarray, table: ImageTable, out: Path) -> None:
    """Write which images a run did not learn from; ids and paths are exact."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(KEYS)
    writer.writerows(zip(table.ids[rows].tolist(), table.paths[rows].tolist(), strict=True))
    write_atomic(out / FILE, text.getvalue().encode("utf-8", "surrogateescape"))
