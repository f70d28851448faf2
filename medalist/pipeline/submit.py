"""`medalist submit`: the run's file checked once more, then handed in or noted as handed in, with its forecast."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medalist.errors import MismatchError, StoreError, SubmissionError
from medalist.evidence import surprise
from medalist.metrics import metrics
from medalist.pipeline.board import on_share
from medalist.pipeline.kept import SAMPLE
from medalist.pipeline.outcome import SUBMISSION, summary_of
from medalist.pipeline.ruling.handing_in import check_hand_in
from medalist.pipeline.stale import stale_notes
from medalist.store import hash_bytes
from medalist.submissions import handed_in
from medalist.submissions.checks import lint
from medalist.submissions.kaggle import hand_in

SURPRISING = 10.0  # standard errors from the forecast, beyond which a typing error is likelier than chance
SIGNED = ("quadratic_kappa", "matthews")


def submit(
    folder: Path,
    *,
    kaggle: str | None = None,
    message: str | None = None,
    public: float | None = None,
    private: float | None = None,
) -> str:
    """Check, hand in, note; or add the scores of what was handed in before.

    Args:
        folder: of a finished run, import or blend.
        kaggle: competition to hand in to; None: the person did, or will.
        message: goes with the file; default: the run's name and score.
        public, private: scores on the leaderboards.

    Returns:
        Sentences for people.

    Raises:
        StoreError: the run is not finished or made no submission.
        SubmissionError: the file fails a check, breaks a rule of its recipe, was handed in already, or kaggle refused
            it; nothing is noted then.
        MismatchError: a score is no number, or none that the metric can have.
        MissingExtraError: no kaggle command.
    """
    summary, file = summary_of(folder), folder / SUBMISSION
    if not file.is_file():
        raise StoreError(f"{folder} has no {SUBMISSION}: its dataset has no test images")
    sha256, scores = hash_bytes(file.read_bytes()), {"public": public, "private": private}
    for name, score in scores.items():
        if score is not None:
            check_score(summary["metric"], score, f"--{name}")
    before = next((one for one in handed_in.hand_ins(folder) if one.sha256 == sha256), None)
    if before is not None and kaggle is None:
        return _add_scores(folder, before, scores)
    # A file that was only noted, as if handed in by hand, may still be sent.
    if before is not None and before.slug is not None:
        raise SubmissionError(
            f"{file} was handed in on {before.time} already; it would cost a try and tell nothing new (to note its"
            " score, type: medalist submit RUN --public SCORE)"
        )
    notes = [*_check(folder, file), *check_hand_in(folder, sha256)]
    message = message or f"{folder.resolve().name}: {summary['metric']} {summary['score']:.4f} out of fold"
    said = [] if kaggle is None else [hand_in(kaggle, file, message)]
    handed_in.append(folder, _event(summary, sha256, kaggle, message) | scores)
    return "\n".join(
        [
            *notes,
            *stale_notes([folder]),
            *said,
            _noted(folder, summary, scores),
            *_surprises(_event(summary, "", None, ""), scores),
        ]
    )


def check_score(metric: str, score: float, option: str) -> None:
    """Refuse a leaderboard score that the metric cannot have.

    Raises:
        MismatchError: NaN or infinite, or outside the range of one of medalist's own metrics; says which.
    """
    if not math.isfinite(score):
        raise MismatchError(f"got {option} {score}, expected a number; leave {option} out until the score is known")
    found = metrics.bind(metric)
    if not found.function.__module__.startswith("medalist.metrics"):
        return  # what a metric of one's own can be, nobody knows
    low = -1.0 if found.name in SIGNED else 0.0
    high = 1.0 if found.facts["better"] == "higher" else math.inf
    if not low <= score <= high:
        hint = f"; for {score:g} % type {option} {score / 100:g}" if 1 < score <= 100 and high == 1 else ""
        span = f"from {low:g} to 1" if high == 1 else "of at least 0"
        raise MismatchError(f"got {option} {score:g}, but {metric} is a number {span}{hint}")


def _surprises(record: dict[str, Any], scores: dict[str, float | None]) -> list[str]:
    """Scores that lie so far from the forecast that one should look twice."""
    told = []
    for name, score in scores.items():
        if score is not None and record["forecast"] is not None:
            z = surprise(on_share(record["forecast"], record["stderr"], 1.0), score).z
            if abs(z) > SURPRISING:
                told.append(
                    f"surprising: {name} {score:.5g} is more than {SURPRISING:.0f} standard errors from the forecast"
                    f" {record['forecast']['score']:.4f}; a slip of the keys? If not, type: medalist diagnose RUN"
                    f" --lb {score:.5g}"
                )
    return told


def _check(folder: Path, file: Path) -> list[str]:
    """What should be known of the file's checks; an error where it fails one."""
    if not (folder / SAMPLE).is_file():
        return [f"the dataset has no sample submission: {file} is checked against nothing"]
    faults = lint(file, folder / SAMPLE)
    if faults:
        told = "".join(f"\n  {fault}" for fault in faults)
        raise SubmissionError(f"{file} is not fit to be handed in; type: medalist run DATA again{told}")
    return []


def _event(summary: dict[str, Any], sha256: str, slug: str | None, message: str) -> dict[str, Any]:
    return {
        "sha256": sha256,
        "metric": summary["metric"],
        "score": summary["score"],
        "stderr": summary["score_stderr"],
        "forecast": summary.get("forecast"),
        "slug": slug,
        "message": message,
    }


def _add_scores(folder: Path, before: handed_in.HandIn, scores: dict[str, float | None]) -> str:
    known = {name: score for name, score in scores.items() if score is not None}
    if not known:
        return f"handed in on {before.time} already; add --public SCORE or --private SCORE once they are known"
    handed_in.append(folder, {"sha256": before.sha256, **known})
    said = f"noted: {_told(scores, before)} for the file handed in on {before.time}{_expected(before.forecast)}"
    return "\n".join([said, *_surprises(asdict(before), scores)])


def _noted(folder: Path, summary: dict[str, Any], scores: dict[str, float | None]) -> str:
    found = f"{summary['metric']} {summary['score']:.4f} +- {summary['score_stderr']:.4f} out of fold"
    told = _told(scores)
    return f"noted in {folder / handed_in.FILE}: {found}{told and ', '}{told}{_expected(summary.get('forecast'))}"


def _told(scores: dict[str, float | None], before: handed_in.HandIn | None = None) -> str:
    """The scores that are given, each with the one that it replaces."""
    parts = []
    for name, score in scores.items():
        old = getattr(before, name, None)
        replaced = f" (replaces {old:.5g})" if old is not None and old != score else ""
        parts += [] if score is None else [f"{name} {score:.5g}{replaced}"]
    return ", ".join(parts)


def _expected(forecast: dict[str, Any] | None) -> str:
    if forecast is None:
        return ""
    low, high = forecast["interval95"]
    return f"; expected on the leaderboard: {forecast['score']:.4f} (95 % {low:.4f} to {high:.4f})"
