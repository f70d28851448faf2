"""What a run keeps of its dataset, so that `predict`, `blend` and `submit` need not read it again.

`table.json` holds ids, labels, classes, groups and test ids, `unseen.npy` the answers that the score is of;
`sample_submission.csv` is the organisers', byte by byte. `folds.csv` are the K folds of all labelled rows. Where one of
them was held out, `scored.csv` has the folds inside it, and everything else is of its rows.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from medalist import ledger
from medalist.data.sample import parse_sample
from medalist.data.splits import Folds
from medalist.data.table import TRAIN, ImageTable, SampleSubmission
from medalist.pipeline.decide import Truth
from medalist.store import array_bytes, write_atomic
from medalist.submissions.writers import default_sample

FILE = "table.json"
SAMPLE = "sample_submission.csv"
UNSEEN = "unseen.npy"
FOLDS = "folds.csv"
SCORED = "scored.csv"


def label_lists(table: ImageTable) -> list[Any]:
    """Labels as JSON: a class index a row, or the list of tags a row."""
    if isinstance(table.labels, np.ndarray):
        return list(table.labels.tolist())
    return [row.tolist() for row in np.split(table.labels.indices, table.labels.indptr[1:-1])]


def save_table(train: ImageTable, group_N: np.ndarray, test_ids: Sequence[str], out: Path) -> None:
    """Write what is known of the labelled rows that are scored, and the sample; no path of this machine.

    Args:
        train: the N labelled rows.
        group_N: group of each.
        test_ids: all M of them, readable or not.
        out: the run folder.
    """
    sample = None if train.sample is None else {**asdict(train.sample), "path": "", "ids": []}
    facts = {
        "task": train.task,
        "classes": train.classes,
        "class_names": train.class_names,
        "ids": train.ids.tolist(),
        "labels": label_lists(train),
        "groups": group_N.tolist(),
        "test_ids": list(test_ids),
        "sample": sample,
    }
    if train.sample is not None:
        write_atomic(out / SAMPLE, train.sample.path.read_bytes())
    ledger.write_json(out / FILE, facts)


def load_table(out: Path) -> ImageTable:
    """The labelled rows again, and the organisers' sample submission with its ids."""
    facts = json.loads((out / FILE).read_text(encoding="utf-8"))
    num_rows, classes = len(facts["ids"]), tuple(facts["classes"])
    return ImageTable(
        root=out,
        ids=np.array(facts["ids"], dtype=object),
        paths=np.full(num_rows, "", dtype=object),
        split=np.full(num_rows, TRAIN, np.uint8),
        classes=classes,
        class_names=tuple(facts["class_names"]),
        labels=_labels(facts["labels"], facts["task"], len(classes)),
        sample=None if facts["sample"] is None else _sample(facts["sample"], out / SAMPLE),
    )


def load_truth(out: Path) -> Truth:
    """Labels, groups and folds of the labelled rows, in the order of `load_table`."""
    facts = json.loads((out / FILE).read_text(encoding="utf-8"))
    table, folds = load_table(out), load_folds(out, facts["ids"])[0]
    return Truth(table.labels, table.classes, np.array(facts["groups"], np.int64), folds.fold_N)


def save_folds(folds: Folds, out: Path, *, outer: Folds | None = None) -> None:
    """Write the folds of the scored rows; `outer` are those of all rows, where one of them was held out."""
    (outer or folds).save(out / FOLDS)
    if outer is not None:
        folds.save(out / SCORED)


def load_folds(out: Path, ids: Sequence[str]) -> tuple[Folds, Folds | None]:
    """What `save_folds` wrote: the folds of `ids`, the scored rows, and those of all rows where one was held out."""
    if not (out / SCORED).is_file():
        return Folds.load(out / FOLDS, ids=ids), None
    return Folds.load(out / SCORED, ids=ids), Folds.load(out / FOLDS)


def load_test_ids(out: Path) -> list[str]:
    """All M test ids of the run, readable or not."""
    ids: list[str] = json.loads((out / FILE).read_text(encoding="utf-8"))["test_ids"]
    return ids


def save_unseen(answers_N: np.ndarray, out: Path) -> None:
    """Write the cross-fitted answers to the labelled rows: those that the run's score is of."""
    write_atomic(out / UNSEEN, array_bytes(answers_N))


def load_unseen(out: Path) -> np.ndarray:
    """What `save_unseen` wrote, in the order of `load_table`; on disk until touched."""
    answers_N: np.ndarray = np.load(out / UNSEEN, mmap_mode="r", allow_pickle=False)
    return answers_N


def _sample(form: dict[str, Any], file: Path) -> SampleSubmission:
    """The form that the run found, with the ids of the file."""
    form = {**form, "columns": tuple(form["columns"]), "path": file, "ids": parse_sample(file).ids}
    return SampleSubmission(**form)


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
