"""The small text files of a dataset -> text: a CSV as rows, a list of names one a line. Nothing becomes a number.

`007`, `1e5`, `NA` and `None` stay what they are; byte order marks, CRLF and quoted commas are read as meant.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medalist.errors import DataError, near

DELIMITERS = (",", ";", "\t", "|")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


@dataclass(frozen=True)
class Csv:
    """A CSV file as text.

    Args:
        name: the file as messages call it.
        header: C column names.
        rows: rows of C cells each.
        lines: the line on which each row ends, for messages.
        faults: line and reason of each row that was left out.
    """

    name: str
    header: tuple[str, ...]
    rows: tuple[Sequence[str], ...]
    lines: tuple[int, ...]
    faults: tuple[tuple[int, str], ...]

    def without_header(self) -> Csv:
        """The same file read as one that begins with a row; its columns are called `column1`, `column2`, ..."""
        names = tuple(f"column{i + 1}" for i in range(len(self.header)))
        return replace(self, header=names, rows=(self.header, *self.rows), lines=(1, *self.lines))

    def column(self, name: str, key: str) -> int:
        """Position of the column `name`, which the user gave under a key of the recipe.

        Raises:
            DataError: there is no such column; lists those there are.
        """
        if name not in self.header:
            raise DataError(
                f"{key}={name!r}: {self.name} has no such column{near(name, self.header)}; "
                f"it has: {', '.join(self.header)}"
            )
        return self.header.index(name)


def read_csv(path: Path, name: str) -> Csv:
    """Read a CSV with a header; the delimiter is the one of `, ; tab |` that cuts the header into most cells.

    Raises:
        DataError: not UTF-8, empty, a column twice, or quotes that do not close.
    """
    text = read_text(path, name)
    header_line = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=lambda mark: len(next(csv.reader([header_line], delimiter=mark), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Sequence[str]] = []
    lines: list[int] = []
    faults: list[tuple[int, str]] = []
    try:
        header = tuple(cell.strip() for cell in next(reader, []))
        for row in reader:
            if len(row) == len(header):
                rows.append(row)
                lines.append(reader.line_num)
            elif row:
                faults.append((reader.line_num, f"{len(row)} cells where the header has {len(header)}"))
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: {error}; is a quote not closed?") from error
    if not header:
        raise DataError(f"{name} is empty; a header and rows were expected")
    if len(set(header)) < len(header):
        raise DataError(f"{name} has a column twice: {', '.join(header)}; rename one")
    return Csv(name, header, tuple(rows), tuple(lines), tuple(faults))


def read_names(path: Path, name: str) -> tuple[str, ...]:
    """Names one a line, in order; blank lines and repetitions are dropped."""
    return tuple(dict.fromkeys(line for line in re.split(r"\r\n|\r|\n", read_text(path, name)) if line.strip()))


def read_text(path: Path, name: str) -> str:
    """The text of a UTF-8 file, without its byte order mark.

    Raises:
        DataError: it cannot be opened or is not UTF-8.
    """
    if not path.is_file():  # a pipe would wait for ever
        raise DataError(f"{name} cannot be read: {path} is not a file")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{name} is not UTF-8 (byte {error.start}); save it as UTF-8 and point to the copy") from error


def guarded(cell: str) -> str:
    """A cell of a CSV for people: what a spreadsheet would run begins with an apostrophe.

    >>> guarded("=1+1"), guarded("007")
    ("'=1+1", '007')
    """
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def unguarded(cell: str) -> str:
    """A cell as it was before `guarded`.

    >>> unguarded("'=1+1"), unguarded("'tis")
    ('=1+1', "'tis")
    """
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell
