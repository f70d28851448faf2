"""References in annotation files (ids, names, paths) -> files of the tree; what must not be opened is refused."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence

from medalist.data.layouts.tree import Tree
from medalist.data.table import Rejected
from medalist.errors import DataError

URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|data:")
DRIVE = re.compile(r"[A-Za-z]:[\\/]")


class Finder:
    """Looks references up among some files of a tree.

    A reference is tried as a path from the root, as a path below the split's folder, as a file name, and then as each
    of these without its extension; then once more with Unicode composed, so that names from macOS (NFD) are found. The
    first way that knows it decides. The look-up tables are made when first needed.
    """

    def __init__(self, tree: Tree, paths: Iterable[str]) -> None:
        self.tree = tree
        self.paths = tuple(paths)
        self._tables: dict[tuple[int, bool], dict[str, str | tuple[str, ...]]] = {}
        self._ascii = all(map(str.isascii, self.paths))

    def find(self, reference: str) -> tuple[str, ...]:
        """The files that `reference` can mean: one, none, or several where it is ambiguous."""
        if outside(reference):
            known = self.tree.allow_outside and not URL.match(reference) and os.path.isfile(self._absolute(reference))
            return (self._absolute(reference),) if known else ()
        for composed in (False,) if self._ascii else (False, True):
            key = compose(reference) if composed else reference
            for way in range(6):
                files = self._table(way, composed).get(key)
                if files is not None:
                    return (files,) if isinstance(files, str) else files
        return self.find(reference.replace("\\", "/")) if "\\" in reference else ()

    def _absolute(self, reference: str) -> str:
        return os.path.normpath(self.tree.root / reference)

    def _table(self, way: int, composed: bool) -> dict[str, str | tuple[str, ...]]:
        """Reference -> its file, or a tuple of several, for one way to refer to files."""
        if (way, composed) not in self._tables:
            self._tables[way, composed] = self._make_table(way, composed)
        return self._tables[way, composed]

    def _make_table(self, way: int, composed: bool) -> dict[str, str | tuple[str, ...]]:
        shapes: tuple[Callable[[str], str], ...] = (str, self.tree.below, os.path.basename)
        keys: Iterable[str] = map(shapes[way % 3], self.paths)
        if way >= 3:
            keys = (os.path.splitext(key)[0] for key in keys)
        table: dict[str, str | tuple[str, ...]] = {}
        for key, path in zip(map(compose, keys) if composed else keys, self.paths, strict=True):
            before = table.setdefault(key, path)
            if before is not path:
                table[key] = (*((before,) if isinstance(before, str) else before), path)
        return table


def compose(text: str) -> str:
    """Unicode NFC, in which names from different systems compare equal."""
    return unicodedata.normalize("NFC", text)


def outside(reference: str) -> str | None:
    """Why a reference may leave the dataset's folder, or None where it cannot."""
    if URL.match(reference):
        return "a URL"
    if reference.startswith(("/", "\\")) or DRIVE.match(reference):
        return "an absolute path"
    if ".." in reference and ".." in re.split(r"[\\/]", reference):
        return "a path with .."
    return None


def locate(
    references: Sequence[str], places: Callable[[int], str], finder: Finder
) -> tuple[list[str], list[tuple[int, Rejected]]]:
    """The file of each reference (empty where it has none) and the position and reason of each that has none.

    Args:
        references: N references.
        places: position -> where it stands, such as `train.csv:12`, for messages.
        finder: the files they may mean.

    Raises:
        DataError: a reference fits several files.
    """
    found = [finder.find(reference) for reference in references]
    refuse_ambiguous(references, found)
    rejected = [
        (i, Rejected(places(i), _missing(references[i], finder.tree.allow_outside)))
        for i, files in enumerate(found)
        if not files
    ]
    return [files[0] if files else "" for files in found], rejected


def refuse_ambiguous(references: Sequence[str], found: Sequence[tuple[str, ...]]) -> None:
    """Raise DataError where a reference fits several files, with the first three."""
    several = [(name, files) for name, files in zip(references, found, strict=True) if len(files) > 1]
    if several:
        examples = "; ".join(f"{name!r} fits {' and '.join(files[:3])}" for name, files in several[:3])
        raise DataError(
            f"{len(several)} of {len(references)} ids fit more than one file: {examples}. "
            "Write ids with extension or folder, or name another column with data.id_column"
        )


def _missing(reference: str, allow_outside: bool) -> str:
    if (why := outside(reference)) and (why == "a URL" or not allow_outside):
        return f"refused, {why}: {reference}"
    return f"no such file: {reference}"
