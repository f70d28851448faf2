"""`medalist diff A B`: what differs between two runs: recipe, machine, score in pairs, and the images behind it.

Axes: P rows that both share, C classes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from medalist.errors import MismatchError
from medalist.metrics import metrics
from medalist.pipeline.outcome import final_predictions, summary_of
from medalist.pipeline.paired import Pair, pair
from medalist.pipeline.records.entries import Entry, read
from medalist.pipeline.records.keys import differences
from medalist.pipeline.records.made import FILE as MADE

OWN = ("ended", "sessions", "hashes")  # of a run, not of its machine
COSTLY = ("embed", "fit", "tune")
MOST = 5  # classes, and images, that are told


def diff(one: Path, two: Path) -> str:
    """Plain text; a gain is of the second run over the first.

    Raises:
        StoreError: a run is not finished, or they share no scored row.
        MismatchError: they are of two metrics, other classes, or other labels.
    """
    first, second = read(one), read(two)
    if first.metric != second.metric:
        raise MismatchError(
            f"{one} is scored by {first.metric}, {two} by {second.metric}: no difference of the two means anything;"
            " name runs of one metric"
        )
    both = pair(two, one)
    return "\n".join(
        [
            *_scores(first, second, both),
            *_keys(first, second),
            *_made(one, two),
            *_seconds(one, two),
            *_answers(first, second, both),
        ]
    )


def _scores(first: Entry, second: Entry, both: Pair) -> Iterator[str]:
    for entry in (first, second):
        yield f"{entry.folder}: {entry.metric} {entry.score:.4f} +- {entry.stderr:.4f} on {entry.num_rows} images"
    found = both.compare(first.metric)
    yield (
        f"{second.folder} against {first.folder}: {found.difference:+.4f} +- {found.stderr:.4f} (positive is better),"
        f" p {found.p:.2g}: {found.verdict}, paired on {len(both.ids)} images"
    )
    if both.moved:
        yield (
            f"WARNING: {both.moved} of these images lie in other folds, so that the difference holds what another draw"
            " of folds does, which its error does not count; compare runs on the same folds (folds.file)"
        )


def _keys(first: Entry, second: Entry) -> Iterator[str]:
    differ = differences(first.keys, second.keys)
    yield f"recipe: {len(differ)} key{'s differ' if len(differ) > 1 else ' differs'}" if differ else "recipe: the same"
    for one in differ:
        yield f"  {one.key}: {one.before or 'not there'} -> {one.after or 'not there'}"


def _made(one: Path, two: Path) -> Iterator[str]:
    """Versions and machines that differ."""
    read = [json.loads((run / MADE).read_bytes()) if (run / MADE).is_file() else {} for run in (one, two)]
    facts = [dict(_plain({name: value for name, value in one.items() if name not in OWN})) for one in read]
    if not all(facts):
        return
    differ = [key for key in {**facts[0], **facts[1]} if facts[0].get(key) != facts[1].get(key)]
    yield "made with: the same versions and machine" if not differ else "made with:"
    for key in differ:
        yield f"  {key}: {facts[0].get(key, 'none')} -> {facts[1].get(key, 'none')}"


def _plain(facts: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _plain(value)
        else:
            yield name, value


def _seconds(one: Path, two: Path) -> Iterator[str]:
    seconds = [summary_of(run)["seconds"] for run in (one, two)]
    stages = [stage for stage in {**seconds[0], **seconds[1]} if stage != "total"]
    told = [f"{stage} {seconds[0].get(stage, 0.0):.1f} -> {seconds[1].get(stage, 0.0):.1f}" for stage in stages]
    if told:
        yield f"seconds: {', '.join(told)}"
    first, second = (_paces(run) for run in (one, two))
    both = [f"{name} {first[name]:.1f} -> {rate:.1f}" for name, rate in second.items() if name in first]
    if both:
        yield f"images a second: {'; '.join(both)}"


def _paces(run: Path) -> dict[str, float]:
    """Images a second of what takes its time, where the run computed any; what was done several times is one."""
    total: dict[str, tuple[int, float]] = {}
    for one in summary_of(run).get("paces", ()):
        if one["stage"] in COSTLY and one["images_s"]:
            name = f"{one['stage']} {one['what']}".strip()
            images, seconds = total.get(name, (0, 0.0))
            total[name] = images + one["images"], seconds + one["seconds"]
    return {name: images / seconds for name, (images, seconds) in total.items() if seconds > 0}


def _answers(first: Entry, second: Entry, both: Pair) -> Iterator[str]:
    """How alike the answers are; where they are classes, whom each is right about, and in which classes."""
    prob = [_probabilities(entry, both) for entry in (first, second)]
    yield f"probabilities: correlation {_correlation(*prob):.4f}, mean change {np.abs(prob[1] - prob[0]).mean():.4f}"
    if metrics.bind(first.metric).facts["eats"] == "labels" and both.one_P.ndim == 1:
        yield from _rights(first, second, both)
    change_P = np.abs(prob[1] - prob[0]).max(axis=1)
    moved = np.argsort(-change_P, kind="stable")[:MOST]
    told = ", ".join(f"{both.ids[row]} ({change_P[row]:.2f})" for row in moved if change_P[row] > 0)
    if told:
        yield f"answered most differently: {told}"


def _probabilities(entry: Entry, both: Pair) -> np.ndarray:
    """(P, C) out of fold, before the decision rule."""
    run = final_predictions(entry.folder)
    row_of = {name: row for row, name in enumerate(run.ids)}
    return np.asarray(run.oof_NC[[row_of[name] for name in both.ids]], np.float64)


def _correlation(one_PC: np.ndarray, two_PC: np.ndarray) -> float:
    """Pearson's of all numbers; 1 where neither varies."""
    if not one_PC.std() or not two_PC.std():
        return 1.0
    return float(np.corrcoef(one_PC.ravel(), two_PC.ravel())[0, 1])


def _rights(first: Entry, second: Entry, both: Pair) -> Iterator[str]:
    """Images that only one of them is right about; `both` has the second run first."""
    right = [both.two_P == both.labels, both.one_P == both.labels]
    only_first, only_second = right[0] & ~right[1], right[1] & ~right[0]
    yield (
        f"right: both {int((right[0] & right[1]).sum())}, only {first.folder} {int(only_first.sum())}, only"
        f" {second.folder} {int(only_second.sum())}, neither {int((~right[0] & ~right[1]).sum())}"
    )
    classes = final_classes(first.folder)
    gain_C = np.bincount(both.labels[only_second], minlength=len(classes)) - np.bincount(
        both.labels[only_first], minlength=len(classes)
    )
    moved = [c for c in np.argsort(-np.abs(gain_C), kind="stable")[:MOST] if gain_C[c]]
    if moved:
        yield f"classes that changed most (images right): {', '.join(f'{classes[c]} {gain_C[c]:+d}' for c in moved)}"


def final_classes(folder: Path) -> tuple[str, ...]:
    """What people call the classes of a run."""
    from medalist.pipeline.kept import load_table

    kept = load_table(folder)
    return kept.class_names or kept.classes
