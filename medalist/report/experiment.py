"""The experiment that a run is an arm of, or that a folder holds: its verdict, table and charts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medalist.experiments.arms import ARMS
from medalist.experiments.folder import QUESTION, RESULT, TABLE
from medalist.report.markup import Section, cleaned, folded, listing, paragraph, said, scroller, tag, without_paths
from medalist.report.questions import drawn
from medalist.report.score import said_lines
from medalist.report.seen import read_json

ASKED = {
    "rank": "Which backbone is best on these images?",
    "search": "Which values of several keys are best together?",
    "augment": "Which augmentations help?",
    "ablate": "Which value of a recipe key is best?",
    "budget": "What is the best within a time?",
}


def experiment_of(folder: Path) -> Path | None:
    """The folder of the finished experiment that a folder is, or is an arm of."""
    above = folder.resolve().parent
    places = [folder, *([above.parent] if above.name == ARMS else [])]
    return next((place for place in places if (place / RESULT).is_file()), None)


def question_of(folder: Path) -> str:
    """Which verb asked."""
    result = read_json(folder / RESULT)
    key = read_json(folder / QUESTION) if (folder / QUESTION).is_file() else {}
    return str(result.get("question") or key.get("question") or key.get("verb") or key.get("kind") or "experiment")


def experiment(folder: Path, known: Sequence[Path] = ()) -> Section:
    """Verdicts, charts drawn from the record, and the table as it was printed."""
    result, question = cleaned(read_json(folder / RESULT), known), question_of(folder)
    charts = drawn(question, result)
    # The steps of a budget stand in its table.
    told = sentences(result if not charts else {**result, "steps": []})
    body = (listing([said(one) for one in told]) if told else "") + charts
    if (folder / TABLE).is_file():
        text = without_paths((folder / TABLE).read_text(encoding="utf-8", errors="surrogateescape"), known)
        printed = tag("pre", said_lines(text))
        body += folded("As it was printed", scroller(printed, "Table of the experiment"))
    lead = f"{said(ASKED.get(question, 'An experiment.'))} Gains are paired, on the same rows, with their errors."
    return Section("experiment", "Experiment", lead, body or paragraph("It left no numbers."))


def sentences(result: dict[str, Any]) -> list[str]:
    """What an experiment found, in its own words."""
    verdict = result.get("verdict", [])
    told = [*result.get("sentences", []), *([verdict] if isinstance(verdict, str) else verdict)]
    told += [_step(step) for step in result.get("steps", [])]
    return [one for one in told if one]


def _step(step: dict[str, Any]) -> str:
    """A step of a budget."""
    if step.get("gain") is None:
        reason = f", {step['reason']}" if step.get("reason") else ""
        return f"{step['step']}: {step['outcome']}{reason}"
    return (
        f"{step['step']}: {step['outcome']}, gain {step['gain']:+.4f} ± {step['gain_stderr']:.4f} ({step['verdict']})"
    )
