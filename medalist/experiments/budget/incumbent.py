"""The best so far: challengers compared with it in pairs, and shown in the experiment's folder by one atomic link.

`OUT/incumbent` points at a finished run or blend below `arms/`, and each file of a run folder in OUT points through it
(`OUT/submission.csv -> incumbent/submission.csv`). So replacing that one link replaces all of them in the same moment,
and OUT is a run folder for `predict`, `submit`, `blend` and `diagnose`, whenever somebody looks. Axes: N rows.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medalist import ledger
from medalist.errors import StoreError
from medalist.evidence import Comparison, compare, holm, verdict
from medalist.experiments.folder import INCUMBENT
from medalist.metrics import metrics
from medalist.pipeline.outcome import unseen_answers
from medalist.pipeline.paired import pair
from medalist.store import failpoint

# The summary last: before it stands OUT is no finished run.
SHOWN = (
    *(name for name in ledger.WRITTEN if name not in (ledger.KEY, ledger.SUMMARY)),
    *("predictions", "fitted", "tuned", "networks", ledger.SUMMARY),
)


def check_free(out: Path) -> None:
    """Refuse a folder with files of a run of its own.

    Raises:
        StoreError: names them.
    """
    own = [name for name in (ledger.KEY, *SHOWN) if (out / name).exists() and not (out / name).is_symlink()]
    if own:
        raise StoreError(f"{out} holds a run of its own ({own[0]}); choose another --out")


def show(out: Path, folder: Path) -> None:
    """Make `folder`, below `out`, what `out` shows: all of it or, where this is killed, nothing of it."""
    failpoint("before-incumbent")
    _link(out / INCUMBENT, os.path.relpath(folder, out))
    failpoint("after-incumbent")
    for name in SHOWN:
        if not (out / name).is_symlink():
            _link(out / name, f"{INCUMBENT}/{name}")


def _link(place: Path, target: str) -> None:
    """A link under its name at once, whatever stood there."""
    new = place.with_name(f".{place.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.replace(place)


def against(challenger: Path, incumbent: Path, metric: str) -> tuple[Comparison, int]:
    """The challenger against the incumbent on the rows that both were scored on, and how many those are; p is not
    corrected.

    Raises: as `paired.pair`.
    """
    both = pair(challenger, incumbent)
    return both.compare(metric), len(both.ids)


def could_be_beaten(folder: Path, metric: str, before: Sequence[float]) -> bool:
    """Whether answers without a fault would be told from a run's, as one challenger more; for tags always."""
    field, answers_N = unseen_answers(folder)
    eats, y = metrics.bind(metric).facts["eats"], field.truth.labels
    if field.table.task == "tags" or eats not in ("labels", "prob"):
        return True
    perfect_N = y if eats == "labels" else np.eye(len(field.truth.classes))[y]
    found = compare(metric, y, perfect_N, answers_N, groups=field.truth.group_N)
    return verdict_among(found, before) == "better"


def verdict_among(found: Comparison, before: Sequence[float]) -> str:
    """The verdict on a challenger, its p being Holm's among those of all challengers before it and its own."""
    return verdict(found.difference, found.stderr, float(holm([*before, found.p])[-1]))
