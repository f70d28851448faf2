"""`medalist check`: what a dataset is and what is wrong with its files; without --deep no network is loaded.

The findings are told, and written where asked as a table, as JSON and as pictures. Nothing of the user's is changed.
"""

from __future__ import annotations

import csv
import io
import json
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from medalist.data.describe import SPLIT_NAMES, class_counts, describe
from medalist.data.facts import Facts
from medalist.data.groupfile import groups_csv
from medalist.data.groups import duplicate_groups
from medalist.data.ingest import facts_of
from medalist.data.table import TRAIN, VALID, ImageTable
from medalist.data.textfiles import guarded
from medalist.errors import RecipeError
from medalist.pipeline.backbones import choose
from medalist.pipeline.deep import Deep, look_deeper, pictures
from medalist.pipeline.extraction import extract
from medalist.pipeline.page import Cell, Section, picture, png, wrapped
from medalist.pipeline.way import read
from medalist.progress import Sink, ignore
from medalist.quality.findings import KINDS, Finding, findings, labels_of
from medalist.quality.labels import cleanlab_filter
from medalist.recipe import Recipe
from medalist.store import write_atomic

DEEP = ("label", "outlier", "shift")  # kinds whose pictures say little without the detail
MOST = 5  # examples of a kind that are told
TABLE, FACTS, SHEET = "findings.csv", "findings.json", "findings.png"
QUARANTINE, GROUPS = "quarantine.csv", "groups.csv"
COLUMNS = ("kind", "path", "id", "split", "label", "cluster", "detail")
DOUBTFUL = ("truncated", "unreadable", "conflict", "placeholder", "label", "blank", "outlier")  # worth a quarantine
LABELLED = (SPLIT_NAMES[TRAIN], SPLIT_NAMES[VALID])
SIDE, ACROSS, SHOWN = 128, 6, 12  # pixels of a picture on the sheet, pictures a row, and of a kind


def audit(
    recipe: Recipe, root: Path, *, cache: Path, out: Path | None = None, deep: bool = False, sink: Sink = ignore
) -> str:
    """Read the dataset, open every image once, and say what was found as plain text.

    Args:
        recipe: how to read the dataset; with `deep` also its backbones, views, heads and folds.
        root: its folder.
        cache: where facts of files, and features, are remembered.
        out: folder for findings.csv, findings.json, findings.png, quarantine.csv and groups.csv; None: nothing is
            written.
        deep: ask features and out-of-fold answers too.
        sink: takes progress events.

    Raises:
        RecipeError: `out` lies inside the dataset. MissingExtraError: `deep` without cleanlab.
    """
    if out is not None and out.resolve().is_relative_to(root.resolve()):
        raise RecipeError(f"--out {out} lies inside the dataset, which is never written to; name a folder elsewhere")
    table = read(recipe, root)
    facts, group_N, deeper = _looked(recipe, table, cache, deep, sink)
    found = sorted([*findings(table, facts, group_N), *deeper.findings], key=lambda one: list(KINDS).index(one.kind))
    rows = [Row.of(table, one, shown=facts[one.row].ok) for one in found]
    lines = [describe(table), *_formats(facts), *deeper.told, *_told(rows)]
    if out is not None:
        names = _write(out, table, rows)
        write_atomic(out / GROUPS, groups_csv(table, group_N))
        lines.append(f"written: {', '.join(str(out / name) for name in (*names, GROUPS))}")
        lines += _next(root, out, rows, deep)
    return "\n".join(lines)


def _next(root: Path, out: Path, rows: Sequence[Row], deep: bool) -> list[str]:
    """What to do with the files, and what to type; nothing where there is nothing to act on."""
    doubtful = any(row.kind in DOUBTFUL and row.split in LABELLED for row in rows)
    keys = [f"data.quarantine={out / QUARANTINE}"] * doubtful + [f"folds.groups={out / GROUPS}"] * deep
    if not keys:
        return []
    look = [f"delete the lines of images that are right from {out / QUARANTINE}"] * doubtful
    look += [f"look at {out / GROUPS}, clusters that shall share a fold"] * deep
    typed = shlex.join(["medalist", "run", str(root), "--metric", "METRIC", *keys])
    return [f"to act on them, {'; '.join(look)}; then type: {typed}"]


def _looked(
    recipe: Recipe, table: ImageTable, cache: Path, deep: bool, sink: Sink
) -> tuple[Sequence[Facts], np.ndarray, Deep]:
    """Facts of all files, which picture each shows, and what features tell where they are asked."""
    if not deep:
        facts = facts_of(table.root, list(table.paths), cache=cache, sink=sink)
        return facts, duplicate_groups([fact if fact.ok else Facts(False) for fact in facts]), Deep()
    cleanlab_filter()  # before any image is embedded
    notes: list[str] = []
    recipe = choose(recipe, notes)
    seen = extract(recipe, table.root, table.paths, cache=cache, sink=sink)
    picture_N = pictures(table, seen, cache=cache, sink=sink)
    deeper = look_deeper(recipe, table, seen, picture_N, cache=cache, sink=sink)
    return seen.facts, picture_N, Deep(deeper.findings, [*notes, *seen.notes, *deeper.told])


def _write(out: Path, table: ImageTable, rows: Sequence[Row]) -> list[str]:
    """The findings as a table, JSON and pictures, and the quarantine's candidates; names of what was written."""
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / TABLE, _csv(rows))
    write_atomic(out / FACTS, _json(table, rows))
    write_atomic(out / QUARANTINE, candidates(rows))
    if sections := _sections(table.root, rows):
        write_atomic(out / SHEET, png(sections))
    else:
        (out / SHEET).unlink(missing_ok=True)
    return [TABLE, FACTS, QUARANTINE, *([SHEET] if sections else [])]


@dataclass(frozen=True)
class Row:
    """A finding, and what people know its image by."""

    kind: str
    path: str
    id: str
    split: str
    label: str
    cluster: int
    detail: str
    shown: bool

    @classmethod
    def of(cls, table: ImageTable, one: Finding, *, shown: bool) -> Row:
        """The row of the table that the finding points at; `shown`: its file can be decoded."""
        split = SPLIT_NAMES[int(table.split[one.row])]
        label = ", ".join(labels_of(table, one.row))
        path, name = str(table.paths[one.row]), str(table.ids[one.row])
        return cls(one.kind, path, name, split, label, one.cluster, one.detail, shown)


def _formats(facts: Sequence[Facts]) -> list[str]:
    """Formats, and how large the images are."""
    opened = [fact for fact in facts if fact.ok]
    if not opened:
        return ["no image could be opened"]
    formats = Counter(fact.format for fact in opened).most_common()
    sides = np.array([min(fact.width, fact.height) for fact in opened])
    return [
        "images: " + ", ".join(f"{count} {name}" for name, count in formats),
        f"short side: {sides.min()} to {sides.max()} pixels, median {int(np.median(sides))}",
    ]


def _told(rows: Sequence[Row]) -> Iterator[str]:
    """Each kind with its number, what it means, and examples."""
    if not rows:
        yield "findings: none"
        return
    yield f"findings: {len({(row.path, row.id) for row in rows})} of the images, {len(rows)} in all"
    for kind, group in groupby(rows, key=lambda row: row.kind):
        members = list(group)
        clusters = len({row.cluster for row in members if row.cluster})
        yield f"  {kind}: {len(members)}{f' in {clusters} clusters' if clusters else ''}, {KINDS[kind]}"
        examples = list(_examples(members))
        yield from (f"    {_printable(line)}" for line in examples[:MOST])
        if len(examples) > MOST:
            yield f"    ... and {len(examples) - MOST} more"


def _examples(rows: Sequence[Row]) -> Iterator[str]:
    """A line a file, or a cluster of files, with labels where they differ."""
    for cluster, group in groupby(rows, key=lambda row: row.cluster):
        members = list(group)
        if not cluster:
            yield from (f"{row.path or row.id}: {row.detail}" for row in members)
            continue
        differ = len({row.label for row in members if row.label}) > 1
        yield " = ".join(f"{row.path} ({row.label})" if differ and row.label else row.path for row in members)


def _printable(text: str) -> str:
    """File names may hold what a terminal would obey."""
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def _csv(rows: Sequence[Row]) -> bytes:
    """A row a finding; what a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        cells = [str(getattr(row, name)) for name in COLUMNS]
        writer.writerow([guarded(cell) for cell in cells])
    return text.getvalue().encode()


def _json(table: ImageTable, rows: Sequence[Row]) -> bytes:
    """The same, as written, and how many images each class has."""
    found = [{name: getattr(row, name) for name in COLUMNS} for row in rows]
    counts = dict(zip(table.classes, class_counts(table).tolist(), strict=True))
    facts = {"kinds": KINDS, "classes": counts, "findings": found}
    return (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode()


def candidates(rows: Sequence[Row]) -> bytes:
    """Labelled images that a person should look at before training, each once with its reasons, as `id,path,reason`.

    Ids and paths are exact, as `data.quarantine` reads them; delete the lines of images that are right.
    """
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.kind in DOUBTFUL and row.split in LABELLED:
            reasons.setdefault((row.id, row.path), []).append(f"{row.kind}: {row.detail}")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "path", "reason"])
    writer.writerows([*names, "; ".join(told)] for names, told in reasons.items())
    return text.getvalue().encode("utf-8", "surrogateescape")


def _sections(root: Path, rows: Sequence[Row]) -> list[Section]:
    """Pictures of each kind, the first ones of many, as they are displayed; not of files that their decoder refused."""
    sections: list[Section] = []
    for kind, group in groupby(rows, key=lambda row: row.kind):
        members = list(group)
        cells = [cell for row in members[:SHOWN] if row.shown and (cell := _cell(root, row)) is not None]
        if cells:
            more = f", the first {len(cells)}" if len(cells) < len(members) else ""
            sections.append((f"{kind}: {len(members)}{more}", wrapped(cells, ACROSS)))
    return sections


def _cell(root: Path, row: Row) -> Cell | None:
    """The picture; None where its file has changed meanwhile."""
    shown = picture(root / row.path, SIDE)
    what = row.detail if row.kind in DEEP else row.label or row.split
    caption = f"{row.path.rpartition('/')[2]} {what}{f' #{row.cluster}' if row.cluster else ''}"
    return None if shown is None else Cell(shown, caption)
