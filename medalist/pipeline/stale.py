"""Runs whose folds tear apart what is known by now to be one picture: marked by a file, named by all who build on them.

A score is never changed: the mark says how many of the rows behind it may have been answered by a model that saw a
twin. Axes: N rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medalist import ledger
from medalist.data.splits import Folds
from medalist.errors import MismatchError
from medalist.pipeline.kept import load_folds, load_table

FILE = "stale.json"


def torn(group_N: np.ndarray, fold_N: np.ndarray) -> tuple[int, int]:
    """Groups that lie in more than one fold, and the rows in them."""
    folds_of = np.unique(np.column_stack([group_N, fold_N]), axis=0)[:, 0]
    split = np.flatnonzero(np.bincount(folds_of, minlength=1) > 1)
    return len(split), int(np.isin(group_N, split).sum())


def mark(folder: Path, group_of: Mapping[str, int], *, source: str) -> str:
    """Write down that a run's folds tear groups, or take the mark away where they do not; says so.

    Args:
        folder: of a finished run, import or blend.
        group_of: group of each labelled image by its id.
        source: where the groups come from, for people.

    Raises:
        StoreError: the folder holds no finished run.
        MismatchError: it is of other images.
    """
    ledger.require_finished(folder)
    ids = load_table(folder).ids.tolist()
    if group_of.keys().isdisjoint(ids):
        raise MismatchError(f"{folder} is a run of other images, such as {ids[0]!r}; name runs of this dataset")
    inner, outer = load_folds(folder, ids)
    found = [_torn(folds, group_of) for folds in (inner, outer) if folds is not None]
    num_groups, num_rows = max(found)
    if not num_groups:
        (folder / FILE).unlink(missing_ok=True)
        return f"{folder}: its folds tear no group"
    ledger.write_json(folder / FILE, {"groups": num_groups, "images": num_rows, "source": source})
    return f"{folder}: its folds tear {num_groups} groups ({num_rows} images) apart; marked in {FILE}"


def stale_notes(folders: Sequence[Path]) -> list[str]:
    """A sentence for each marked run."""
    return [_told(folder, json.loads((folder / FILE).read_text())) for folder in folders if (folder / FILE).is_file()]


def _torn(folds: Folds, group_of: Mapping[str, int]) -> tuple[int, int]:
    known = np.array([name in group_of for name in folds.ids], dtype=bool)
    group_N = np.array([group_of[name] for name in folds.ids if name in group_of], np.int64)
    return torn(group_N, folds.fold_N[known])


def _told(folder: Path, found: Mapping[str, Any]) -> str:
    return (
        f"WARNING, {folder}: its folds tear {found['groups']} groups of {found['source']} apart ({found['images']}"
        " images), so that models answered twins of what they were trained on and the score may flatter; run it again"
        " with the new folds"
    )
