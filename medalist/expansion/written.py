"""Verdicts -> the expansion's files: `extra.csv` for `run`, `refused.csv` with reasons, `summary.json`.

What strangers wrote is guarded for spreadsheets, addresses too, and half characters in it are spelt out; label and path
are as they are.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medalist.data.textfiles import guarded
from medalist.expansion.found import Refused
from medalist.expansion.screen import Screened, Verdict
from medalist.ledger import write_json
from medalist.store import write_atomic

EXTRA, REFUSED, SUMMARY = "extra.csv", "refused.csv", "summary.json"
COLUMNS = (
    "id",
    "path",
    "label",
    "weight",
    "source",
    "url",
    "page",
    "licence",
    "licence_url",
    "author",
    "query",
    "hash",
)
WHY = ("kind", "reason")
WEIGHT = "1"


def write(folder: Path, screened: Screened, refused: Sequence[Refused], facts: dict[str, Any]) -> dict[str, Any]:
    """Write the three files, the summary last.

    Args:
        folder: of the expansion.
        screened: verdicts on what was fetched.
        refused: what was not.
        facts: of the request, for the summary.

    Returns:
        The summary.
    """
    taken = [verdict for verdict in screened.verdicts if not verdict.kind]
    write_atomic(folder / EXTRA, _csv(COLUMNS, [_cells(verdict) for verdict in taken]))
    rows = [[*_cells(verdict), verdict.kind, _shown(verdict.reason)] for verdict in screened.verdicts if verdict.kind]
    rows += [[*_found_cells(one), "download", _shown(one.reason)] for one in refused]
    write_atomic(folder / REFUSED, _csv((*COLUMNS, *WHY), rows))
    summary = {**facts, "classes": summary_of(screened, refused)}
    write_json(folder / SUMMARY, summary)
    return summary


def summary_of(screened: Screened, refused: Sequence[Refused]) -> dict[str, Any]:
    """What became of each label: how many were found and let in, what was refused by kind, what is known of its bar."""
    found: dict[str, Counter[str]] = {}
    for verdict in screened.verdicts:
        found.setdefault(verdict.fetched.found.label, Counter())[verdict.kind] += 1
    for one in refused:
        found.setdefault(one.found.label, Counter())["download"] += 1
    told = {}
    for label, kinds in found.items():
        of_class = screened.classes.get(label)
        bar = {} if of_class is None else {name: _rounded(value) for name, value in vars(of_class).items()}
        accepted = kinds.pop("", 0)
        told[label] = {"found": accepted + kinds.total(), "accepted": accepted, "refused": dict(kinds), **bar}
    return told


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return None if value != value else round(value, 4)
    return value


def _cells(verdict: Verdict) -> list[str]:
    one = verdict.fetched
    cells = _found_cells(Refused(one.found, ""))
    cells[0], cells[1], cells[-1] = one.hash, one.path, one.hash
    return cells


def _found_cells(one: Refused) -> list[str]:
    """A row of what was found; the file's own cells are empty."""
    found = one.found
    people = [found.source, found.url, found.page, found.licence, found.licence_url, found.author, found.query]
    return ["", "", found.label, WEIGHT, *map(_shown, people), ""]


def _shown(text: str) -> str:
    """A cell for people, which any text can be."""
    return guarded(text.encode("utf-8", "backslashreplace").decode())


def _csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "surrogateescape")
