"""`medalist check`: what a dataset is and what is wrong with its files; nothing is trained, no network is loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medalist.data.describe import describe
from medalist.data.facts import Facts
from medalist.data.groups import Duplicates, duplicates
from medalist.data.ingest import facts_of
from medalist.data.table import TEST, ImageTable
from medalist.pipeline.way import read
from medalist.progress import Sink, ignore
from medalist.recipe import Recipe

MOST = 10


def audit(recipe: Recipe, root: Path, *, cache: Path, sink: Sink = ignore) -> str:
    """Read the dataset, open every image once, and say what was found as plain text."""
    table = read(recipe, root)
    facts = facts_of(table.root, list(table.paths), cache=cache, sink=sink)
    return "\n".join([describe(table), *_formats(facts), *_broken(table, facts), *_duplicates(table, facts)])


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


def _broken(table: ImageTable, facts: Sequence[Facts]) -> list[str]:
    broken = [(table.paths[i] or table.ids[i], fact.reason) for i, fact in enumerate(facts) if not fact.ok]
    if not broken:
        return ["every image could be decoded"]
    return [
        f"{len(broken)} images cannot be used (training rows are left out, test rows are answered by the class prior):",
        *_listed([f"{path}: {reason}" for path, reason in broken]),
    ]


def _duplicates(table: ImageTable, facts: Sequence[Facts]) -> list[str]:
    """Files that show the same picture: under different labels first, then those in training and test."""
    labelled = table.split != TEST
    found = duplicates([fact if fact.ok else Facts(False) for fact in facts])  # empty files show no picture
    if not found:
        return ["no two files show the same picture"]

    def conflict(cluster: Duplicates) -> bool:
        return len({_label(table, i) for i in cluster.rows if labelled[i]}) > 1

    def leak(cluster: Duplicates) -> bool:
        return len({bool(labelled[i]) for i in cluster.rows}) == 2

    ordered = sorted(found, key=lambda cluster: (not conflict(cluster), not leak(cluster)))
    return [
        f"{sum(len(cluster.rows) for cluster in found)} files in {len(found)} clusters show the same picture"
        f" (a cluster shares a fold); {sum(map(conflict, found))} have different labels,"
        f" {sum(map(leak, found))} lie in training and test:",
        *_listed([f"{cluster.kind}: {' = '.join(str(table.paths[i]) for i in cluster.rows)}" for cluster in ordered]),
    ]


def _label(table: ImageTable, row: int) -> tuple[int, ...]:
    if isinstance(table.labels, np.ndarray):
        return (int(table.labels[row]),)
    return tuple(table.labels[[row]].indices.tolist())


def _listed(lines: Sequence[str]) -> list[str]:
    more = [f"  ... and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return [*(f"  {line}" for line in lines[:MOST]), *more]
