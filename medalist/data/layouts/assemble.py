"""Rows of any layout -> ImageTable: class order, unique ids, test rows by the sample submission, what is left over.

Axes: N images, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medalist.data.layouts.class_list import class_lists, class_order
from medalist.data.layouts.contract import Options, Rows
from medalist.data.layouts.finder import Finder, compose, refuse_ambiguous
from medalist.data.layouts.tree import Tree
from medalist.data.sample import find_sample, parse_sample
from medalist.data.table import TEST, TRAIN, VALID, ImageTable, Rejected, SampleSubmission
from medalist.errors import DataError

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def assemble(tree: Tree, rows: Rows, options: Options, layout: str) -> ImageTable:
    """Make the table: labelled rows in the layout's order, then test rows in the sample submission's order.

    Raises:
        DataError: no row is left, a test id is ambiguous, or the sample submission cannot be understood.
    """
    classes = _settle_classes(tree, rows, options)
    _drop_repeats(rows)
    _tell_splits_apart(rows)
    if not rows.paths:
        raise DataError(_nothing_left(tree, rows))
    sample = _read_sample(tree, rows, options, classes)
    classes = _respell(classes, sample, rows)
    test_ids, test_paths = _test_rows(tree, rows, sample)
    _list_leftovers(tree, rows, test_paths)
    num_test = len(test_ids)
    return ImageTable(
        root=tree.root,
        ids=np.array(rows.ids + test_ids, dtype=np.str_),
        paths=np.array(rows.paths + test_paths, dtype=np.str_),
        split=np.array(rows.split + [TEST] * num_test, dtype=np.uint8),
        classes=classes,
        labels=_encode(rows, classes, num_test),
        class_names=rows.class_names or classes,
        groups=None if rows.groups is None else np.array(rows.groups + [""] * num_test, dtype=np.str_),
        weights=None if rows.weights is None else np.array(rows.weights + [1.0] * num_test, dtype=np.float32),
        targets={name: np.array(cells + [""] * num_test, np.str_) for name, cells in rows.targets.items()},
        sample=sample,
        layout=layout,
        notes=tuple(rows.notes),
        rejected=(*tree.rejected, *rows.rejected),
    )


def _settle_classes(tree: Tree, rows: Rows, options: Options) -> tuple[str, ...]:
    """The class list; labels take its spelling, and those outside it are left out and listed."""
    if rows.classes is not None:
        return rows.classes
    counts = Counter(label for labels in rows.labels for label in labels)
    classes, source = class_order(counts, class_lists(tree, options), chosen=options.vocabulary is not None)
    spelling = {compose(name): name for name in classes}
    known = {label: spelling[compose(label)] for label in counts if compose(label) in spelling}
    outside = {label: count for label, count in counts.items() if label not in known}
    if source:
        rows.notes.append(f"{len(classes)} classes in the order of {source}")
    if rows.tags:
        rows.rejected += [
            Rejected(f"{label} ({count} rows)", f"tag is not in {source}") for label, count in outside.items()
        ]
    else:
        rows.drop(
            {
                i: Rejected(rows.paths[i], f"class is not in {source}: {label}")
                for i, (label,) in enumerate(rows.labels)
                if label in outside
            }
        )
    rows.labels = [tuple(known[label] for label in labels if label in known) for labels in rows.labels]
    return classes


def _drop_repeats(rows: Rows) -> None:
    """An id or a file that a split has twice keeps its first row."""
    rows.ids = [name or path for name, path in zip(rows.ids, rows.paths, strict=True)]
    first: dict[tuple[int, str], int] = {}
    holder: dict[str, int] = {}
    repeats: dict[int, Rejected] = {}
    for i, (name, path, split) in enumerate(zip(rows.ids, rows.paths, rows.split, strict=True)):
        earlier = min(first.setdefault((split, name), i), holder.setdefault(path, i))
        if earlier < i:
            same = rows.labels[earlier] == rows.labels[i]
            repeats[i] = Rejected(
                path, f"repeats an earlier row with {'the same' if same else 'another'} label: id {name}"
            )
    rows.drop(repeats)


def _tell_splits_apart(rows: Rows) -> None:
    """Training and validation rows share one space of ids; where some coincide, validation ids get a prefix."""
    train = {name for name, split in zip(rows.ids, rows.split, strict=True) if split == TRAIN}
    if any(split == VALID and name in train for name, split in zip(rows.ids, rows.split, strict=True)):
        rows.ids = [f"valid/{n}" if s == VALID else n for n, s in zip(rows.ids, rows.split, strict=True)]
        rows.notes.append("ids of validation rows got the prefix valid/, some of them are training ids too")


def _nothing_left(tree: Tree, rows: Rows) -> str:
    reasons = "; ".join(f"{entry.path}: {entry.reason}" for entry in rows.rejected[:3])
    return f"{tree.root}: no labelled image is left of {len(rows.rejected)} candidates ({reasons}); see data.* options"


def _read_sample(tree: Tree, rows: Rows, options: Options, classes: tuple[str, ...]) -> SampleSubmission | None:
    name = options.sample or find_sample(path for path in tree.documents(".csv") if "/" not in path)
    if name is None:
        rows.notes.append("there is no sample submission")
        return None
    sample = parse_sample(
        tree.root / Path(name), classes=classes, tags=rows.tags, positive=options.positive, joiner=rows.joiner
    )
    if sample.kind == "probability":
        rows.notes.append(f"the submission holds the probability of {sample.positive!r}; data.positive=CLASS chooses")
    return sample


def _respell(classes: tuple[str, ...], sample: SampleSubmission | None, rows: Rows) -> tuple[str, ...]:
    """Classes as the columns of a wide sample submission spell them (the same text in another Unicode form)."""
    if sample is None or sample.kind != "wide":
        return classes
    spelling = {compose(name): name for name in sample.columns[1:]}
    respelt = {name: spelling.get(compose(name), name) for name in classes}
    rows.labels = [tuple(respelt[label] for label in labels) for labels in rows.labels]
    unasked = [name for name in classes if respelt[name] not in sample.columns]
    untaught = [name for name in sample.columns[1:] if name not in respelt.values()]
    if unasked or untaught:
        rows.notes.append(
            f"the sample submission has {len(untaught)} columns that are no class ({', '.join(untaught[:5])}) "
            f"and lacks {len(unasked)} classes ({', '.join(unasked[:5])})"
        )
    return tuple(respelt.values())


def _test_rows(tree: Tree, rows: Rows, sample: SampleSubmission | None) -> tuple[list[str], list[str]]:
    """Ids and files of the test images; a file is empty text where the id has none."""
    if sample is None:
        known = rows.test if rows.test is not None else {tree.below(path): path for path in tree.images[TEST]}
        return list(known), list(known.values())
    known = rows.test or {}
    finder = Finder(tree, _test_images(tree, rows))
    found = [(known[name],) if name in known else finder.find(name) for name in sample.ids]
    refuse_ambiguous(sample.ids, found)
    paths = [files[0] if files else "" for files in found]
    if finder.paths and not any(paths):
        raise DataError(
            f"none of the {len(sample.ids)} ids of {sample.path.name} (such as {sample.ids[0]!r}) names a test image "
            f"(such as {finder.paths[0]!r}); name another file with data.sample=FILE"
        )
    missing = [name for name, path in zip(sample.ids, paths, strict=True) if not path]
    rows.rejected += [Rejected(f"{sample.path.name}: {name}", "test id without a file (kept)") for name in missing]
    return list(sample.ids), paths


def _test_images(tree: Tree, rows: Rows) -> list[str]:
    """Where test images may lie: in a test folder, else anywhere beside train/ and valid/ where no label was."""
    used = set(rows.paths)
    return tree.images[TEST] or [path for path in tree.images[None] if path not in used]


def _list_leftovers(tree: Tree, rows: Rows, test_paths: list[str]) -> None:
    """Record every file that no row uses and that no reason was given for yet."""
    told = {*rows.paths, *test_paths, *(entry.path for entry in rows.rejected)}
    for split, paths in tree.images.items():
        reason = "no id of the sample submission names it" if split == TEST else "no label names it"
        rows.rejected += [Rejected(path, reason) for path in paths if path not in told]
    rows.rejected += [Rejected(path, "no image by its name") for path in tree.strays() if path not in told]


def _encode(rows: Rows, classes: Sequence[str], num_test: int) -> np.ndarray | csr_array:
    """Labels as indices (N,), -1 for test rows; or for tags as a boolean CSR array (N, C), empty rows for test rows."""
    from scipy.sparse import csr_array

    index = {name: i for i, name in enumerate(classes)}
    if not rows.tags:
        labels_N = np.array([index[label] for (label,) in rows.labels] + [-1] * num_test, dtype=np.int32)
        return labels_N
    # Column indices ascend within a row, so that equal tables have equal arrays.
    columns = [sorted(index[tag] for tag in tags) for tags in rows.labels] + [[]] * num_test
    starts = np.cumsum([0, *map(len, columns)], dtype=np.int64)
    flat = np.fromiter((i for row in columns for i in row), dtype=np.int32, count=int(starts[-1]))
    return csr_array((np.ones(len(flat), dtype=bool), flat, starts), shape=(len(columns), len(classes)))
