"""Runs, imports, or both -> one submission: members read from their folders, blended and decided as a run's heads are.

Nothing is embedded or trained and no torch is loaded. Axes: N labelled images, M test images, C classes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medalist import __version__, ledger
from medalist.ensembles.diversity import diversity
from medalist.ensembles.members import Members
from medalist.errors import MismatchError, StoreError
from medalist.ledger import Summary
from medalist.pipeline.adversary import warnings_of
from medalist.pipeline.chain import Chain
from medalist.pipeline.folds import Field, load_field
from medalist.pipeline.kept import label_lists
from medalist.pipeline.learners import slug
from medalist.pipeline.outcome import check_chain, conclude, decision_of
from medalist.pipeline.records.made import finish
from medalist.pipeline.ruling.disclosure import disclosed_by, save_disclosure
from medalist.pipeline.told import tell_copies
from medalist.predictions import Predictions
from medalist.store import hash_bytes, hash_json

ARRAYS = ("predictions.json", "oof.npy", "test.npy")


@dataclass(frozen=True)
class Member:
    """Predictions of one learner of one run; `name` tells it from those of the other runs."""

    name: str
    folder: Path
    run: Predictions


def blend(
    folders: Sequence[Path],
    out: Path,
    *,
    ensemble: str = "blend",
    decide: str | None = None,
    metric: str | None = None,
    overwrite: bool = False,
) -> Summary:
    """Blend all learners of the runs; the chain of weights and rule is cross-fitted as one.

    Args:
        folders: finished runs and imports of the same rows and folds.
        out: run folder to write.
        ensemble: how to blend.
        decide: decision rule; None: the metric's own.
        metric: None: the one that the runs share.
        overwrite: replace another run in `out`.

    Raises:
        MismatchError: rows, classes, folds, labels or test images differ; names them, and what to type.
        StoreError: a folder holds no finished run, or no learner's predictions.
    """
    members = [member for folder in folders for member in members_of(folder, folders)]
    field = _shared_field(folders)
    chain = Chain(metric or _shared_metric(folders), ensemble, decide, field.table.classes)
    check_chain(chain, field.table.task)
    sources = [_source(member, out) for member in members]
    facts = {"kind": "blend", "ensemble": ensemble, "sources": sources}
    key = {
        **facts,
        "sources": [[source["name"], source["hash"]] for source in sources],
        "rows": hash_json([label_lists(field.table), field.truth.group_N.tolist(), field.test_ids]),
        "metric": chain.metric,
        "decide": decide,
        "medalist": __version__,
    }
    if not overwrite and (done := ledger.finished(out, key)) is not None:
        return replace(done, notes=(*done.notes, "nothing was computed: this blend was finished before"))
    runs = _of_common_test_ids(members, field)
    with ledger.writing(out, key, overwrite=overwrite):
        decision, summary = conclude(field, runs, chain, out, facts=facts)
        disclosed = disclosed_by(folders)
        save_disclosure(disclosed.used, disclosed.rules, out)
        decision.blend.save(out / "predictions" / slug(ensemble))
        summary = replace(summary, notes=(*warnings_of(folders), *_differences(runs, field), *summary.notes))
        finish(out, summary)
    return summary


def _differences(runs: Sequence[Predictions], field: Field) -> list[str]:
    """Members that are copies, and the table of how differently all err."""
    if len(runs) < 2:
        return ["one member: there is nothing to blend it with"]
    members = Members([run.oof_NC for run in runs])
    table = diversity(members, field.truth.labels).text([run.name for run in runs]).splitlines()
    return [*tell_copies(runs), *table]


def members_of(folder: Path, among: Sequence[Path] = ()) -> list[Member]:
    """The learners of a run or import; of a blend those that it is of.

    Args:
        folder: of a finished run.
        among: all folders that names must tell apart.

    Raises:
        StoreError: it is not finished, or holds none.
    """
    facts = decision_of(folder)
    if facts["kind"] == "blend":
        told = ", ".join(sorted({source["folder"] for source in facts["sources"]}))
        raise StoreError(f"{folder} is a blend and has no learners of its own; name the runs it is of: {told}")
    blended = slug(facts["ensemble"]) if facts["ensemble"] else ""
    parts = sorted(part for part in (folder / "predictions").iterdir() if part.name != blended and part.is_dir())
    runs = [(part, Predictions.load(part)) for part in parts]
    if not runs:
        raise StoreError(f"{folder} holds no learner's predictions; type: medalist run DATA --out {folder}")
    prefix = _prefix(folder, among)
    return [Member(f"{prefix}{run.name}", part, replace(run, name=f"{prefix}{run.name}")) for part, run in runs]


def _prefix(folder: Path, among: Sequence[Path]) -> str:
    """What tells a run's learners from those of the others: the folder's name, or its path where names repeat."""
    if len(among) < 2:
        return ""
    alike = [other for other in among if other.resolve().name == folder.resolve().name]
    return f"{folder.resolve().name if len(alike) == 1 else folder.as_posix()}/"


def _source(member: Member, out: Path) -> dict[str, str]:
    """Where a member is, seen from the blend's folder, and what it held."""
    folder = Path(os.path.relpath(member.folder.resolve(), out.resolve())).as_posix()
    return {"name": member.name, "folder": folder, "hash": digest(member.folder)}


def digest(part: Path) -> str:
    """Hash of a folder of predictions; of what is in sample nothing depends on."""
    return hash_json([hash_bytes((part / name).read_bytes()) for name in ARRAYS])


def _shared_metric(folders: Sequence[Path]) -> str:
    found = {decision_of(folder)["metric"]: folder for folder in folders}
    if len(found) > 1:
        told = ", ".join(f"{folder}: {metric}" for metric, folder in found.items())
        raise MismatchError(f"the runs have several metrics ({told}); type --metric {next(iter(found))}")
    return str(next(iter(found)))


def _shared_field(folders: Sequence[Path]) -> Field:
    """The rows of the first run, which all others must have; the sample submission of the first that has one."""
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise MismatchError(f"a run is named twice: {', '.join(map(str, folders))}")
    fields = [load_field(folder) for folder in folders]
    if held := next((field for field in fields if field.outer is not None), None):
        fields = [field.held(held) for field in fields]  # of runs of all folds, what one holdout can be blended with
    for folder, field in zip(folders[1:], fields[1:], strict=True):
        _check_same(folders[0], fields[0], folder, field)
    sample = next((field.table.sample for field in fields if field.table.sample), None)
    return replace(fields[0], table=replace(fields[0].table, sample=sample))


def _check_same(one: Path, first: Field, two: Path, other: Field) -> None:
    """Refuse runs that cannot be compared row by row; say what differs, and where."""
    both = f"{one} and {two} differ in their"
    again = (
        f"make {two} again with those folds: medalist run DATA ... folds.file={one / 'folds.csv'}, or for an import"
        f" --folds {one / 'folds.csv'}"
    )
    apart = "the runs are of different datasets, which cannot be blended"
    if first.table.classes != other.table.classes:
        strange = sorted(set(first.table.classes) ^ set(other.table.classes))
        said = f"{len(strange)} are in one only, such as {strange[0]!r}" if strange else "their order"
        raise MismatchError(f"{both} classes: {said}; {apart}")
    if strange := sorted(set(first.folds.ids) ^ set(other.folds.ids)):
        raise MismatchError(f"{both} images: {len(strange)} are in one only, such as {strange[0]!r}; {again}")
    if first.folds.hash != other.folds.hash:
        fold_of = dict(zip(other.folds.ids, other.folds.fold_N.tolist(), strict=True))
        pairs = zip(first.folds.ids, first.folds.fold_N.tolist(), strict=True)
        moved = [name for name, fold in pairs if fold_of[name] != fold]
        said = f"{len(moved)} images are in other folds, such as {moved[0]!r}" if moved else "the order of the images"
        raise MismatchError(f"{both} folds: {said}; {again}")
    if label_lists(first.table) != label_lists(other.table):
        raise MismatchError(f"{both} labels; {apart}")
    torn_N = _regrouped(first.truth.group_N, other.truth.group_N)
    if torn_N.any():
        name = first.folds.ids[torn_N.argmax()]
        raise MismatchError(
            f"{both} groups: {torn_N.sum()} images are grouped with others, such as {name!r}, and the error of a score"
            f" depends on that; {again}, and with the same folds.duplicates and group column"
        )
    if set(first.test_ids or ()) != set(other.test_ids or ()):
        strange = sorted(set(first.test_ids or ()) ^ set(other.test_ids or ()))
        raise MismatchError(
            f"{both} test images: {len(strange)} are in one only, such as {strange[0]!r}; make both of the same DATA,"
            " for an import with --data DATA"
        )


def _regrouped(one_N: np.ndarray, two_N: np.ndarray) -> np.ndarray:
    """(N,) bool: rows whose group is other rows in one grouping than in the other; names of groups mean nothing."""
    _, one_N, one_G = np.unique(one_N, return_inverse=True, return_counts=True)
    _, two_N, two_G = np.unique(two_N, return_inverse=True, return_counts=True)
    _, both_N, both_G = np.unique([one_N, two_N], axis=1, return_inverse=True, return_counts=True)
    shared_N = both_G[both_N.ravel()]
    return np.asarray((one_G[one_N] != shared_N) | (two_G[two_N] != shared_N))


def _of_common_test_ids(members: Sequence[Member], field: Field) -> list[Predictions]:
    """Test rows in the first run's order, those that every member answers: a script may answer what a run could not."""
    common = set.intersection(*(set(member.run.test_ids) for member in members))
    kept = tuple(name for name in field.test_ids or () if name in common)
    return [_taking(_held(member.run, field), kept) for member in members]


def _held(run: Predictions, field: Field) -> Predictions:
    """Of a run of all folds the rows that another holds out; folds that are neither's stay, and are refused later."""
    if field.outer is None or run.fold_hash != field.outer.hash:
        return run
    return run.take(field.folds.ids, field.folds.hash)


def _taking(run: Predictions, test_ids: tuple[str, ...]) -> Predictions:
    if run.test_ids == test_ids:
        return run
    row_of = {name: row for row, name in enumerate(run.test_ids)}
    rows: Any = np.array([row_of[name] for name in test_ids], np.int64)
    return replace(run, test_ids=test_ids, test_KMC=run.test_KMC[:, rows])
