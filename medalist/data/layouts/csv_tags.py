"""CSV of tags: path,tags with any number of tags a row, joined by a delimiter that is inferred."""

from __future__ import annotations

from collections.abc import Collection

from medalist.data.layouts.class_list import class_lists
from medalist.data.layouts.contract import WRITTEN, Claim, DeclinedError, Options, Rows, layouts
from medalist.data.layouts.csv_rows import CSV_OPTIONS, LabelFile, label_file, read_rows
from medalist.data.layouts.tree import Tree

DELIMITERS = (",", "|", ";", " ")
TAG_COLUMNS = ("tags", "attribute_ids", "attributes", "genres", "keywords")
PLURAL_COLUMNS = ("labels", "classes", "categories", "targets", "tag")


@layouts(takes=(*CSV_OPTIONS, "delimiter"))
def csv_tags(tree: Tree, options: Options) -> Claim:
    """A CSV names images and any number of tags each."""
    found = label_file(tree, options)
    why = speaks_for_tags(tree, found, options)
    if options.layout is None and not why:
        raise DeclinedError(
            f"column {found.csv.header[found.label]!r} of {found.csv.name} holds one class a row "
            "(data.layout=csv_tags reads it as tags)"
        )
    return Claim(f"{found.csv.name} has tags: {why}", lambda: _read(tree, found, options), WRITTEN)


def speaks_for_tags(tree: Tree, found: LabelFile, options: Options) -> str:
    """Why the label column holds tags rather than classes; empty where it does not."""
    column = found.csv.header[found.label]
    if options.delimiter is not None:
        return f"data.delimiter={options.delimiter!r} is given"
    if column.lower() in TAG_COLUMNS:
        return f"the column is called {column!r}"
    if any("tag" in name.lower() or "vocab" in name.lower() for name in class_lists(tree, options)):
        return "there is a tag vocabulary"
    cells = set(found.values(found.label))
    if column.lower() in PLURAL_COLUMNS and any(_recombine(cells, mark) for mark in DELIMITERS):
        return f"the same parts recur in different cells of {column!r}"
    return ""


def split_tags(cell: str, delimiter: str) -> tuple[str, ...]:
    """`"b, a,b"` -> `("b", "a")`."""
    return tuple(dict.fromkeys(tag for part in cell.split(delimiter) if (tag := part.strip())))


def infer_delimiter(cells: Collection[str], known: Collection[str]) -> str:
    """The text between tags.

    Args:
        cells: the tag cells.
        known: the vocabulary, or empty; where it is known, the delimiter that yields most known tags.
    """
    if known:
        vocabulary = set(known)
        return max(DELIMITERS, key=lambda mark: sum(vocabulary.issuperset(split_tags(cell, mark)) for cell in cells))
    if present := [mark for mark in DELIMITERS[:3] if any(mark in cell for cell in cells)]:
        return present[0]
    return " " if _recombine(cells, " ") else ","


def _recombine(cells: Collection[str], mark: str) -> bool:
    """Whether `mark` cuts cells into parts that recur in other combinations: tags do, names of two words hardly.

    They do where there are fewer parts than cells, or where a part stands in two different cells on average.
    """
    whole = {cell for cell in cells if cell}
    parts = [part for cell in whole for part in split_tags(cell, mark)]
    return len(parts) > len(whole) and (len(set(parts)) < len(whole) or len(parts) >= 2 * len(set(parts)))


def _read(tree: Tree, found: LabelFile, options: Options) -> Rows:
    rows = read_rows(tree, found, options)
    cells = {cell for (cell,) in rows.labels}
    known = [tag for names in class_lists(tree, options).values() for tag in names]
    rows.joiner = options.delimiter or infer_delimiter(cells, known)
    rows.labels = [split_tags(cell, rows.joiner) for (cell,) in rows.labels]
    rows.tags = True
    rows.notes.append(f"tags are joined by {rows.joiner!r}")
    return rows
