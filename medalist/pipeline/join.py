"""Somebody's script joins: its out-of-fold and test probabilities as CSV -> a run folder that `blend` takes.

Nothing is taken on trust that can be checked: every id once, every class a column, probabilities that are some, and the
folds those that the other runs have. Whether row i was answered by a model that never saw it, nobody can check.

Axes: N labelled images, M test images, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from medalist import __version__, ledger
from medalist.data.table import ImageTable
from medalist.data.textfiles import Csv, read_csv
from medalist.errors import DataError, MismatchError, near
from medalist.ledger import Summary
from medalist.pipeline.adversary import too_good
from medalist.pipeline.chain import Chain
from medalist.pipeline.folds import Field, against_data, read_field
from medalist.pipeline.learners import slug
from medalist.pipeline.outcome import check_chain, conclude
from medalist.pipeline.records.made import finish
from medalist.predictions import Predictions
from medalist.store import hash_bytes
from medalist.submissions.checks import SUM_TOLERANCE

ID, FOLD = "id", "fold"
SHOWN = 3
# What a lone column may be called that is not named for a class; it then is of the last one.
NEUTRAL = "p prob probability proba label target predicted prediction pred score class y"


@dataclass(frozen=True)
class Given:
    """A file of probabilities, float32 (rows, C) in the classes' order, by id; with folds where it has a column."""

    name: str
    ids: tuple[str, ...]
    prob_NC: np.ndarray
    fold_N: np.ndarray | None

    def rows(self, ids: Sequence[str]) -> np.ndarray:
        """The rows of `ids`, which are all there."""
        row_of = {name: row for row, name in enumerate(self.ids)}
        return np.asarray(self.prob_NC[[row_of[name] for name in ids]])


def join(
    oof: Path,
    test: Path,
    folds: Path,
    out: Path,
    *,
    metric: str,
    name: str = "script",
    data: ImageTable | None = None,
    overwrite: bool = False,
) -> Summary:
    """Make a run folder of a script's predictions, scored cross-fitted as any head's.

    Args:
        oof: CSV of the N labelled images: id, a column a class (or for two classes one, of the class it is named for,
            or the last under a name such as `probability`); a `fold` column is compared.
        test: CSV of the M test images, likewise.
        folds: of `medalist folds`, or `folds.csv` in a run folder.
        out: run folder to write.
        metric: that the answers are for.
        name: what to call the script.
        data: the dataset as it was read, for its sample submission and to compare labels.
        overwrite: replace another run in `out`.

    Raises:
        DataError: a file is no table of probabilities; says where.
        MismatchError: ids, classes or folds are not those of the fold file or the dataset.
    """
    field = read_field(folds)
    if data is not None:
        field = against_data(field, data)
    chain = Chain(metric, "mean", None, field.table.classes)
    check_chain(chain, field.table.task)
    key: dict[str, object] = {
        "kind": "import",
        "files": [hash_bytes(file.read_bytes()) for file in (oof, test) if file.is_file()],
        "folds": field.folds.hash,
        "metric": metric,
        "name": name,
        "medalist": __version__,
    }
    if not overwrite and (done := ledger.finished(out, key)) is not None:
        return replace(done, notes=(*done.notes, "nothing was computed: this import was finished before"))
    given = read_given(oof, field.table)
    run = _predictions(name, field, given, read_given(test, field.table), key)
    with ledger.writing(out, key, overwrite=overwrite):
        run.save(out / "predictions" / slug(name))
        _, summary = conclude(
            field, [run], chain, out, facts={"kind": "import", "ensemble": None}, notes=_notes(name, given)
        )
        summary = replace(summary, notes=(*too_good(run, summary, field.truth.labels), *summary.notes))
        finish(out, summary)
    return summary


def _notes(name: str, oof: Given) -> list[str]:
    word = f"{name} was imported: that its out-of-fold rows were unseen by the models behind them is its author's word"
    return [word, *([] if oof.fold_N is not None else [f"folds were not checked: {oof.name} has no fold column"])]


def _predictions(name: str, field: Field, oof: Given, test: Given, key: dict[str, object]) -> Predictions:
    """Checked against the rows, and in their order."""
    ids, every = tuple(field.table.ids), field.outer or field.folds
    # Beside a run that holds out one fold, a script may have answered all folds or that one.
    check_ids(oof, ids if set(oof.ids) <= set(ids) else every.ids, "the fold file")
    test_ids = tuple(dict.fromkeys(test.ids)) if field.test_ids is None else field.test_ids
    check_ids(test, test_ids, "the test set")
    if oof.fold_N is not None:
        fold_of = dict(zip(every.ids, every.fold_N.tolist(), strict=True))
        pairs = zip(oof.ids, oof.fold_N.tolist(), strict=True)
        strange = [(image, fold) for image, fold in pairs if fold_of[image] != fold]
        if strange:
            image, fold = strange[0]
            raise MismatchError(
                f"{oof.name}: {len(strange)} images are in another fold than the fold file says, such as {image!r}"
                f" ({fold}, not {fold_of[image]}); train with the fold file's folds, its score means nothing otherwise"
            )
    return Predictions(
        name=name,
        ids=ids,
        test_ids=test_ids,
        oof_NC=oof.rows(ids),
        test_KMC=test.rows(test_ids)[None],
        fit_NC=np.zeros((0, len(field.table.classes)), np.float32),
        scale="prob",
        class_hash=field.table.class_hash,
        fold_hash=field.folds.hash,
        meta={"key": key},
    )


def check_ids(given: Given, expected: Sequence[str], where: str) -> None:
    """Every id once, and no other.

    Raises:
        MismatchError: tells all that are repeated, missing or too many.
    """
    times = Counter(given.ids)
    known = set(expected)
    faults = [
        *_counted("come more than once", [name for name, count in times.items() if count > 1]),
        *_counted("are missing", [name for name in expected if name not in times]),
        *_counted(f"are not in {where}", [name for name in times if name not in known]),
    ]
    if faults:
        hint = _spelling(
            [name for name in times if name not in known], [name for name in expected if name not in times]
        )
        raise MismatchError(f"{given.name} must have each id of {where} once: {'; '.join(faults)}{hint}")


def _spelling(strange: Sequence[str], missing: Sequence[str]) -> str:
    """What to write instead, where ids differ by their folder or ending alone: `test/1.jpg` for `1`."""
    wanted = {PurePosixPath(name).stem: name for name in missing}
    pairs = [(got, wanted[stem]) for got in strange if (stem := PurePosixPath(got).stem) in wanted]
    if not pairs:
        return ""
    return f"; ids are text, with folder and ending or without: write {pairs[0][1]!r} where you have {pairs[0][0]!r}"


def _counted(what: str, names: Sequence[str]) -> list[str]:
    shown = ", ".join(map(repr, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
    return [f"{len(names)} ids {what} ({shown})"] if names else []


def read_given(file: Path, table: ImageTable) -> Given:
    """Read a CSV of probabilities; ids are text, its rows sum to 1 where classes exclude each other.

    Raises:
        DataError: columns that are not the classes, or numbers that are no probabilities; says how many and where.
    """
    found = read_csv(file, file.name)
    if found.faults or not found.rows:
        line, reason = found.faults[0] if found.faults else (1, "no rows follow")
        raise DataError(f"{file.name}, line {line}: {reason}; mend the file")
    if found.header[0] != ID:
        raise DataError(f"{file.name} begins with the column {found.header[0]!r}, expected {ID!r}")
    folded = FOLD in found.header[1:] and FOLD not in table.classes
    names = [name for name in found.header[1:] if not (folded and name == FOLD)]
    prob_NC = _numbers(found, names)
    if len(names) == 1 and table.task == "binary":
        prob_NC = _both(file.name, prob_NC, names[0], table.classes)
    else:
        prob_NC = prob_NC[:, _order(file.name, names, table.classes)]
    ids = tuple(row[0] for row in found.rows)
    _check_numbers(found, prob_NC, exclusive=table.task != "tags")
    if table.task != "tags":
        # Rounding to a few decimals leaves sums beside 1.
        prob_NC = prob_NC / prob_NC.sum(axis=1, keepdims=True)
    return Given(file.name, ids, np.clip(prob_NC, 0, 1).astype(np.float32), _folds(found) if folded else None)


def _numbers(found: Csv, names: Sequence[str]) -> np.ndarray:
    """The cells of some columns, float64."""
    at = [found.header.index(name) for name in names]
    try:
        return np.array([[float(row[column]) for column in at] for row in found.rows]).reshape(len(found.rows), -1)
    except ValueError:
        raise DataError(_no_number(found, at)) from None


def _no_number(found: Csv, at: Sequence[int]) -> str:
    """Where the first cell is that is no number, and how many there are."""
    bad = [
        (line, row, column)
        for line, row in zip(found.lines, found.rows, strict=True)
        for column in at
        if not _reads(row[column])
    ]
    line, row, column = bad[0]
    what = f"{row[column]!r}, which is no number," if row[column].strip() else "a blank cell"
    more = f" ({len(bad)} such cells in all)" if len(bad) > 1 else ""
    where = f"{found.name}, line {line}: id {row[0]!r} has {what} in column {found.header[column]!r}"
    return f"{where}{more}; expected a number"


def _reads(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _folds(found: Csv) -> np.ndarray:
    fold_N = _numbers(found, [FOLD])[:, 0]
    if not (np.isfinite(fold_N) & (fold_N == np.round(fold_N))).all():
        raise DataError(
            f"{found.name} has a fold that is no whole number; leave the column out or give the fold file's"
        )
    return fold_N.astype(np.int64)


def _both(file: str, prob_N1: np.ndarray, name: str, classes: Sequence[str]) -> np.ndarray:
    """(N, 2) from the probability of one class: the one that the column is named for, or the last if for none."""
    if name not in classes and name.lower() not in NEUTRAL.split():
        raise DataError(
            f"{file} has one column of probabilities, {name!r}, which is no class{near(name, classes)}; name it for the"
            f" class that it is of ({' or '.join(map(repr, classes))}), or `probability` for {classes[-1]!r}"
        )
    one = classes.index(name) if name in classes else len(classes) - 1
    return np.concatenate([1 - prob_N1, prob_N1] if one == 1 else [prob_N1, 1 - prob_N1], axis=1)


def _order(file: str, names: Sequence[str], classes: Sequence[str]) -> list[int]:
    """Where each class's column is."""
    absent, strange = [c for c in classes if c not in names], [name for name in names if name not in classes]
    if absent or strange:
        told = [*_counted("of classes have no column", absent), *_counted("are columns of no class", strange)]
        hint = near(strange[0], absent) if strange and absent else ""
        raise DataError(f"{file} must have a column a class: {'; '.join(told).replace(' ids ', ' ')}{hint}")
    return [list(names).index(c) for c in classes]


def _check_numbers(found: Csv, prob_NC: np.ndarray, *, exclusive: bool) -> None:
    """Every number finite and from 0 to 1, every row of exclusive classes summing to 1."""
    finite_N = np.isfinite(prob_NC).all(axis=1)
    # A rounded 1.0000001 is a probability still.
    ranged_N = ~finite_N | ((prob_NC >= -1e-6) & (prob_NC <= 1 + 1e-6)).all(axis=1)
    summed_N = ~finite_N | (np.abs(prob_NC.sum(axis=1) - 1) <= SUM_TOLERANCE) | (not exclusive)
    faults = {"are NaN or infinite": finite_N, "lie outside 0 to 1": ranged_N, "do not sum to 1": summed_N}
    told = [
        f"{(~good_N).sum()} rows {what} (line {found.lines[int(np.argmin(good_N))]})"
        for what, good_N in faults.items()
        if not good_N.all()
    ]
    if told:
        raise DataError(f"{found.name} must hold probabilities: {'; '.join(told)}; apply softmax or sigmoid first")
