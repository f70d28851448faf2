"""`medalist expand`: more images for each class, found, fetched, screened, and told; the dataset is never written to.

The folder: `request.json` (what was asked, first), `found.jsonl`, `downloads.jsonl`, `images/`, `extra.csv`,
`refused.csv`, `sheets/`, `summary.json` (last). The same command goes on; what was fetched is not fetched again.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medalist import ledger
from medalist.data.table import ImageTable
from medalist.errors import RecipeError, StoreError, near
from medalist.expansion.dataset import Dataset
from medalist.expansion.found import IMAGES, Fetched, Refused
from medalist.expansion.gather import gather
from medalist.expansion.journal import JOURNAL
from medalist.expansion.screen import screen
from medalist.expansion.sheets import SHEETS, draw
from medalist.expansion.sources import sources
from medalist.expansion.told import told
from medalist.expansion.web import Web
from medalist.expansion.written import EXTRA, REFUSED, SUMMARY, write
from medalist.features.bank import NETWORKS
from medalist.pipeline.backbones import choose
from medalist.pipeline.extraction import SETTLED
from medalist.progress import Sink, ignore, stage
from medalist.recipe import Recipe

REQUEST = "request.json"
CLASS = "{class}"
TRIAL = ("queries.json", IMAGES, JOURNAL, SETTLED, NETWORKS)  # what comparing queries leaves behind


@dataclass(frozen=True)
class Asked:
    """What is wanted of the world.

    Args:
        sources: calls such as `folder(path='more')` or `openverse`.
        per_class: finds of each class that are looked at.
        query: what search services are asked; `{class}` becomes the class's name.
        skip: classes that want no more images.
        looks: whether images are compared with their class; without it anything that is no copy is let in.
    """

    sources: tuple[str, ...]
    per_class: int
    query: str = CLASS
    skip: tuple[str, ...] = ()
    looks: bool = True


def expand(
    recipe: Recipe,
    root: Path,
    out: Path,
    asked: Asked,
    *,
    web: Web | None = None,
    cache: Path,
    sink: Sink = ignore,
) -> str:
    """Find, fetch and screen; what became of each class, and what to type next.

    Args:
        recipe: how DATA is read, and by which backbones images are compared.
        root: folder of the dataset.
        out: folder of the expansion.
        asked: what is wanted.
        web: who asks; None: nobody that a service would answer.
        cache: folder of facts and features.
        sink: takes progress events.

    Raises:
        RecipeError: an unknown source or class, a query without `{class}`, or `out` inside the dataset.
        StoreError: `out` holds another expansion, or something else.
    """
    check(root, out, asked)
    notes: list[str] = []
    recipe = choose(recipe, notes)
    seconds: dict[str, float] = {}
    with ledger.locked(out):
        begin(out, request_of(recipe, root, asked))
        with stage("read", sink, seconds):
            dataset = Dataset.of(recipe, root, cache=cache, sink=sink)
        queries = queries_of(dataset.table, asked)
        wanted = dict.fromkeys(queries, asked.per_class)
        skipped = set(dataset.table.classes) - set(queries)
        found = gather(asked.sources, queries, wanted, out, web=web or Web(), skipped=skipped, sink=sink)
        fetched = [one for one in found.outcomes if isinstance(one, Fetched)]
        refused = [one for one in found.outcomes if isinstance(one, Refused)]
        with stage("screen", sink, seconds):
            screened = screen(dataset, out, fetched, looks=asked.looks, cache=cache, sink=sink)
        draw(out, screened)
        facts: dict[str, Any] = {"sources": list(asked.sources), "query": asked.query, "looks": asked.looks}
        notes += found.notes
        summary = write(out, screened, refused, {**facts, "backbones": list(recipe.backbones), "notes": notes})
    return "\n".join([*told(summary), *_next(root, out, summary)])


def check(root: Path, out: Path, asked: Asked) -> None:
    """What can be told before anything is read.

    Raises:
        RecipeError: see `expand`.
    """
    if out.resolve().is_relative_to(root.resolve()):
        raise RecipeError(f"--out {out} lies inside the dataset, which is never written to; name a folder elsewhere")
    if asked.per_class < 1:
        raise RecipeError(f"--per-class {asked.per_class}: expected 1 or more")
    if not asked.sources:
        raise RecipeError(f"expected --source, one or more of: {', '.join(sources)}; such as --source openverse")
    for call in asked.sources:
        sources.bind(call)
    check_query(asked.query)


def check_query(query: str) -> None:
    """A query must name its class.

    Raises:
        RecipeError: it does not.
    """
    if CLASS not in query:
        raise RecipeError(f"query {query!r} would ask the same of every class; type one such as '{CLASS} {query}'")


def request_of(recipe: Recipe, root: Path, asked: Asked) -> dict[str, Any]:
    """What a folder is for; how many images is not part of it, as more of the same may be asked for."""
    return {
        "data": str(root.resolve()),
        "recipe": recipe.model_dump(mode="json", include={"data", "backbones", "size", "views", "taps", "folds"}),
        "sources": list(asked.sources),
        "query": asked.query,
        "looks": asked.looks,
    }


def begin(out: Path, request: Mapping[str, Any]) -> None:
    """Write what is asked, first of all; the folder must hold the same, nothing, or what was never finished.

    An attempt that failed or was killed has no summary: what it fetched stays, for this request or the next.

    Raises:
        StoreError: says what differs.
    """
    file = out / REQUEST
    if file.is_file() and (held := json.loads(file.read_bytes())) != request:
        if (out / SUMMARY).is_file():
            differing = sorted(part for part in {*held, *request} if held.get(part) != request.get(part))
            raise StoreError(
                f"{out} holds an expansion of another request (different: {', '.join(differing)}); choose another --out"
            )
        (out / SETTLED).unlink(missing_ok=True)  # runtimes of other backbones, perhaps
        ledger.write_json(file, request)
    if file.is_file():
        return
    foreign = sorted(one.name for one in out.iterdir() if not one.name.startswith(".") and one.name not in TRIAL)
    if foreign:
        raise StoreError(f"{out} holds {foreign[0]}, which no expansion wrote; choose another --out, empty or new")
    ledger.write_json(file, request)


def queries_of(table: ImageTable, asked: Asked) -> dict[str, str]:
    """What is asked for each class, by its label as the organisers write it.

    Raises:
        RecipeError: a class to be skipped is none.
    """
    names = dict(zip(table.classes, table.class_names or table.classes, strict=True))
    known = {*names, *names.values()}
    for name in asked.skip:
        if name not in known:
            raise RecipeError(f"--skip {name!r} is no class{near(name, known)}; there are: {_some(sorted(known))}")
    return {
        label: asked.query.replace(CLASS, name.replace("_", " "))
        for label, name in names.items()
        if not {label, name} & set(asked.skip)
    }


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _next(root: Path, out: Path, summary: Mapping[str, Any]) -> list[str]:
    """Files, and what to type."""
    files = [out / name for name in (EXTRA, REFUSED, SUMMARY, SHEETS)]
    lines = [f"written: {', '.join(map(str, files))}"]
    if any(one["accepted"] for one in summary["classes"].values()):
        typed = shlex.join(["medalist", "run", str(root), "--metric", "METRIC", f"extra={out}"])
        lines.append(f"look at {out / SHEETS}; whether they help: --judge at the end of this command, or: {typed}")
    return lines
