"""The organisers' sample submission: which file it is, its ids, and what kind of answer it asks for."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from os.path import basename
from pathlib import Path

from medalist.data.table import SampleSubmission
from medalist.data.textfiles import read_csv
from medalist.errors import DataError, near

SAMPLE = re.compile(r"sample|submission|submit", re.IGNORECASE)
INTEGER = re.compile(r"[+-]?\d+")
JOINERS = (",", "|", ";", " ")


def looks_like_sample(name: str) -> bool:
    """Whether a file's name says that it is a sample submission."""
    return bool(SAMPLE.search(basename(name)))


def find_sample(names: Iterable[str]) -> str | None:
    """The sample submission among a dataset's CSV files: named for `sample` before `submission`; None where none is.

    Raises:
        DataError: several files are named so.
    """
    named = [name for name in names if looks_like_sample(name)]
    found = [name for name in named if "sample" in basename(name).lower()] or named
    exact = [name for name in found if basename(name).lower() == "sample_submission.csv"] or found
    if len(exact) > 1:
        raise DataError(
            f"{len(exact)} files may be the sample submission: {', '.join(exact)}; type data.sample={exact[0]}"
        )
    return exact[0] if exact else None


def parse_sample(
    path: Path,
    *,
    classes: Sequence[str] = (),
    tags: bool | None = None,
    positive: str | None = None,
    joiner: str = ",",
) -> SampleSubmission:
    """Read a sample submission and infer what kind of answer it asks for.

    Args:
        path: the CSV file.
        classes: the class list; empty where it is not known (`medalist lint`).
        tags: whether images have tags; None where it is not known.
        positive: the class whose probability is asked for; the default is the class that the answer column is named
            for, else the last class.
        joiner: text between tags in the training labels.

    Raises:
        DataError: the file is no CSV of ids and answers, repeats an id, or its answers fit no kind.
    """
    table = read_csv(path, path.name)
    if table.faults:
        line, reason = table.faults[0]
        raise DataError(f"{path.name}, line {line}: {reason}; mend the file or name another with data.sample=FILE")
    if len(table.header) < 2:
        raise DataError(f"{path.name} has only the column {table.header[0]!r}; expected ids and answers")
    ids = tuple(row[0] for row in table.rows)
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated or not ids:
        what = f"repeats {len(repeated)} ids, such as {repeated[0]!r}" if repeated else "has no rows"
        raise DataError(f"{path.name} {what}; name another file with data.sample=FILE")
    answers = Counter(row[1].strip() for row in table.rows)
    kind = _kind(table.header, answers, classes, tags, positive)
    between = _joiner(answers, classes, joiner) if kind in ("tags", "ranked") else ","
    return SampleSubmission(
        path=path,
        ids=ids,
        columns=table.header,
        kind=kind,
        positive=_positive(table.header[1], classes, positive) if kind == "probability" else None,
        joiner=between,
        places=max(len(answer.split(between)) for answer in answers) if kind == "ranked" else 1,
    )


def _kind(
    columns: Sequence[str], answers: Counter[str], classes: Sequence[str], tags: bool | None, positive: str | None
) -> str:
    """`wide`, `tags`, `class`, `ranked`, `index` or `probability`; see SampleSubmission."""
    if len(columns) > 2:
        return "wide"
    if tags:
        return "tags"
    given = [answer for answer in answers if answer]
    numbers = bool(given) and all(map(_is_number, given))
    names = set(map(_compose, classes))
    if positive is not None and len(classes) == 2 and (numbers or not given):
        return "probability"
    if not given or any(_compose(answer) in names for answer in given):
        return "class"
    if any(_ranking(given, mark, names) for mark in JOINERS):
        return "ranked"
    if numbers and all(INTEGER.fullmatch(answer) for answer in given):
        return "index"
    if numbers and len(classes) in (0, 2):
        return "probability"
    if classes:
        raise DataError(
            f"the sample submission answers {given[0]!r} in {columns[1]!r}, which is no class{near(given[0], classes)},"
            f" no index, and no probability of one of {len(classes)} classes; name another file with data.sample=FILE"
        )
    return "tags" if columns[1].lower() == "tags" else "class"


def _ranking(given: Sequence[str], mark: str, names: set[str]) -> bool:
    """Whether each answer is several classes with `mark` between them."""
    return all(mark in answer and {_compose(part) for part in answer.split(mark)} <= names for answer in given)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _positive(column: str, classes: Sequence[str], chosen: str | None) -> str | None:
    """The class whose probability is asked for; None where no classes are known."""
    if chosen is not None and classes and chosen not in classes:
        raise DataError(f"data.positive={chosen!r} is no class{near(chosen, classes)}; classes: {', '.join(classes)}")
    named = next((name for name in classes if _compose(name) == _compose(column)), None)
    return chosen or named or (classes[-1] if classes else None)


def _joiner(answers: Counter[str], classes: Sequence[str], fallback: str) -> str:
    """The text between the tags of the sample's answers, where they show it."""
    names = set(classes)
    for mark in JOINERS:
        joined = [answer.split(mark) for answer in answers if mark in answer and answer not in names]
        if joined and all(part.strip() in names for parts in joined for part in parts):
            return mark
    return fallback


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)
