"""`medalist best`: the best of many runs, its score corrected for the choice, and what is as good but cheaper.

Axes: N rows, R runs of the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from medalist.evidence import BestOfMany, best_of_many, compare_arms
from medalist.pipeline.decide import Truth
from medalist.pipeline.outcome import unseen_answers
from medalist.pipeline.records.entries import Entry, find
from medalist.pipeline.records.index import Index
from medalist.pipeline.records.listing import heading
from medalist.store import hash_bytes

MOST = 10  # others that are told
CHEAPER = 0.8  # of the best one's seconds


def best(places: Sequence[Path], *, cache: Path, arms: bool = False) -> str:
    """Plain text, a block for each metric and rows.

    Args:
        places: folders.
        cache: folder of the index.
        arms: the arms of experiments too.

    Raises:
        StoreError: a place is no folder, or there is no finished run.
    """
    folders = find(places, arms=arms)
    index = Index(cache)
    entries, faults = index.entries(folders)
    index.close()
    fields = [list(group) for _, group in groupby(sorted(entries, key=_field), key=_field)]
    return "\n".join([*faults, *(line for field in fields for line in _block(field))])


def _field(entry: Entry) -> tuple[str, str]:
    return entry.metric, entry.rows


def _block(entries: Sequence[Entry]) -> Iterator[str]:
    """The best of R runs of the same rows, what that is worth, and the others against it."""
    metric = entries[0].metric
    yield heading(entries)
    if copies := len(entries) - len(found := _distinct(entries)):
        yield f"  {copies} run{'s have' if copies > 1 else ' has'} the same answers as another and count no more"
    entries, answers = [entry for entry, _, _ in found], [answers_N for _, _, answers_N in found]
    truth = found[0][1]
    if len(entries) == 1:
        yield f"  {_told(entries[0])}, the only one"
        return
    chosen = best_of_many(metric, truth.labels, answers, groups=truth.group_N)
    yield from _chosen(entries, chosen)
    others = {str(place): answers[place] for place in range(len(entries)) if place != chosen.index}
    gaps = compare_arms(metric, truth.labels, answers[chosen.index], others, groups=truth.group_N)
    told = sorted(others, key=lambda place: -gaps[place].difference)
    for place in told[:MOST]:
        gap, entry = gaps[place], entries[int(place)]
        yield f"  {gap.difference:+.4f} +- {gap.stderr:.4f} {gap.verdict}: {_told(entry)}"
    if len(told) > MOST:
        yield f"  ... and {len(told) - MOST} more"
    level = [entries[int(place)] for place in told if gaps[place].verdict != "worse"]
    yield from _cheapest(entries[chosen.index], level)


def _distinct(entries: Sequence[Entry]) -> list[tuple[Entry, Truth, np.ndarray]]:
    """Runs with their answers, the first of those that answer alike: the same again is no other choice."""
    found: dict[str, tuple[Entry, Truth, np.ndarray]] = {}
    for entry in entries:
        field, answers_N = unseen_answers(entry.folder)
        found.setdefault(hash_bytes(np.asarray(answers_N).tobytes()), (entry, field.truth, answers_N))
    return list(found.values())


def _chosen(entries: Sequence[Entry], chosen: BestOfMany) -> Iterator[str]:
    low, high = chosen.interval95
    yield f"  best: {_told(entries[chosen.index])}"
    yield (
        f"  with the choice among {chosen.num_tried} counted: {chosen.score:.4f} +- {chosen.stderr:.4f}"
        f" (95 % {low:.4f} to {high:.4f})"
    )


def _told(entry: Entry) -> str:
    minutes = "" if entry.minutes is None else f", {entry.minutes:.1f} min"
    return f"{entry.folder} {entry.score:.4f} +- {entry.stderr:.4f}{minutes}"


def _cheapest(held: Entry, level: Sequence[Entry]) -> Iterator[str]:
    """What cannot be told from the best and took less."""
    timed = [entry for entry in level if entry.seconds is not None]
    cheapest = min(timed, key=lambda entry: entry.seconds or 0.0, default=None)
    if cheapest is None or held.seconds is None or (cheapest.seconds or 0.0) > CHEAPER * held.seconds:
        return
    yield f"  not worse by what can be told, and cheaper: {_told(cheapest)}"
