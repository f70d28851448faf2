"""Images through backbones, once: paths in, rows in the feature bank out; each file is read and decoded a single time.

The plan is fixed before the first image: the table's order is cut into cells of `shard_rows`, a cell becomes a shard of
each space, and a batch never spans two cells. What is held in memory does not grow with the number of images, but for
their facts.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

from medalist.data.facts import Facts, known_facts
from medalist.data.ingest import Ingested, ingest
from medalist.engines.ahead import ahead
from medalist.engines.local import usable_cores
from medalist.errors import RecipeError, near
from medalist.features.bank import FeatureBank, Space
from medalist.features.column import Column, Look
from medalist.features.lanes import Lanes
from medalist.features.views import VIEWS
from medalist.progress import Event, Sink, ignore, tell_pace, track

AHEAD = 64


def embed(
    root: Path,
    paths: Sequence[str],
    looks: Sequence[Look],
    *,
    cache: Path,
    shard_rows: int = 512,
    sink: Sink = ignore,
) -> tuple[list[Facts], list[Space]]:
    """Fill the bank with what it lacks: the features of each image, by each backbone, in each view and tap.

    Args:
        root: folder that the paths are relative to.
        paths: N images; an unreadable one gets facts with a reason and no row.
        looks: which backbones, and how.
        cache: folder of bank and facts.
        shard_rows: images of a cell, the most that a kill can cost.
        sink: takes events of the stage `embed`; the first notes damaged shards and non-commercial weights, the last
            where the time went; before it the paces of decoding and of each backbone and view.

    Returns:
        N facts, and the spaces: all of the first look (by view, then tap), then of the second.

    Raises:
        RecipeError: an unknown view or runtime.
    """
    _check_views(looks)
    bank, lanes = FeatureBank(cache), Lanes()
    columns = [Column(look, bank, lanes) for look in looks]
    spaces = [space for column in columns for space in column.spaces]
    facts = known_facts(root, paths, cache=cache)
    lacking, todo = _lacking(columns, facts)
    kept = len({i for i, fact in enumerate(facts) if fact is not None and fact.ok}.difference(todo))
    note = {
        "known": len(paths) - len(todo),
        "damaged": [str(path) for path in bank.damaged],
        "non_commercial": [look.backbone.name for look in looks if look.backbone.non_commercial],
    }
    sink(Event("embed", 0, len(todo), 0.0, note))
    start, decode_s = time.perf_counter(), 0.0
    filled = _filled(lacking, root, paths, todo, cache=cache, shard_rows=shard_rows, sink=sink)
    with lanes, closing(filled) as arriving:
        for i, one in arriving:
            facts[i] = one.facts
            decode_s += one.seconds
    _tell_time(sink, len(todo), kept, time.perf_counter() - start, decode_s, lanes)
    return [fact for fact in facts if fact is not None], spaces


def _tell_time(sink: Sink, images: int, kept: int, taken: float, decode_s: float, lanes: Lanes) -> None:
    """Where the time of so many images went, by backbone and view; `kept` had their rows."""
    tell_pace(sink, "", images, taken if images else 0.0, kept=kept)
    if not images:
        return
    tell_pace(sink, "reading and decoding", images, decode_s / usable_cores())
    for name, (rows, busy_s) in lanes.busy.items():
        tell_pace(sink, name, rows, busy_s)
    sink(Event("embed", images, images, taken, where_time_went(decode_s, lanes.seconds)))


def _check_views(looks: Sequence[Look]) -> None:
    for view in dict.fromkeys(view for look in looks for view in look.views):
        if view not in VIEWS:
            raise RecipeError(f"unknown view {view!r}{near(view, VIEWS)}; known: {', '.join(VIEWS)}")


def _lacking(columns: Sequence[Column], facts: Sequence[Facts | None]) -> tuple[list[Column], list[int]]:
    """Columns that lack rows, or may lack them as a file was never read; and which files must be read."""
    hashes = [fact.hash for fact in facts if fact is not None and fact.ok]
    unknown = any(fact is None for fact in facts)
    absent = [column.missing(hashes) for column in columns]
    lacking = [column for column, some in zip(columns, absent, strict=True) if unknown or some]
    every = set().union(*absent)
    return lacking, [i for i, fact in enumerate(facts) if fact is None or (fact.ok and fact.hash in every)]


def _filled(
    columns: Sequence[Column],
    root: Path,
    paths: Sequence[str],
    todo: Sequence[int],
    *,
    cache: Path,
    shard_rows: int,
    sink: Sink,
) -> Generator[tuple[int, Ingested]]:
    """Each file of `todo` as it was read, its pixels given to the columns; a cell is finished when it has passed."""
    preparations = list(dict.fromkeys(column.look.preparation for column in columns))
    place = [preparations.index(column.look.preparation) for column in columns]
    stream = ingest(root, [paths[i] for i in todo], preparations=preparations, cache=cache)
    with closing(ahead(stream, AHEAD)) as arriving:
        arrived = zip(todo, track(arriving, "embed", len(todo), sink), strict=True)
        for _, cell in groupby(arrived, key=lambda pair: pair[0] // shard_rows):
            for i, one in cell:
                if one.facts.ok:
                    for column, p in zip(columns, place, strict=True):
                        column.add(one.facts.hash, one.images[p])
                yield i, one
            for column in columns:
                column.finish_cell()


def where_time_went(decode_s: float, forward_s: float) -> dict[str, Any]:
    """What held extraction up, as the note of its last event.

    Args:
        decode_s: processor seconds of reading, decoding and preparing, all workers together.
        forward_s: wall seconds that the lanes were busy; where decoders share their cores, they stretch each other.
    """
    decode_wall_s = decode_s / usable_cores()
    return {
        "decode_s": round(decode_wall_s, 3),
        "forward_s": round(forward_s, 3),
        "bottleneck": "decoding" if decode_wall_s > forward_s else "network",
    }
