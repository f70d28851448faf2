"""Checks of a submission against the sample submission: every fault at once, counted, with its first five places.

Ids are text: `007` is not `7`.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medalist.data.sample import parse_sample
from medalist.data.table import SampleSubmission
from medalist.data.textfiles import DELIMITERS
from medalist.errors import SubmissionError, near

BOM = b"\xef\xbb\xbf"
SHOWN = 5
# Rounding a row of a thousand classes to four decimals moves its sum by less; a forgotten class moves it by more.
SUM_TOLERANCE = 0.01
NEAR_AMONG = 10_000

Row = list[str]
Slip = tuple[str, str]
"""What is wrong with one row's answer: the fault's code, and the text that shows it."""


@dataclass(frozen=True)
class Fault:
    """Something wrong with a submission: a short code for programs, a sentence for people."""

    code: str
    text: str

    def __str__(self) -> str:
        return self.text


def lint(file: Path, sample: Path) -> list[Fault]:
    """Faults of the submission `file`, knowing nothing but the sample submission, which tells the kind of answer.

    Without the class list the spelling of names goes unchecked, and whole numbers in the sample may stand for
    probabilities as well as for indices.
    """
    return check(file, parse_sample(sample))


def check(
    file: Path,
    sample: SampleSubmission,
    classes: Sequence[str] | None = None,
    *,
    exclusive: bool | None = None,
    empty: bool = False,
) -> list[Fault]:
    """Faults of the submission `file`; none means that it may be handed in.

    Args:
        file: the submission.
        sample: the organisers' sample, as read.
        classes: the class list, in the order of the indices; None leaves names and the largest index unchecked.
        exclusive: whether a row of class columns must sum to 1; None looks whether the sample's own rows do.
        empty: whether an image may have no tags; so it may where the sample itself leaves an answer empty.

    Raises:
        SubmissionError: the file cannot be read.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise SubmissionError(f"cannot read {file}: {error.strerror}; give the path of a submission") from error
    faults = [Fault("bom", "begins with a byte order mark; save it as UTF-8 without one")] if data[:3] == BOM else []
    delimiter, _ = dialect_of(sample)
    try:
        header, *rows = parse(data.removeprefix(BOM), delimiter) or [[]]
    except UnicodeDecodeError as error:
        return [*faults, Fault("encoding", f"byte {error.start} is not UTF-8; save it as UTF-8")]
    except csv.Error as error:
        return [*faults, Fault("csv", f"is no CSV: {error}; is a quote not closed?")]
    if header != list(sample.columns):
        got, expected = delimiter.join(header), delimiter.join(sample.columns)
        return [*faults, Fault("columns", f"header is {got[:200]!r}, expected {expected[:200]!r}")]
    whole = [row for row in rows if len(row) == len(header)]
    ragged = [row[0] for row in rows if len(row) != len(header)]
    return [
        *faults,
        *_counted("cells", f"rows without exactly {len(header)} cells", ragged),
        *_id_faults([row[0] for row in rows], sample.ids),
        *_answer_faults(whole, _judge(sample, classes, exclusive, empty), classes or ()),
    ]


def parse(data: bytes, delimiter: str) -> list[Row]:
    """Rows of text, the header first; blank lines are no rows."""
    reader = csv.reader(io.StringIO(data.decode("utf-8"), newline=""), delimiter=delimiter, strict=True)
    return [row for row in reader if row]


def dialect_of(sample: SampleSubmission) -> tuple[str, str]:
    """Delimiter and line ending of the sample's file; comma and newline for a sample that is no file."""
    if not sample.path.is_file():
        return ",", "\n"
    with sample.path.open(encoding="utf-8-sig", newline="") as file:
        line = file.readline()
    fitting = (mark for mark in DELIMITERS if len(next(csv.reader([line], delimiter=mark), [])) == len(sample.columns))
    return next(fitting, ","), "\r\n" if line.endswith("\r\n") else "\n"


def _counted(code: str, what: str, places: Sequence[str], hint: str = "") -> list[Fault]:
    """One fault for all `places` (`missing ids: 7: '1', '2', '3', '4', '5', ...`), or none where there are none."""
    shown = ", ".join(repr(place) for place in places[:SHOWN]) + (", ..." if len(places) > SHOWN else "")
    return [Fault(code, f"{what}: {len(places)}: {shown}{hint}")] if places else []


def _id_faults(ids: Sequence[str], expected: Sequence[str]) -> list[Fault]:
    """Every id once, in the sample's order."""
    times = Counter(ids)
    known = set(expected)
    missing = [wanted for wanted in expected if wanted not in times]
    extra = [got for got in times if got not in known]
    hint = near(extra[0], missing[:NEAR_AMONG]) if extra else ""
    faults = [
        *_counted("missing", "ids of the sample that are missing", missing),
        *_counted("extra", "ids that the sample does not have", extra, hint),
        *_counted("repeated", "ids that come more than once", [got for got, count in times.items() if count > 1]),
    ]
    if faults or list(ids) == list(expected):
        return faults
    at = next(i for i, (got, wanted) in enumerate(zip(ids, expected, strict=True)) if got != wanted)
    return [Fault("order", f"row {at + 1} is {ids[at]!r} where the sample has {expected[at]!r}; keep its order")]


WORDING = {
    "empty": "rows with an empty answer",
    "class": "rows with a name outside the classes",
    "twice": "rows with a tag twice",
    "number": "rows with an answer that is not the number it should be",
    "nan": "rows with NaN or infinity",
    "range": "rows with a number out of range",
    "sum": "rows of probabilities that do not sum to 1",
}


def _answer_faults(rows: Sequence[Row], judge: Callable[[Row], Slip | None], classes: Sequence[str]) -> list[Fault]:
    """Faults of the cells beside the ids; where every row slips alike, the answers are of another kind."""
    slips = [(row[0], slip) for row in rows if (slip := judge(row[1:]))]
    codes = Counter(code for _, (code, _) in slips)
    for code in ("class", "number"):
        if codes[code] == len(rows) > 1:
            known = f" such as {classes[0]!r}" if code == "class" else ""
            asked = f"names of classes{known}" if code == "class" else "numbers of the sample's kind"
            return [Fault("kind", f"no answer is of the sample's kind: got {slips[0][1][1]!r}, expected {asked}")]
    faults = []
    for code, what in WORDING.items():
        places = [f"{id}: {shown}" for id, (slip, shown) in slips if slip == code]
        name = next((shown for _, (slip, shown) in slips if slip == code == "class"), None)
        faults += _counted(code, what, places, near(name, classes) if name else "")
    return faults


def _judge(
    sample: SampleSubmission, classes: Sequence[str] | None, exclusive: bool | None, empty: bool
) -> Callable[[Row], Slip | None]:
    """The judge of one row's answer cells, by the sample's kind."""
    known = None if classes is None else frozenset(classes)
    if sample.kind in ("class", "tags", "ranked"):
        joiner = None if sample.kind == "class" else sample.joiner
        judge = partial(_name_slip, joiner=joiner, known=known)
        if sample.kind == "tags" and (empty or _leaves_empty(sample)):
            return lambda cells: judge(cells) if cells[0] else None
        return judge
    if sample.kind == "index":
        return partial(
            _number_slip,
            read=float if known is None else int,
            high=math.inf if known is None else len(known) - 1,
            sums=False,
        )
    sums = sample.kind == "wide" and (_sums_to_one(sample) if exclusive is None else exclusive)
    return partial(_number_slip, read=float, high=1.0, sums=sums)


def _name_slip(cells: Row, *, joiner: str | None, known: frozenset[str] | None) -> Slip | None:
    """A class name, or with a joiner several tags."""
    names = cells if joiner is None else cells[0].split(joiner)
    if not all(name.strip() for name in names):
        return "empty", cells[0]
    strange = next((name for name in names if known is not None and name not in known), None)
    if strange is not None:
        return "class", strange
    return ("twice", cells[0]) if len(set(names)) < len(names) else None


def _number_slip(cells: Row, *, read: Callable[[str], float], high: float, sums: bool) -> Slip | None:
    """Finite numbers from 0 to `high`, summing to 1 where `sums`."""
    shown = ", ".join(cells)[:40]
    if not all(cell.strip() for cell in cells):
        return "empty", shown
    try:
        values = [read(cell) for cell in cells]
    except ValueError:
        return "number", shown
    if not all(map(math.isfinite, values)):
        return "nan", shown
    if min(values) < 0 or max(values) > high:
        return "range", shown
    return ("sum", f"sum {sum(values):.4g}") if sums and abs(sum(values) - 1) > SUM_TOLERANCE else None


def _leaves_empty(sample: SampleSubmission) -> bool:
    """Whether some answers of the sample are empty and others are not: then empty is an answer."""
    given = [row[1] for row in _rows(sample)]
    return any(given) and not all(given)


def _sums_to_one(sample: SampleSubmission) -> bool:
    """Whether the sample's own rows look like probabilities of classes that exclude each other."""
    return all(_number_slip(row[1:], read=float, high=1.0, sums=True) is None for row in _rows(sample))


def _rows(sample: SampleSubmission) -> list[Row]:
    """Rows of the sample's file; none for a sample that is no file."""
    if not sample.path.is_file():
        return []
    _, *rows = parse(sample.path.read_bytes().removeprefix(BOM), dialect_of(sample)[0])
    return rows
