"""The record's index: facts of run folders, and what pairs of them came to, in SQLite in the cache.

The folders are the truth: a row is used while the summary of its folder is the file that it was read from, and read
anew otherwise, so that the file may be deleted at any time. Several processes may use it at once.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medalist import ledger
from medalist.data.facts import stamp_of
from medalist.errors import StoreError
from medalist.evidence import Comparison
from medalist.pipeline.paired import pair
from medalist.pipeline.records.entries import Entry, read, with_public

FILE = "record.sqlite"
VERSION = 3  # of what is kept of a run
TABLES = """
CREATE TABLE IF NOT EXISTS runs (path TEXT PRIMARY KEY, stamp TEXT, facts TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pairs (one TEXT, two TEXT, stamp TEXT, facts TEXT, PRIMARY KEY (one, two)) WITHOUT ROWID;
"""


class Index:
    """The file `record.sqlite` in the cache folder."""

    def __init__(self, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(cache / FILE, timeout=60)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.executescript(TABLES)

    def entries(self, folders: Sequence[Path]) -> tuple[list[Entry], list[str]]:
        """The facts of run folders, the earliest first; and a sentence on each that cannot be read."""
        found, faults = [], []
        for folder in folders:
            try:
                found.append(with_public(self._entry(folder)))
            except StoreError as error:
                faults.append(str(error))
        return sorted(found, key=lambda entry: (entry.ended, str(entry.folder))), faults

    def _entry(self, folder: Path) -> Entry:
        path, stamp = str(folder.resolve()), _stamp(folder)
        row = self._database.execute("SELECT facts FROM runs WHERE path = ? AND stamp = ?", (path, stamp)).fetchone()
        if row is not None:
            return Entry(folder=folder, **json.loads(row[0]))
        entry = read(folder)
        facts = {name: value for name, value in asdict(entry).items() if name != "folder"}
        self._keep("runs", path, stamp, facts)
        return entry

    def compare(self, one: Entry, two: Entry) -> Comparison:
        """The first against the second, on the rows that both share.

        Raises: as `paired.pair`.
        """
        names = str(one.folder.resolve()), str(two.folder.resolve())
        stamp = f"{_stamp(one.folder)} {_stamp(two.folder)}"
        row = self._database.execute(
            "SELECT facts FROM pairs WHERE one = ? AND two = ? AND stamp = ?", (*names, stamp)
        ).fetchone()
        if row is not None:
            return Comparison(**json.loads(row[0]))
        found = pair(one.folder, two.folder).compare(one.metric)
        self._keep("pairs", *names, stamp, asdict(found))
        return found

    def _keep(self, table: str, *fields: Any) -> None:
        *texts, facts = fields
        marks = ", ".join("?" for _ in fields)
        with self._database:
            self._database.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", (*texts, json.dumps(facts)))

    def close(self) -> None:
        """Close the file; what was kept is on disk."""
        self._database.close()


def _stamp(folder: Path) -> str:
    """What changes when a run is done anew."""
    return f"{VERSION} {stamp_of(str(folder / ledger.SUMMARY))}"
