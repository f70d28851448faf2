"""What was left out of the run, what it did about doubtful images, and what `medalist check --out` found."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from medalist.errors import DataError
from medalist.report.acted import REJECTED, Acted, acted
from medalist.report.markup import Section, folded, listing, name, paragraph, said, table, tag
from medalist.report.seen import Seen, read_json
from medalist.report.thumbnails import Thumbnails

TABLE, FACTS = "findings.csv", "findings.json"
NEEDED = ("kind", "path", "id", "split", "label", "detail")
MOST, PICTURED = 60, 12  # rows, and pictures, of a kind


def findings(seen: Seen | None, found: Path | None, pictures: Thumbnails | None) -> Section | None:
    """Files left out, and the findings of a folder; None where there are neither.

    Raises:
        DataError: the folder holds no findings.
    """
    parts, did = [], acted(seen) if seen is not None else Acted()
    if did.told:
        parts += [tag("h3", "What the run did about doubtful images"), listing(list(map(said, did.told)))]
    parts += [_left_out(seen.folder / REJECTED)] if seen is not None else []
    if found is not None:
        parts += _found(found, pictures, did)
    body = "".join(parts)
    lead = "Files that could not be used, and images that are doubtful. Nothing of the dataset was changed."
    if found is not None:
        lead += " Findings are hints; beside each stands what this run did about it, if anything."
    return Section("data", "What looks wrong", lead, body) if body else None


def _left_out(file: Path) -> str:
    if not file.is_file():
        return ""
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as lines:
        rows = [row for row in list(csv.reader(lines))[1:] if len(row) == 2]
    if not rows:
        return ""
    cells = [[name(path, most=80), said(reason)] for path, reason in rows[:MOST]]
    more = f", the first {MOST}" if len(rows) > MOST else ""
    return tag("h3", f"Left out: {len(rows):,}") + table(
        ["file or row", "why"], cells, caption=f"Left out of the run{more}"
    )


def read_findings(folder: Path) -> list[dict[str, str]]:
    """The rows of a folder's findings.csv.

    Raises:
        DataError: there is none, or it has other columns.
    """
    file = folder / TABLE
    if not file.is_file():
        raise DataError(f"{folder} holds no {TABLE}; type: medalist check DATA --out {folder}")
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as lines:
        reader = csv.DictReader(lines)
        rows = list(reader)
    if not set(NEEDED) <= set(reader.fieldnames or ()):
        raise DataError(f"{file} lacks columns of {', '.join(NEEDED)}; type: medalist check DATA --out {folder}")
    return rows


def _found(folder: Path, pictures: Thumbnails | None, did: Acted) -> list[str]:
    rows = read_findings(folder)
    if not rows:
        return [paragraph("<code>medalist check</code> found nothing.")]
    meaning = read_json(folder / FACTS).get("kinds", {}) if (folder / FACTS).is_file() else {}
    count = Counter(row["kind"] for row in rows)
    did_on = _done(rows, did)
    done = Counter(row["kind"] for row, told in zip(rows, did_on, strict=True) if told)
    summary = [
        [said(kind), f"{times:,}", f"{done[kind]:,}", said(meaning.get(kind, ""))] for kind, times in count.items()
    ]
    parts = [table(["kind", "findings", "acted on", "what it says"], summary, caption="Findings by kind")]
    for kind, group in groupby(zip(rows, did_on, strict=True), key=lambda pair: pair[0]["kind"]):
        of_kind, told = zip(*group, strict=True)
        parts.append(_kind(kind, of_kind, pictures, told))
    return parts


def _kind(kind: str, rows: Sequence[dict[str, str]], pictures: Thumbnails | None, did_on: Sequence[str]) -> str:
    """One kind, to be opened: its pictures, then its rows."""
    cards = []
    for row in rows[:PICTURED] if pictures is not None else []:
        if pictures is not None and (picture := pictures.by_path(_plain(row["path"]))):
            cluster = f" · cluster {said(row['cluster'])}" if row.get("cluster", "0") != "0" else ""
            told = f"{name(row['label'] or row['split'], most=40)}{cluster}"
            cards.append(
                tag(
                    "li",
                    tag("div", picture, class_="picture"),
                    tag("p", name(row["id"], most=34), class_="id"),
                    tag("p", told),
                )
            )
    gallery = tag("ul", *cards, class_="gallery") if cards else ""
    cells = [
        [
            name(row["path"] or row["id"], most=80),
            said(row["split"]),
            name(row["label"], most=60),
            said(row["detail"], most=160),
            said(done or "–"),
        ]
        for row, done in list(zip(rows, did_on, strict=True))[:MOST]
    ]
    more = f", the first {MOST}" if len(rows) > MOST else ""
    listed = table(
        ["image", "split", "label", "what was seen", "what the run did"], cells, caption=f"{said(kind)}{more}"
    )
    return folded(f"{said(kind)}: {len(rows):,}", gallery + listed)


def _done(rows: Sequence[dict[str, str]], did: Acted) -> list[str]:
    """What the run did about each finding; copies are the labelled images of a cluster."""
    copies: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["split"] != "test":
            copies.setdefault(row.get("cluster", "0"), {})[_plain(row["id"])] = None
    return [
        did.on(
            row["kind"],
            _plain(row["path"]),
            _plain(row["id"]),
            row["split"],
            copies.get(row["cluster"], {}) if row.get("cluster", "0") != "0" else {},
        )
        for row in rows
    ]


def _plain(path: str) -> str:
    """A cell without the apostrophe that keeps spreadsheets from running it."""
    return path[1:] if path[:1] == "'" and path[1:2] in tuple("=+-@\t\r") else path
