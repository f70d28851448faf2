"""Submissions of which nothing but the file is known: averaged by id, checked, and never scored.

No out-of-fold rows come with such a file, so that no cross-validation score can be given: a public score is all that
speaks for it. Axes: R files, M ids, C columns.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medalist.data.sample import INTEGER, parse_sample
from medalist.data.table import SampleSubmission
from medalist.errors import SubmissionError, near
from medalist.store import write_atomic
from medalist.submissions.checks import BOM, check, dialect_of, parse

WAYS = ("mean", "geometric", "rank", "vote")
FLOOR = 1e-9  # no file rules a class out: below it, a probability counts as this much


def average(files: Sequence[Path], sample: Path, out: Path, *, how: str | None = None) -> str:
    """Average submissions by id into one of the sample's form.

    Args:
        files: R submissions; R at least 2.
        sample: the organisers' sample submission.
        out: file to write; whatever it held is kept where something is wrong.
        how: `mean`; `geometric` (of probabilities; rows of class columns sum to 1 again); `rank` (mean place among all
            ids, for metrics that rank); `vote` (most frequent answer, of equals the first file's; for tags those in
            more than half of the files). None: `vote` for names and tags, else `mean`.

    Returns:
        A sentence for people.

    Raises:
        SubmissionError: a file fails a check, answers of this kind have no such average, or fewer than two files.
    """
    if how is not None and how not in WAYS:
        raise SubmissionError(f"unknown --how {how!r}{near(how, WAYS)}; ways: {', '.join(WAYS)}")
    if len(files) < 2:
        raise SubmissionError(f"got {len(files)} file, an average needs two or more")
    asked = parse_sample(sample)
    tables = [_rows(file, asked) for file in files]
    numbers = asked.kind in ("probability", "wide") or (asked.kind == "index" and not _whole(tables))
    how = how or ("mean" if numbers else "vote")
    if (how == "vote") == numbers:
        fit = "mean, geometric or rank" if numbers else "vote"
        raise SubmissionError(
            f"the sample asks for answers of kind {asked.kind}, which have no {how}; type --how {fit}"
        )
    cells = _voted(tables, asked) if how == "vote" else _blended(tables, asked, MEANS[how])
    _write(asked, cells, out)
    done = f"{how} of {len(files)} submissions{_meaning(how, asked, len(files))}"
    return (
        f"{out}: {done}, {len(asked.ids)} ids. Nobody knows its cross-validation score:"
        " no out-of-fold predictions came with the files"
    )


def _meaning(how: str, asked: SampleSubmission, num_files: int) -> str:
    """What a vote did."""
    if how != "vote":
        return ""
    if asked.kind != "tags":
        return " (the most frequent answer; of equals the first file's)"
    return (
        f" (tags that at least {num_files // 2 + 1} of {num_files} files have; where there is none, the most frequent"
        " tag, of equals the first file's)"
    )


def _rows(file: Path, asked: SampleSubmission) -> dict[str, list[str]]:
    """The answer cells of each id, from a file that passes every check but that of the order."""
    faults = [fault for fault in check(file, asked) if fault.code != "order"]
    if faults:
        told = "".join(f"\n  {fault}" for fault in faults)
        raise SubmissionError(f"{file} cannot be averaged:{told}")
    _, *rows = parse(file.read_bytes().removeprefix(BOM), dialect_of(asked)[0])
    return {row[0]: row[1:] for row in rows}


def _whole(tables: Sequence[dict[str, list[str]]]) -> bool:
    """Whether all answers are whole numbers: 0 and 1 in a sample may hold the place of probabilities."""
    return all(INTEGER.fullmatch(cell.strip()) for table in tables for cells in table.values() for cell in cells)


def _voted(tables: Sequence[dict[str, list[str]]], asked: SampleSubmission) -> list[list[str]]:
    """The most frequent answer, or the tags that more than half of the files give; where none, the most frequent."""
    if asked.kind != "tags":
        return [[Counter(table[name][0] for table in tables).most_common(1)[0][0]] for name in asked.ids]
    answers = []
    for name in asked.ids:
        times = Counter(tag.strip() for table in tables for tag in table[name][0].split(asked.joiner))
        tags = [tag for tag, count in times.items() if 2 * count > len(tables)] or [times.most_common(1)[0][0]]
        answers.append([asked.joiner.join(tags)])
    return answers


def _blended(
    tables: Sequence[dict[str, list[str]]], asked: SampleSubmission, blend: Callable[[np.ndarray, bool], np.ndarray]
) -> list[list[str]]:
    prob_RMC = np.array([[[float(cell) for cell in table[name]] for name in asked.ids] for table in tables])
    sums = asked.kind == "wide" and bool((np.abs(prob_RMC.sum(axis=2) - 1) < 0.01).all())
    prob_MC = blend(prob_RMC, sums)
    return [[np.format_float_positional(np.float32(value), trim="-") for value in row] for row in prob_MC]


def _mean(prob_RMC: np.ndarray, sums: bool) -> np.ndarray:
    return np.asarray(prob_RMC.mean(axis=0))


def _geometric(prob_RMC: np.ndarray, sums: bool) -> np.ndarray:
    """Mean of the logarithms, or where each column stands alone of the logits."""
    prob_RMC = np.clip(prob_RMC, FLOOR, 1 - FLOOR)
    if sums:
        power_MC = np.exp(np.log(prob_RMC).mean(axis=0))
        return np.asarray(power_MC / power_MC.sum(axis=1, keepdims=True))
    return np.asarray(1 / (1 + np.exp(-np.log(prob_RMC / (1 - prob_RMC)).mean(axis=0))))


def _rank(prob_RMC: np.ndarray, sums: bool) -> np.ndarray:
    """Mean place among all ids, from 0 to 1, equals sharing theirs: no probabilities any more, and of no sum."""
    from scipy.stats import rankdata

    return np.asarray((rankdata(prob_RMC, axis=1).mean(axis=0) - 0.5) / prob_RMC.shape[1])


MEANS: dict[str, Callable[[np.ndarray, bool], np.ndarray]] = {"mean": _mean, "geometric": _geometric, "rank": _rank}


def _write(asked: SampleSubmission, cells: Sequence[Sequence[str]], out: Path) -> None:
    """The file in the sample's form, there only if it passes every check."""
    delimiter, newline = dialect_of(asked)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline)
    writer.writerow(asked.columns)
    writer.writerows([name, *row] for name, row in zip(asked.ids, cells, strict=True))
    candidate = out.with_name(f".{out.name}.candidate")
    try:
        write_atomic(candidate, text.getvalue().encode())
        if faults := check(candidate, asked):
            told = "".join(f"\n  {fault}" for fault in faults)
            raise SubmissionError(f"{out} was not written, it would fail {len(faults)} checks:{told}")
        candidate.replace(out)
    finally:
        candidate.unlink(missing_ok=True)
