"""A CSV of labels -> rows: which file it is, which of its columns names the image and which the label."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from os.path import basename

from medalist.data.layouts.contract import DeclinedError, Options, Rows
from medalist.data.layouts.finder import Finder, locate
from medalist.data.layouts.tree import Tree, split_in, split_of
from medalist.data.sample import looks_like_sample
from medalist.data.table import TRAIN, VALID, Rejected
from medalist.data.textfiles import Csv
from medalist.errors import DataError

CSV_OPTIONS = ("labels", "id_column", "label_column", "group_column", "weight_column", "vocabulary", "auxiliary")
CSV_SUFFIXES = (".csv", ".tsv")
LABEL_COLUMNS = ("label", "labels", "class", "tags", "tag", "target", "category", "category_id", "class_id", "species")
LABEL_FILE = re.compile("train|label|annot|tags|class", re.IGNORECASE)
PROBES = 200
ENOUGH = 0.5
FEW = 0.1


@dataclass(frozen=True)
class LabelFile:
    """A CSV with its columns' roles, as positions.

    Args:
        csv: the file.
        file: column that names the image's file.
        id: column that names the row.
        label: column with the class or the tags.
        finder: looks the images up.
    """

    csv: Csv
    file: int
    id: int
    label: int
    finder: Finder

    def values(self, column: int) -> list[str]:
        """The cells of one column."""
        return [row[column] for row in self.csv.rows]


def label_file(tree: Tree, options: Options) -> LabelFile:
    """The one CSV that labels training images.

    Raises:
        DeclinedError: there is none.
        DataError: several do equally well.
    """
    return tree.once("label file", lambda: _find(tree, options))


def _find(tree: Tree, options: Options) -> LabelFile:
    fitting: list[LabelFile] = []
    reasons: list[str] = []
    alone = not any(split_in(name) == VALID for name in tree.documents(*CSV_SUFFIXES))
    finder = Finder(tree, tree.labelled(TRAIN, alone=alone))
    for name in _candidates(tree, options):
        try:
            fitting.append(_roles(tree.csv(name), finder, options))
        except DeclinedError as reason:
            reasons.append(str(reason))
        except DataError as fault:  # a broken file that may have nothing to do with the labels
            if options.labels:
                raise
            reasons.append(str(fault))
    best = [found for found in fitting if LABEL_FILE.search(basename(found.csv.name))] or fitting
    if not best:
        raise DeclinedError("; ".join(reasons) or "there is no CSV file beside sample submissions")
    if len(best) > 1:
        names = ", ".join(found.csv.name for found in best)
        raise DataError(f"{len(best)} files could hold the labels: {names}; type data.labels={best[0].csv.name}")
    return best[0]


def _candidates(tree: Tree, options: Options) -> list[str]:
    if options.labels:
        if options.labels not in tree.files:
            raise DataError(f"data.labels={options.labels!r} is not a file below {tree.root}")
        if not options.labels.lower().endswith((*CSV_SUFFIXES, ".txt")):
            raise DeclinedError(f"{options.labels} is no CSV by its name")
        return [options.labels]
    return [name for name in tree.documents(*CSV_SUFFIXES) if split_in(name) == TRAIN and not looks_like_sample(name)]


def _roles(csv: Csv, finder: Finder, options: Options) -> LabelFile:
    """Which column is which.

    Raises:
        DeclinedError: no column names files, or none or several can be the label.
    """
    shares = [_share([row[column] for row in csv.rows], finder) for column in range(len(csv.header))]
    by_id = csv.column(options.id_column, "data.id_column") if options.id_column else None
    file = by_id if by_id is not None and shares[by_id] >= ENOUGH else max(range(len(shares)), key=shares.__getitem__)
    chosen = options.labels is not None
    if shares[file] < ENOUGH and not (chosen and shares[file] > 0):
        first = f", such as {csv.rows[0][file]!r}" if csv.rows else ""
        raise DeclinedError(f"no column of {csv.name} names images below the root{first}")
    if len(csv.rows) < FEW * len(finder.paths) and not chosen:
        raise DeclinedError(
            f"{csv.name} has {len(csv.rows)} rows for {len(finder.paths)} images (data.labels={csv.name} uses it)"
        )
    if finder.find(csv.header[file]):
        csv = csv.without_header()
    label = _label_column(csv, {file, file if by_id is None else by_id}, options)
    return LabelFile(csv, file, file if by_id is None else by_id, label, finder)


def _share(values: Sequence[str], finder: Finder) -> float:
    """The share of some values, spread over the file, that name an image."""
    probes = values[:: max(1, len(values) // PROBES)]
    return sum(bool(finder.find(value)) for value in probes) / max(1, len(probes))


def _label_column(csv: Csv, taken: set[int], options: Options) -> int:
    if options.label_column:
        return csv.column(options.label_column, "data.label_column")
    reserved = {options.group_column, options.weight_column, *options.auxiliary}
    left = [i for i, name in enumerate(csv.header) if i not in taken and name not in reserved]
    named = [i for i in left if csv.header[i].lower() in LABEL_COLUMNS]
    if len(named) == 1 or len(left) == 1:
        return (named or left)[0]
    if not left:
        raise DeclinedError(f"{csv.name} has no column for a label beside {csv.header[min(taken)]!r}")
    raise DeclinedError(
        f"{csv.name} has several columns that could be the label: {', '.join(csv.header[i] for i in left)} "
        f"(data.label_column={csv.header[left[0]]} tells)"
    )


def read_rows(tree: Tree, found: LabelFile, options: Options) -> Rows:
    """Rows of the training CSV and of a validation CSV beside it; labels are one-element tuples of the raw cell."""
    rows = Rows()
    rows.groups = [] if options.group_column else None
    rows.weights = [] if options.weight_column else None
    rows.targets = {name: [] for name in options.auxiliary}
    header = found.csv.header
    if (name := header[found.label]) in options.auxiliary:
        raise DataError(f"finetune.auxiliary={name!r}: this column of {found.csv.name} is the label; leave it out")
    rows.notes.append(f"{found.csv.name}: images by {header[found.file]!r}, labels from {header[found.label]!r}")
    _append(rows, found, options, TRAIN)
    for name in tree.documents(*CSV_SUFFIXES):
        if split_in(name) == VALID:
            csv = tree.csv(name).without_header() if header[0] == "column1" else tree.csv(name)
            if not set(header) <= set(csv.header):
                rows.notes.append(f"{name} is not used: it lacks columns of {found.csv.name}")
                continue
            file, key, label = (csv.header.index(header[i]) for i in (found.file, found.id, found.label))
            valid = LabelFile(csv, file, key, label, Finder(tree, tree.labelled(VALID, alone=False)))
            rows.notes.append(f"{name}: validation rows")
            _append(rows, valid, options, VALID)
    for name, cells in rows.targets.items():
        kinds, unknown = len(set(cells) - {""}), cells.count("")
        rows.notes.append(f"auxiliary {name!r}: {kinds} classes, unknown in {unknown} of {len(cells)} rows")
    return rows


def _append(rows: Rows, source: LabelFile, options: Options, split: int) -> None:
    csv = source.csv
    paths, missing = locate(source.values(source.file), lambda i: f"{csv.name}:{csv.lines[i]}", source.finder)
    rows.rejected += [Rejected(f"{csv.name}:{line}", reason) for line, reason in csv.faults]
    rows.rejected += [rejected for _, rejected in missing]
    found = [i for i, path in enumerate(paths) if path]
    rows.paths += [paths[i] for i in found]
    rows.split += [VALID if split_of(paths[i].partition("/")[0]) == VALID else split for i in found]
    rows.ids += [csv.rows[i][source.id] for i in found]
    rows.labels += [(csv.rows[i][source.label],) for i in found]
    if rows.groups is not None:
        column = csv.column(str(options.group_column), "data.group_column")
        rows.groups += [csv.rows[i][column] for i in found]
    if rows.weights is not None:
        column = csv.column(str(options.weight_column), "data.weight_column")
        rows.weights += [weight(csv.rows[i][column], f"{csv.name}:{csv.lines[i]}") for i in found]
    for name, cells in rows.targets.items():
        column = csv.column(name, "finetune.auxiliary")
        cells += [csv.rows[i][column] if csv.rows[i][column].strip() else "" for i in found]


def weight(value: object, place: str) -> float:
    """A row weight: a number of at least 0.

    Raises:
        DataError: it is not.
    """
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not isfinite(number) or number < 0:
        raise DataError(f"{place}: weight {value!r} is not a number of at least 0; mend it or leave data.weight_column")
    return number
