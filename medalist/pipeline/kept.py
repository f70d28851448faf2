"""What a run keeps of its dataset, so that `predict`, and later blends, need not read it again: `table.json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from medalist import ledger
from medalist.data.table import TRAIN, ImageTable, SampleSubmission
from medalist.submissions.writers import default_sample

FILE = "table.json"


def label_lists(table: ImageTable) -> list[Any]:
    """Labels as JSON: a class index a row, or the list of tags a row."""
    if isinstance(table.labels, np.ndarray):
        return list(table.labels.tolist())
    return [row.tolist() for row in np.split(table.labels.indices, table.labels.indptr[1:-1])]


def save_table(train: ImageTable, out: Path) -> None:
    """Write ids, labels, classes and the sample's form of the labelled rows that were used; no path of this machine."""
    sample = None if train.sample is None else {**asdict(train.sample), "path": "", "ids": []}
    facts = {
        "task": train.task,
        "classes": train.classes,
        "class_names": train.class_names,
        "ids": train.ids.tolist(),
        "labels": label_lists(train),
        "sample": sample,
    }
    ledger.write_json(out / FILE, facts)


def load_table(out: Path) -> ImageTable:
    """The labelled rows again, and the form of the sample submission."""
    facts = json.loads((out / FILE).read_text(encoding="utf-8"))
    num_rows, classes = len(facts["ids"]), tuple(facts["classes"])
    form = (
        None
        if facts["sample"] is None
        else {
            **facts["sample"],
            "path": Path(),
            "ids": (),
            "columns": tuple(facts["sample"]["columns"]),
        }
    )
    return ImageTable(
        root=out,
        ids=np.array(facts["ids"], dtype=object),
        paths=np.full(num_rows, "", dtype=object),
        split=np.full(num_rows, TRAIN, np.uint8),
        classes=classes,
        class_names=tuple(facts["class_names"]),
        labels=_labels(facts["labels"], facts["task"], len(classes)),
        sample=None if form is None else SampleSubmission(**form),
    )


def asking(table: ImageTable, ids: Sequence[str], answers: np.ndarray) -> ImageTable:
    """The table with a sample submission that asks for `ids` in its own form, or in the form that the answers have."""
    sample = table.sample or default_sample(table, ids, answers)
    return replace(table, sample=replace(sample, ids=tuple(ids)))


def _labels(lists: list[Any], task: str, num_classes: int) -> Any:
    if task != "tags":
        return np.array(lists, np.int32)
    from scipy.sparse import csr_array

    indptr = np.cumsum([0, *(len(row) for row in lists)])
    indices = np.concatenate([np.array(row, np.int32) for row in lists])
    return csr_array((np.ones(len(indices), bool), indices, indptr), shape=(len(lists), num_classes))
