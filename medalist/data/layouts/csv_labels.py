"""CSV of classes: id,label or path,label; ids may come without extension or folder."""

from __future__ import annotations

from medalist.data.layouts.contract import WRITTEN, Claim, DeclinedError, Options, Rows, layouts
from medalist.data.layouts.csv_rows import CSV_OPTIONS, LabelFile, label_file, read_rows
from medalist.data.layouts.csv_tags import speaks_for_tags
from medalist.data.layouts.tree import Tree
from medalist.data.table import Rejected


@layouts(takes=CSV_OPTIONS)
def csv_labels(tree: Tree, options: Options) -> Claim:
    """A CSV names images and one class each."""
    found = label_file(tree, options)
    if options.layout is None and (why := speaks_for_tags(tree, found, options)):
        raise DeclinedError(f"{why}, these are tags")
    header = found.csv.header
    return Claim(
        f"{found.csv.name} has a class an image ({header[found.file]}, {header[found.label]})",
        lambda: _read(tree, found, options),
        WRITTEN,
    )


def _read(tree: Tree, found: LabelFile, options: Options) -> Rows:
    rows = read_rows(tree, found, options)
    rows.drop({i: Rejected(rows.paths[i], "no label") for i, (label,) in enumerate(rows.labels) if not label.strip()})
    return rows
