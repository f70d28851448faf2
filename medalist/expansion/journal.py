"""What became of every URL that was asked for, a JSON line each, on disk before it counts: `downloads.jsonl`.

A kill loses at most what was under way. A file is on disk before its line is; a line cut in two by a kill is taken off.
What failed but may go better, and what was refused under other limits, is asked again by the next command.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType

from medalist.errors import StoreError
from medalist.expansion.found import Fetched, Found, Outcome, Refused, image_path
from medalist.quality.findings import EXTENSIONS
from medalist.store import failpoint

JOURNAL = "downloads.jsonl"


@dataclass(frozen=True)
class Record:
    """What became of one URL: a file (path, hash, bytes, format), or the reason why there is none.

    Args:
        again: another command may fare better.
        limits: hash of the limits under which it was refused.
    """

    url: str
    path: str = ""
    hash: str = ""
    bytes: int = 0
    format: str = ""
    reason: str = ""
    again: bool = False
    limits: str = ""

    def outcome(self, found: Found) -> Outcome:
        """As what became of `found`, which points to this URL."""
        if self.reason:
            return Refused(found, self.reason)
        return Fetched(found, self.path, self.hash, self.bytes, self.format)


class Journal:
    """The journal of one folder, held by one process; use it in a `with`.

    Args:
        folder: of the expansion; made where it is missing.
        limits: hash of the limits that hold now.

    Raises:
        StoreError: another process holds it, it cannot be written, or a line of it is damaged.
    """

    def __init__(self, folder: Path, limits: str) -> None:
        self._path = folder / JOURNAL
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("a+b")
        except OSError as error:
            raise StoreError(f"cannot write in {folder}: {error.strerror}; choose another --out") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._known = {record.url: record for record in self._read() if _holds(record, folder, limits)}
        except BlockingIOError as error:
            self._file.close()
            raise StoreError(f"another medalist is downloading into {folder}; wait for it") from error
        except StoreError:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def known(self, url: str) -> Record | None:
        """What became of a URL, where that still holds."""
        return self._known.get(url)

    def write(self, record: Record) -> None:
        """Put a record on disk, then count it."""
        self._file.write(json.dumps(asdict(record), sort_keys=True).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        failpoint("after-download")
        self._known[record.url] = record

    def _read(self) -> list[Record]:
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            self._file.truncate(whole)
        records = []
        for number, line in enumerate(data[:whole].splitlines(), 1):
            try:
                records.append(_checked(Record(**json.loads(line))))
            except (ValueError, TypeError) as error:
                raise StoreError(f"{self._path}, line {number} is damaged ({error}); delete that line") from error
        return records


def _checked(record: Record) -> Record:
    """A record as this module writes them: the journal may come with a folder that strangers packed.

    Raises:
        ValueError: a value of another type, or a file elsewhere than its hash says.
    """
    for field in fields(record):
        value = getattr(record, field.name)
        if type(value).__name__ != field.type:
            raise ValueError(f"{field.name} is {value!r}, expected {field.type}")
    named = record.format in EXTENSIONS and re.fullmatch("[0-9a-f]{64}", record.hash)
    if not record.reason and not (named and record.path == image_path(record.hash, record.format)):
        raise ValueError(f"path {record.path!r} is not that of its hash and format")
    return record


def _holds(record: Record, folder: Path, limits: str) -> bool:
    """Whether a record still says what asking again would say."""
    if record.reason:
        return not record.again and record.limits == limits
    try:
        return (folder / record.path).stat().st_size == record.bytes
    except OSError:
        return False
