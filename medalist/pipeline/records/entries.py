"""A finished run folder -> its facts; and which folders below a place are such."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medalist import ledger
from medalist.errors import StoreError
from medalist.pipeline.kept import FILE as TABLE
from medalist.pipeline.kept import FOLDS, SCORED
from medalist.pipeline.records.made import FILE as MADE
from medalist.store import hash_bytes, hash_json

ARMS, QUESTION = "arms", "question.json"  # of an experiment
BUDGET = "budget.json"  # of `run --budget`


@dataclass(frozen=True)
class Entry:
    """A finished run, import or blend.

    Args:
        folder: as it was found.
        kind: `run`, `import` or `blend`.
        metric: of the scores.
        score, stderr: on rows that were unseen by all that made the answers.
        rows: hash of the scored rows, their labels, groups and folds: runs with the same can be compared in full, and
            what another draw of folds does is in none of their differences.
        num_rows: how many those are.
        seconds: of all stages, of `run --budget` of all steps; None: not known (imports, blends).
        images_s: images a second through the backbones, of what was not in the bank; None: nothing was computed.
        embedded: how many those were; None: not known (imports, blends, runs of before that was kept).
        trained_s: images a second that fine-tuning showed; None: there was none, or in a process that was stopped.
        ended: UTC, ISO 8601.
        keys: what decides its bytes, flat: `finetune.phases[0].lr` -> JSON text.
        public: the last public score that was noted; None: none.
        submission: whether there is one.
    """

    folder: Path
    kind: str
    metric: str
    score: float
    stderr: float
    rows: str
    num_rows: int
    seconds: float | None
    images_s: float | None
    ended: str
    keys: Mapping[str, str]
    public: float | None = None
    submission: bool = False
    embedded: int | None = None
    trained_s: float | None = None

    @property
    def minutes(self) -> float | None:
        """Of all stages; None: not known."""
        return None if self.seconds is None else self.seconds / 60


def find(places: Sequence[Path], *, arms: bool = False) -> list[Path]:
    """Finished run folders at or below some places, in the order of their paths; links are not followed.

    Args:
        places: folders.
        arms: those of experiments too.

    Raises:
        StoreError: a place is no folder, or there is no finished run.
    """
    for place in places:
        if not place.is_dir():
            raise StoreError(f"{place} is no folder; name run folders, or folders that hold some")
    found = list(dict.fromkeys(folder for place in places for folder in _below(place, arms)))
    if not found:
        more = "" if arms else " (add --arms for those of experiments)"
        raise StoreError(f"no finished run in {', '.join(map(str, places))}{more}; type: medalist run DATA --out OUT")
    return found


def _below(place: Path, arms: bool) -> Iterator[Path]:
    # What `run --budget` shows of its best run are links: one run, or all of its arms.
    shown = (place / ledger.SUMMARY).is_symlink() and (place / BUDGET).is_file()
    own = not (place / ledger.SUMMARY).is_symlink() and ledger.begun(place)
    if (place / ledger.SUMMARY).is_file() and (own or (shown and not arms)):
        yield place
        return
    with os.scandir(place) as listed:
        folders = sorted(entry.name for entry in listed if entry.is_dir(follow_symlinks=False))
    for name in folders:
        experiment = name == ARMS and (place / QUESTION).is_file()
        if not name.startswith(".") and (arms or not experiment):
            yield from _below(place / name, arms)


def read(folder: Path) -> Entry:
    """The facts of a finished run folder.

    Raises:
        StoreError: it is not finished, or damaged.
    """
    ledger.require_finished(folder)
    try:
        own = (folder / ledger.SUMMARY).resolve().parent  # of `run --budget`: the run that its folder shows
        summary, key, table = (_json(own / name) for name in (ledger.SUMMARY, ledger.KEY, TABLE))
        embedded = next((one for one in _of(summary, "embed") if not one["what"]), None)
        return Entry(
            folder=folder,
            kind=key.get("kind", "run"),
            metric=summary["metric"],
            score=summary["score"],
            stderr=summary["score_stderr"],
            rows=hash_json([*(table[name] for name in ("ids", "labels", "groups")), *_folds(own)]),
            num_rows=len(table["ids"]),
            seconds=_seconds(folder, summary),
            images_s=_pace(own / "events.jsonl") if embedded is None else embedded["images_s"],
            ended=_ended(own),
            keys=dict(_flat(key)),
            submission=summary["submission"] is not None,
            embedded=None if embedded is None else embedded["images"],
            trained_s=_shown_s(summary),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        told = f"{type(error).__name__}: {error}"
        raise StoreError(f"{folder} is damaged ({told}); run it again with --overwrite") from error


def with_public(entry: Entry) -> Entry:
    """With the public score that was noted last, which may come long after the run."""
    from medalist.submissions.handed_in import hand_ins

    scores = [one.public for one in hand_ins(entry.folder) if one.public is not None]
    return replace(entry, public=scores[-1] if scores else None)


def _seconds(folder: Path, summary: Mapping[str, Any]) -> float | None:
    budget = folder / BUDGET
    total = _json(budget)["used_s"] if budget.is_file() else summary["seconds"].get("total")
    return None if total is None else float(total)


def _json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_bytes()))


def _folds(folder: Path) -> list[str]:
    """Hashes of the fold files, of which one run has two where a fold was held out."""
    files = [folder / name for name in (FOLDS, SCORED)]
    return [hash_bytes(file.read_bytes()) for file in files if file.is_file()]


def _ended(folder: Path) -> str:
    """As it was written down; of runs before that was done, when the summary was written."""
    if (folder / MADE).is_file():
        return str(_json(folder / MADE)["ended"])
    stamp = (folder / ledger.SUMMARY).stat().st_mtime
    return datetime.fromtimestamp(stamp, UTC).isoformat(timespec="seconds")


def _of(summary: Mapping[str, Any], stage: str) -> list[dict[str, Any]]:
    """Paces of a stage; see `ledger.Summary`."""
    return [one for one in summary.get("paces", ()) if one["stage"] == stage]


def _shown_s(summary: Mapping[str, Any]) -> float | None:
    """Images a second of all trainings together."""
    trained = [one for one in _of(summary, "tune") if one["what"].startswith("training ")]
    images, seconds = (sum(one[part] for one in trained) for part in ("images", "seconds"))
    return round(images / seconds, 1) if images and seconds else None


def _pace(events: Path) -> float | None:
    """Images a second of the last session that embedded any, of runs of before paces were kept."""
    found = None
    if events.is_file():
        with events.open(encoding="utf-8") as lines:
            for line in lines:
                if '"stage": "embed"' in line and (event := json.loads(line))["total"] > 1 and event["done"]:
                    found = event["done"] / event["seconds"] if event["seconds"] > 0 else found
    return None if found is None else round(found, 1)


def _flat(key: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A run's key as one line a value: recipe keys by their own name, the rest in brackets."""
    recipe = key.get("recipe")
    if recipe is not None:
        yield from _values(recipe, "")
        yield from ((f"({name})", hash_json(value)[:12]) for name, value in sorted(key.items()) if name != "recipe")
        return
    yield from ((f"({name})", json.dumps(value)) for name, value in sorted(key.items()) if name != "medalist")


def _values(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for part, inner in value.items():
            yield from _values(inner, f"{name}.{part}".removeprefix("."))
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for place, inner in enumerate(value):
            yield from _values(inner, f"{name}[{place}]")
    else:
        yield name, json.dumps(value, ensure_ascii=False)
