"""The writer: answers -> the organisers' file, built from their sample, and there only if every check passes.

Axes: M test images, C classes.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medalist.data.table import ImageTable, SampleSubmission
from medalist.decisions.rules import prior
from medalist.decisions.thresholds import cut
from medalist.errors import SubmissionError, near
from medalist.store import write_atomic
from medalist.submissions.checks import Fault, check, dialect_of

JOINERS = (",", " ", ";", "|", "\t")

Cells = list[list[str]]


def write(table: ImageTable, test_ids: Sequence[str], answers: np.ndarray, prob_MC: np.ndarray, path: Path) -> None:
    """Write the submission that `table.sample` asks for; without a sample, `id,label` for the test ids.

    Ids of the sample that `test_ids` lack get the answer for the class prior.

    Args:
        table: the dataset, with its classes and its sample submission.
        test_ids: M ids that the answers are for, in their order.
        answers: what the decision rule gives: (M,) class indices, (M, C) probabilities, or (M, C) boolean sets.
        prob_MC: the probabilities behind the answers, for samples that ask for them where the answers are labels.
        path: the file; what it holds stays where a check fails.

    Raises:
        SubmissionError: the answers cannot be of the sample's kind, or a check fails; tells all faults.
    """
    sample = _asked(table, answers) or default_sample(table, test_ids, answers)
    last_answers, last_prob_1C = _of_prior(table, answers)
    cells = CELLS[sample.kind](
        sample, table.classes, np.concatenate([answers, last_answers]), np.concatenate([prob_MC, last_prob_1C])
    )
    row_of = dict(zip(test_ids, cells[:-1], strict=True))
    if len(row_of) < len(test_ids):
        raise SubmissionError(f"{len(test_ids) - len(row_of)} test ids come more than once; every id gets one answer")
    delimiter, newline = dialect_of(sample)
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=newline)
    writer.writerow(sample.columns)
    writer.writerows([id, *row_of.get(id, cells[-1])] for id in sample.ids)
    exclusive, empty = table.task != "tags", _may_be_empty(table)
    _put(
        path,
        buffer.getvalue().encode(),
        lambda file: check(file, sample, table.classes, exclusive=exclusive, empty=empty),
    )


def _may_be_empty(table: ImageTable) -> bool:
    """Whether there are labelled images without tags, so that an answer may be empty."""
    return table.task == "tags" and bool((np.asarray(table.labelled().labels.sum(axis=1)) == 0).any())


def _asked(table: ImageTable, answers: np.ndarray) -> SampleSubmission | None:
    """The sample, where 0 or 1 in it holds the place of a probability if the metric eats those."""
    sample = table.sample
    if sample and sample.kind == "index" and answers.ndim == 2 and table.task == "binary":
        return replace(sample, kind="probability", positive=table.classes[1])
    return sample


def _put(path: Path, data: bytes, faults_of: Callable[[Path], list[Fault]]) -> None:
    """Check the very file that is then renamed to `path`."""
    candidate = path.with_name(f".{path.name}.candidate")
    try:
        write_atomic(candidate, data)
        faults = faults_of(candidate)
        if faults:
            told = "".join(f"\n  {fault}" for fault in faults)
            raise SubmissionError(f"{path.name} was not written, it would fail {len(faults)} checks:{told}")
        candidate.replace(path)
    finally:
        candidate.unlink(missing_ok=True)


def default_sample(table: ImageTable, test_ids: Sequence[str], answers: np.ndarray) -> SampleSubmission:
    """What to write where the organisers gave no sample: the kind follows from the answers."""
    ids = tuple(test_ids)
    if answers.dtype == bool:
        joiner = next((mark for mark in JOINERS if not any(mark in name for name in table.classes)), JOINERS[0])
        return SampleSubmission(Path(), ids, ("id", "label"), "tags", joiner=joiner)
    if answers.ndim == 1:
        return SampleSubmission(Path(), ids, ("id", "label"), "class")
    if table.task == "binary":
        return SampleSubmission(Path(), ids, ("id", "label"), "probability", positive=table.classes[1])
    return SampleSubmission(Path(), ids, ("id", *table.classes), "wide")


def _of_prior(table: ImageTable, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The answer, in one row of the same kind, and the probabilities of an image that nothing is known of."""
    prob_1C = prior(table.labelled().labels, len(table.classes))[None]
    if answers.dtype == bool:
        # As many of the most frequent tags as an image has on average.
        return cut(prob_1C, 1.0, max(1, round(float(prob_1C.sum())))), prob_1C
    return (prob_1C.argmax(axis=1), prob_1C) if answers.ndim == 1 else (prob_1C, prob_1C)


def _class_cells(sample: SampleSubmission, classes: Sequence[str], answers: np.ndarray, prob_MC: np.ndarray) -> Cells:
    return [[classes[label]] for label in _labels(answers)]


def _index_cells(sample: SampleSubmission, classes: Sequence[str], answers: np.ndarray, prob_MC: np.ndarray) -> Cells:
    return [[str(label)] for label in _labels(answers)]


def _probability_cells(
    sample: SampleSubmission, classes: Sequence[str], answers: np.ndarray, prob_MC: np.ndarray
) -> Cells:
    column = _position(str(sample.positive), classes)
    return [[_decimal(prob)] for prob in _probabilities(answers, prob_MC)[:, column]]


def _wide_cells(sample: SampleSubmission, classes: Sequence[str], answers: np.ndarray, prob_MC: np.ndarray) -> Cells:
    columns = [_position(name, classes) for name in sample.columns[1:]]
    lost = sorted(set(classes) - set(sample.columns))
    if lost:
        raise SubmissionError(f"the sample submission has no column for {len(lost)} classes, such as {lost[0]!r}")
    values_MC = answers.astype(np.float32) if answers.dtype == bool else _probabilities(answers, prob_MC)
    return [[_decimal(value) for value in row] for row in values_MC[:, columns]]


def _tag_cells(sample: SampleSubmission, classes: Sequence[str], answers: np.ndarray, prob_MC: np.ndarray) -> Cells:
    if answers.dtype != bool:
        raise SubmissionError("the sample submission asks for sets of tags; take a metric of sets, such as f1_samples")
    return [[sample.joiner.join(classes[tag] for tag in np.flatnonzero(row).tolist())] for row in answers]


def _ranked_cells(sample: SampleSubmission, classes: Sequence[str], answers: np.ndarray, prob_MC: np.ndarray) -> Cells:
    order_MC = np.argsort(-_probabilities(answers, prob_MC), axis=1, kind="stable")
    return [[sample.joiner.join(classes[c] for c in row)] for row in order_MC[:, : sample.places].tolist()]


CELLS = {
    "class": _class_cells,
    "index": _index_cells,
    "probability": _probability_cells,
    "wide": _wide_cells,
    "tags": _tag_cells,
    "ranked": _ranked_cells,
}


def _labels(answers: np.ndarray) -> np.ndarray:
    """One class index an image: the label, or the likeliest class."""
    if answers.dtype == bool:
        raise SubmissionError("the sample submission asks for one class an image; take a metric such as accuracy")
    return answers if answers.ndim == 1 else np.asarray(answers.argmax(axis=1))


def _probabilities(answers: np.ndarray, prob_MC: np.ndarray) -> np.ndarray:
    """The decided probabilities, or those behind the labels or sets."""
    return answers if answers.ndim == 2 and answers.dtype != bool else prob_MC


def _position(name: str, classes: Sequence[str]) -> int:
    if name not in classes:
        raise SubmissionError(f"the sample submission asks for {name!r}, which is no class{near(name, classes)}")
    return classes.index(name)


def _decimal(value: float) -> str:
    """The shortest decimal that reads back as the same float32, never in scientific notation."""
    return np.format_float_positional(np.float32(value), trim="-")
