"""`medalist runs`: what was tried, what each changed and what that was worth; for people, and as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from medalist.data.textfiles import guarded
from medalist.metrics import metrics
from medalist.pipeline.records.entries import Entry, find
from medalist.pipeline.records.index import Index
from medalist.pipeline.records.lineage import Step, steps

MOST_CHANGES = 4  # told of a run; the CSV has all
LONGEST = 90  # characters of a change
HEAD = ("", "run", "score", "against", "gain", "", "minutes", "gain a minute", "images/s", "trained/s", "public")
LEFT = 6  # columns of text; the others are numbers, and left out where all are empty
COLUMNS = (
    *("run", "kind", "ended", "metric", "score", "stderr", "rows", "images", "parent", "changed"),
    *(
        "gain",
        "gain_stderr",
        "p",
        "verdict",
        "seconds",
        "gain_a_minute",
        "images_s",
        "embedded",
        "trained_s",
        "public",
        "submission",
    ),
)


def runs(places: Sequence[Path], *, cache: Path, arms: bool = False) -> tuple[list[Step], list[str]]:
    """All finished runs below some places with their parents, and a sentence on each folder that cannot be read.

    Args:
        places: folders.
        cache: folder of the index.
        arms: the arms of experiments too.

    Raises:
        StoreError: a place is no folder, or there is no finished run.
        MismatchError: two runs of the same rows cannot be compared.
    """
    folders = find(places, arms=arms)
    index = Index(cache)
    try:
        entries, faults = index.entries(folders)
        return steps(entries, index.compare), faults
    finally:
        index.close()


def table(found: Sequence[Step], faults: Sequence[str] = ()) -> str:
    """A block for each metric and rows, a line a run in the order in which they ended, and what changed below it."""
    lines = list(faults)
    for _, group in groupby(sorted(found, key=_field), key=_field):
        members = list(group)
        lines += [heading([step.entry for step in members]), *_block(members)]
    compared = sum(step.gain is not None for step in found)
    if compared > 1:
        lines.append(
            f"a gain is paired with the nearest earlier run, positive is better; each is one comparison of {compared}:"
            " `medalist best` counts the choice among them"
        )
    return "\n".join(lines)


def heading(entries: Sequence[Entry]) -> str:
    """Of a block: runs of one metric on the same images in the same folds."""
    metric, many = entries[0].metric, "s" * (len(entries) > 1)
    way = metrics.bind(metric).facts["better"]
    return f"{metric} ({way} is better) on {entries[0].num_rows} images in the same folds, {len(entries)} run{many}"


def _field(step: Step) -> tuple[str, str]:
    return step.entry.metric, step.entry.rows


def _block(members: Sequence[Step]) -> Iterator[str]:
    number = {step.entry.folder: str(place) for place, step in enumerate(members, 1)}
    rows = [HEAD, *(_cells(step, number) for step in members)]
    columns = [at for at in range(len(HEAD)) if at < LEFT or any(row[at] for row in rows[1:])]
    wide = {at: max(len(row[at]) for row in rows) for at in columns}
    for place, row in enumerate(rows):
        cells = (row[at].ljust(wide[at]) if at < LEFT else row[at].rjust(wide[at]) for at in columns)
        yield "  " + "  ".join(cells).rstrip()
        if place and (told := _changes(members[place - 1].changed)):
            yield f"      {told}"


def _cells(step: Step, number: Mapping[Path, str]) -> tuple[str, ...]:
    entry, gain = step.entry, step.gain
    return (
        number[entry.folder],
        str(entry.folder),
        f"{entry.score:.4f} +- {entry.stderr:.4f}",
        "" if step.parent is None else number[step.parent.folder],
        "" if gain is None else f"{gain.difference:+.4f} +- {gain.stderr:.4f}",
        "" if gain is None else gain.verdict,
        _number(entry.minutes, ".2f"),
        _number(step.gain_a_minute, "+.4f") if gain is not None and gain.verdict in ("better", "worse") else "",
        _number(entry.images_s, ".0f"),
        _number(entry.trained_s, ".0f"),
        _number(entry.public, ".4f"),
    )


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _changes(changed: Sequence[str]) -> str:
    """The first changes, short enough to read."""
    plain = [text.replace('"', "") for text in changed[:MOST_CHANGES]]
    told = [text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..." for text in plain]
    more = len(changed) - MOST_CHANGES
    return "; ".join([*told, *([f"and {more} more"] if more > 0 else [])])


def as_csv(found: Sequence[Step]) -> str:
    """A row a run, numbers in full; what a spreadsheet would take for a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for step in found:
        writer.writerow([cell if isinstance(cell, float | int) else guarded(cell) for cell in _row(step)])
    return text.getvalue()


def _row(step: Step) -> tuple[str | float | int, ...]:
    entry, gain = step.entry, step.gain
    compared: tuple[str | float, ...] = ("", "", "", "")
    if gain is not None:
        compared = (gain.difference, gain.stderr, gain.p, gain.verdict)
    return (
        *_of(entry),
        "" if step.parent is None else str(step.parent.folder),
        "; ".join(step.changed),
        *compared,
        *(
            "" if value is None else value
            for value in (
                *(entry.seconds, step.gain_a_minute, entry.images_s, entry.embedded, entry.trained_s),
                entry.public,
            )
        ),
        "yes" if entry.submission else "no",
    )


def _of(entry: Entry) -> tuple[str | float | int, ...]:
    return (
        *(str(entry.folder), entry.kind, entry.ended, entry.metric, entry.score, entry.stderr),
        *(entry.rows[:12], entry.num_rows),
    )
