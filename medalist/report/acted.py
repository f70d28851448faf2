"""What a run did about doubtful images, in its own words and image by image: quarantine, suspects, leaks, left out."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medalist.pipeline.leaked import FILE as LEAKS
from medalist.pipeline.lessons import FILE as SUSPECTS
from medalist.pipeline.quarantine import FILE as QUARANTINED
from medalist.report.markup import cleaned
from medalist.report.seen import Seen

REJECTED = "rejected.csv"
TOLD = ("suspects=", "leaks: ")  # how the run's own sentences begin
QUARANTINE = " are in quarantine ("


@dataclass(frozen=True)
class Acted:
    """What was done.

    Args:
        told: the run's sentences on it.
        quarantine: paths of labelled images in it.
        suspects: by id, what models of all rows were taught otherwise.
        rejected: by path, why a file was left out.
        leaks: ids of test images that were answered by a labelled copy.
        fold_of: by id, the fold of each scored image.
    """

    told: tuple[str, ...] = ()
    quarantine: frozenset[str] = frozenset()
    suspects: Mapping[str, str] = field(default_factory=dict)
    rejected: Mapping[str, str] = field(default_factory=dict)
    leaks: frozenset[str] = frozenset()
    fold_of: Mapping[str, int] = field(default_factory=dict)

    def on(self, kind: str, path: str, image_id: str, split: str, copies: Collection[str]) -> str:
        """What was done about a finding; empty: nothing.

        Args:
            kind: of the finding.
            path, image_id, split: of its image.
            copies: ids of all labelled images of its cluster.
        """
        done = []
        if path in self.rejected:
            done.append("left out")
        if split != "test" and path in self.quarantine:
            done.append("not learnt from (quarantine)")
        if split != "test" and image_id in self.suspects:
            done.append(f"taught otherwise (suspects): {self.suspects[image_id]}")
        if split == "test" and image_id in self.leaks:
            done.append("answered by its copy's label (leaks)")
        if kind in ("duplicate", "conflict") and split != "test" and not done and self._together(copies):
            done.append("in one fold with its copies")
        return "; ".join(done)

    def _together(self, copies: Collection[str]) -> bool:
        """Whether the run's folds hold them all in one; not known of rows that were not scored."""
        return len(copies) > 1 and len({self.fold_of.get(one, -place) for place, one in enumerate(copies, 1)}) == 1


def acted(seen: Seen) -> Acted:
    """Of a run; of imports and blends nothing but what they say."""
    return Acted(
        tuple(one for one in seen.summary["notes"] if one.startswith(TOLD) or QUARANTINE in one),
        frozenset(row["path"] for row in _rows(seen.folder / QUARANTINED)),
        {row["id"]: cleaned(row["done"], seen.known) for row in _rows(seen.folder / SUSPECTS)},
        {row["path"]: row["reason"] for row in _rows(seen.folder / REJECTED)},
        frozenset(row["id"] for row in _rows(seen.folder / LEAKS)),
        dict(zip(seen.field.table.ids.tolist(), seen.field.truth.fold_N.tolist(), strict=True)),
    )


def _rows(file: Path) -> list[dict[str, str]]:
    if not file.is_file():
        return []
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as lines:
        return list(csv.DictReader(lines))
