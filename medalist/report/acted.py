"""What a run did about doubtful images, in its own words and image by image: quarantine, suspects, leaks, left out."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medalist.ledger import KEY
from medalist.pipeline.lessons import FILE as SUSPECTS
from medalist.report.markup import cleaned
from medalist.report.seen import Seen
from medalist.store import hash_bytes

REJECTED = "rejected.csv"
TOLD = ("suspects=", "leaks: ")  # how the run's own sentences begin
QUARANTINE = " are in quarantine ("


@dataclass(frozen=True)
class Acted:
    """What was done.

    Args:
        told: the run's sentences on it.
        quarantine: ids or paths in it; empty where the list is no longer what the run read.
        suspects: by id, what models of all rows were taught otherwise.
        rejected: by path, why a file was left out.
        leaks: whether test images were answered by labelled copies.
        together: whether copies share a fold.
    """

    told: tuple[str, ...] = ()
    quarantine: frozenset[str] = frozenset()
    suspects: Mapping[str, str] = field(default_factory=dict)
    rejected: Mapping[str, str] = field(default_factory=dict)
    leaks: bool = False
    together: bool = False

    def on(self, kind: str, path: str, image_id: str, split: str) -> str:
        """What was done about a finding; empty: nothing.

        Args:
            kind: of the finding.
            path, image_id, split: of its image.
        """
        done = []
        if path in self.rejected:
            done.append("left out")
        if {path, image_id} & self.quarantine:
            done.append("not learnt from (quarantine)")
        if split != "test" and image_id in self.suspects:
            done.append(f"taught otherwise (suspects): {self.suspects[image_id]}")
        if kind == "leak" and self.leaks and split == "test":
            done.append("answered by its copy's label (leaks), if its copies agree")
        if kind in ("duplicate", "conflict") and self.together and split != "test" and not done:
            done.append("in one fold with its copies")
        return "; ".join(done)


def acted(seen: Seen) -> Acted:
    """Of a run; of imports and blends nothing but what they say."""
    recipe = seen.recipe
    return Acted(
        tuple(one for one in seen.summary["notes"] if one.startswith(TOLD) or QUARANTINE in one),
        _quarantine(seen),
        {row["id"]: cleaned(row["done"], seen.known) for row in _rows(seen.folder / SUSPECTS)},
        {row["path"]: row["reason"] for row in _rows(seen.folder / REJECTED)},
        recipe.get("leaks") == "use",
        bool(recipe) and bool((recipe.get("folds") or {}).get("duplicates", True)),
    )


def _rows(file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as lines:
        return list(csv.DictReader(lines))


def _quarantine(seen: Seen) -> frozenset[str]:
    """The names in the list, where it still has the bytes that the run read."""
    named = (seen.recipe.get("data") or {}).get("quarantine")
    file, key = Path(named or ""), seen.folder / KEY
    if named is None or not file.is_file() or not key.is_file():
        return frozenset()
    if json.loads(key.read_text(encoding="utf-8")).get("quarantine") != hash_bytes(file.read_bytes()):
        return frozenset()
    return frozenset(row.get("id") or row.get("path") or "" for row in _rows(file)) - {""}
