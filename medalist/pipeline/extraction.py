"""Files through a recipe's backbones into the bank: which runtime each runs by, what was found, where the time went."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medalist.backbones import Backbone
from medalist.data.facts import Facts
from medalist.data.table import ImageTable, Rejected
from medalist.errors import MismatchError
from medalist.features.bank import NETWORKS, FeatureBank, Space
from medalist.features.rows import Rows
from medalist.pipeline.leaked import Known
from medalist.progress import Sink, fan_out, ignore
from medalist.recipe import Recipe
from medalist.store import write_atomic

SETTLED = "runtimes.json"


@dataclass(frozen=True)
class Extracted:
    """What is known after images went through backbones.

    Args:
        facts: of each file.
        spaces: what each block of columns is: by backbone, view, tap.
        notes: sentences for people: runtimes measured, what set the pace.
    """

    facts: tuple[Facts, ...]
    spaces: tuple[Space, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Extra:
    """Images that are learnt from and never scored.

    Args:
        table: E rows whose image could be read and is neither a labelled nor a test image.
        x_ED: their features.
        hashes: of their bytes.
        rejected: the others.
    """

    table: ImageTable
    x_ED: Rows
    hashes: tuple[str, ...]
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True)
class Features:
    """The images of a table as rows of numbers.

    Args:
        train: the N labelled rows whose image could be read.
        test: all M test rows.
        x_ND: features of `train`, read when asked for; the spaces' columns side by side.
        x_test_MD: features of `test`; a row without a readable image holds zeros.
        readable_M: which test rows have features.
        group_N: int64 group of each training row (a group column, duplicates): whole in folds and bootstrap.
        hashes: N hashes of bytes.
        test_hashes: M hashes of bytes, empty where unreadable.
        extracted: what the columns are, and how they came to be.
        rejected: labelled and test rows whose file could not be read.
        extra: what is learnt from besides; None where the recipe names nothing.
        known: what labelled twins tell of test rows, where the recipe has `leaks: use`.
    """

    train: ImageTable
    test: ImageTable
    x_ND: Rows
    x_test_MD: Rows
    readable_M: np.ndarray
    group_N: np.ndarray
    hashes: tuple[str, ...]
    test_hashes: tuple[str, ...]
    extracted: Extracted
    rejected: tuple[Rejected, ...] = ()
    extra: Extra | None = None
    known: Known | None = None


def extract(
    recipe: Recipe,
    root: Path,
    paths: Iterable[str],
    *,
    cache: Path,
    settled: Path | None = None,
    sink: Sink = ignore,
) -> Extracted:
    """Files through the recipe's backbones, views and taps into the bank.

    Args:
        recipe: names them.
        root: folder that the paths are relative to.
        paths: image files.
        cache: folder of the bank.
        settled: file with the runtime of each backbone, written here before the first row where it is missing, so that
            a resumed run and `predict` use the same; None: nothing is kept.
        sink: takes progress events.
    """
    from medalist.pipeline.backbones import open_backbones

    views, taps = _asked(recipe)
    seen = Seen(tuple(open_backbones(recipe)), recipe.runtime, views, taps)
    return extract_through(seen, root, paths, cache=cache, settled=settled, sink=sink)


@dataclass(frozen=True)
class Seen:
    """What is extracted: each backbone, by a runtime or `auto`, in each view and tap."""

    backbones: tuple[Backbone, ...]
    runtime: str
    views: tuple[str, ...]
    taps: tuple[str, ...]


def extract_through(
    seen: Seen, root: Path, paths: Iterable[str], *, cache: Path, settled: Path | None = None, sink: Sink = ignore
) -> Extracted:
    """Files through backbones that are open already; see `extract`."""
    from medalist.features.column import Look
    from medalist.features.extract import embed as fill

    files, backbones, views, taps = list(paths), seen.backbones, seen.views, seen.taps
    runtimes, notes = _settle(seen, root, files, cache, settled)
    looks = [Look(backbone, runtime, views, taps) for backbone, runtime in zip(backbones, runtimes, strict=True)]
    last: dict[str, Any] = {}
    facts, spaces = fill(root, files, looks, cache=cache, sink=fan_out(sink, lambda event: last.update(event.note)))
    if "bottleneck" in last:
        notes.append(
            "features: {bottleneck} set the pace (decoding {decode_s} s, network {forward_s} s)".format(**last)
        )
    return Extracted(tuple(facts), tuple(spaces), tuple(notes))


def unit_rows(bank: FeatureBank, found: Extracted, rows: np.ndarray) -> np.ndarray:
    """Pooled features of each network in the first view, each of norm 1, all together of norm 1."""
    first = found.spaces[0].key
    pooled = [space for space in found.spaces if all(space.key[part] == first[part] for part in ("view", "tap"))]
    unit_ND = bank.rows(pooled, [found.facts[i].hash for i in rows], normalise="l2")[:]
    return np.asarray(unit_ND * np.float32(len(pooled) ** -0.5))


def _asked(recipe: Recipe) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Views and taps of frozen features: all that heads look at; without heads what fine-tuning begins with."""
    return (recipe.views, recipe.taps) if recipe.heads else (("center",), ("pooled",))


def _settle(
    seen: Seen, root: Path, files: Sequence[str], cache: Path, settled: Path | None
) -> tuple[list[str], list[str]]:
    """The runtime of each backbone, as `settled` says or chosen and written there; and sentences on the choices."""
    from medalist.backbones.runtimes.on_openvino import share
    from medalist.features.choice import choose_runtime

    notes, backbones, views, taps = list[str](), seen.backbones, seen.views, seen.taps
    if settled is not None and settled.is_file():
        runtimes = json.loads(settled.read_bytes())
    else:
        found = [
            choose_runtime(backbone, seen.runtime, root, files, num_views=len(views), taps=taps, cache=cache)
            for backbone in backbones
        ]
        runtimes, notes = [name for name, _ in found], [choice.text() for _, choice in found if choice]
        if settled is not None:
            write_atomic(settled, json.dumps(runtimes).encode())
    if settled is not None:
        for backbone, runtime in zip(backbones, runtimes, strict=True):
            share(backbone, taps, runtime, cache / NETWORKS, settled.parent / NETWORKS)
    return runtimes, notes


def settled_by(run_folder: Path) -> Path:
    """The file in which a finished run settled its runtimes.

    Raises:
        MismatchError: the run is of a version that kept none.
    """
    file = run_folder / SETTLED
    if not file.is_file():
        raise MismatchError(
            f"{run_folder} has no {SETTLED}: it is damaged or of an older medalist; run it again with --overwrite"
        )
    return file
