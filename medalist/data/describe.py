"""ImageTable -> the plain text that `medalist check` prints: what was inferred, counts, what was left out and why."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medalist.data.table import EXTRA, TEST, TRAIN, VALID, ImageTable, Rejected

EXTREMES = 3
EXAMPLES = 3
SPLIT_NAMES = {TRAIN: "train", VALID: "valid", TEST: "test", EXTRA: "extra"}


def describe(table: ImageTable) -> str:
    """A screen of text about a table; every reason for leaving something out appears, with its count."""
    lines = [
        str(table.root),
        *(f"  {note}" for note in table.notes),
        f"images: {_splits(table)}",
        *_classes(table),
        *_sample(table),
        *_rejected(table.rejected),
    ]
    return "\n".join(lines)


def _splits(table: ImageTable) -> str:
    counts = {name: int((table.split == split).sum()) for split, name in SPLIT_NAMES.items()}
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count or name != SPLIT_NAMES[EXTRA])


def _classes(table: ImageTable) -> list[str]:
    """The task, the largest and smallest classes, and for tags how many a row has."""
    labelled, counts_C = table.labelled(), class_counts(table)
    if isinstance(labelled.labels, np.ndarray):
        lines = [f"task: {table.task}, {len(table.classes)} classes"]
    else:
        per_row_N = labelled.labels.sum(axis=1)
        lines = [
            f"task: {table.task}, {len(table.classes)} tags, {per_row_N.mean():.2f} an image "
            f"({per_row_N.min()} to {per_row_N.max()})"
        ]
    order_C = np.argsort(-counts_C, kind="stable")
    shown = [f"{_name(table, i)} ({counts_C[i]})" for i in order_C]
    if len(shown) <= 2 * EXTREMES:
        return [*lines, f"  {', '.join(shown)}"]
    return [
        *lines,
        f"  largest: {', '.join(shown[:EXTREMES])}; median {np.median(counts_C):g} images",
        f"  smallest: {', '.join(shown[-EXTREMES:])}",
    ]


def class_counts(table: ImageTable) -> np.ndarray:
    """(C,) labelled images of each class or tag."""
    labels = table.labelled().labels
    if isinstance(labels, np.ndarray):
        return np.bincount(labels[labels >= 0], minlength=len(table.classes))
    return np.asarray(labels.sum(axis=0))


def _name(table: ImageTable, index: int) -> str:
    """A class as written, with its name for people where that differs."""
    code, name = table.classes[index], table.class_names[index]
    return code if code == name else f"{code} {name}"


def _sample(table: ImageTable) -> list[str]:
    if table.sample is None:
        return ["sample submission: none"]
    sample = table.sample
    asks = {
        "class": "a class name",
        "index": "the position in the class list",
        "probability": f"the probability of {sample.positive!r}",
        "wide": f"a column for each of {len(sample.columns) - 1} classes",
        "tags": f"tags joined by {sample.joiner!r}",
        "ranked": f"the {sample.places} likeliest classes joined by {sample.joiner!r}",
    }[sample.kind]
    columns = ", ".join(sample.columns[:4]) + (", ..." if len(sample.columns) > 4 else "")
    without = int((table.test().paths == "").sum())
    return [
        f"sample submission: {sample.path.name} ({columns}) asks {asks}",
        f"  {len(sample.ids)} ids, {without} of them without a file",
    ]


def _rejected(rejected: Sequence[Rejected]) -> list[str]:
    """Entries grouped by reason (the part before a colon), most frequent first, with examples."""
    if not rejected:
        return ["left out: nothing"]
    groups: dict[str, list[str]] = {}
    for entry in rejected:
        reason, _, detail = entry.reason.partition(": ")
        groups.setdefault(reason, []).append(f"{entry.path} ({detail})" if detail else entry.path)
    lines = [f"left out: {len(rejected)}"]
    for reason, paths in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        more = f", ... {len(paths) - EXAMPLES} more" if len(paths) > EXAMPLES else ""
        lines.append(f"  {len(paths)} {reason}: {', '.join(paths[:EXAMPLES])}{more}")
    return lines
