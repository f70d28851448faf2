"""The whole way into a run folder: the verbs of `way.py` in their order, timed, recorded, and finished by a summary."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medalist import ledger
from medalist.data.splits import Folds, rare_classes
from medalist.data.table import EXTRA, ImageTable, Rejected
from medalist.ledger import Summary
from medalist.metrics import metrics
from medalist.pipeline import run_key, way
from medalist.pipeline.adversary import WARNING
from medalist.pipeline.backbones import backbone_notes, choose
from medalist.pipeline.chain import Chain
from medalist.pipeline.checks import check, check_table
from medalist.pipeline.decide import Decision
from medalist.pipeline.extra import extra_notes
from medalist.pipeline.extraction import SETTLED, Features
from medalist.pipeline.holdout import HELD, holdout_notes, holds_out, scored
from medalist.pipeline.kept import save_folds, save_table, save_unseen
from medalist.pipeline.leaked import save_known
from medalist.pipeline.learners import slug
from medalist.pipeline.lessons import pseudo_notes, save_suspects
from medalist.pipeline.outcome import DECISION, SUBMISSION
from medalist.pipeline.quarantine import named, quarantine_note, save_quarantined
from medalist.pipeline.records.made import finish
from medalist.pipeline.ruling.breaches import check_rules, unknowns
from medalist.pipeline.ruling.disclosure import save_disclosure
from medalist.pipeline.ruling.used import used_by
from medalist.pipeline.stale import torn
from medalist.pipeline.tuning.notes import tuning_notes
from medalist.predictions import Predictions
from medalist.progress import PACE, Event, Sink, fan_out, jsonl, pace, stage
from medalist.recipe import Recipe
from medalist.store import failpoint, write_atomic

FINAL = {
    "refit": "test images are answered by heads fitted on all labelled images, more than those that were scored saw"
    " (final=folds takes {} instead)",
    "folds": "test images are answered by {}, each as it was scored (final=refit takes heads fitted on all labelled"
    " images instead)",
}


@dataclass
class Log:
    """Where a run's events go, the wall seconds of its stages, their paces, and its notes for people."""

    sink: Sink
    seconds: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    paces: list[dict[str, Any]] = field(default_factory=list)
    stage: str = ""

    def hear(self, event: Event) -> None:
        """Keep paces, each with the stage that it is of."""
        if event.stage == PACE:
            told = event.note["pace"]
            what = told["what"] or ("" if self.stage == "embed" else "answering")  # by trained networks
            self.paces.append({**told, "stage": self.stage, "what": what})
        elif event.stage in ledger.STAGES and not event.total and not event.note:  # it begins
            self.stage = event.stage


def go(recipe: Recipe, root: Path, out: Path, *, cache: Path, sink: Sink, overwrite: bool) -> Summary:
    """`pipeline.run`, where there is something to do."""
    check(recipe, root, out)
    log = Log(sink)
    with stage("read", log.sink, log.seconds):
        table = way.read(recipe, root)
    check_table(recipe, table)
    listed = None if recipe.data.quarantine is None else named(table, Path(recipe.data.quarantine))
    with ledger.writing(out, run_key(recipe, root), overwrite=overwrite):
        log.sink = fan_out(sink, jsonl(out / "events.jsonl"), log.hear)
        with stage("choose", log.sink, log.seconds):  # a hub that does not answer takes its time
            recipe = choose(recipe, log.notes)
            check_rules(recipe)
        with stage("total", log.sink, log.seconds):
            features, folds, decision = carry_out(recipe, table, out, cache=cache, log=log)
        if listed is not None:
            save_quarantined(listed, table, out)
            _, own = scored(recipe, features, folds)
            log.notes.insert(0, quarantine_note(listed, table, Path(recipe.data.quarantine or ""), own.ids))
        log.seconds["total"] += log.seconds["read"] + log.seconds["choose"]
        summary = summarise(recipe, table, features, folds, decision, log)
        finish(out, summary)
    return summary


def carry_out(
    recipe: Recipe, table: ImageTable, out: Path, *, cache: Path, log: Log
) -> tuple[Features, Folds, Decision]:
    """From a table to everything that a run folder holds but its summary."""
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "recipe.yaml", recipe.to_yaml().encode())
    with stage("embed", log.sink, log.seconds):
        features = way.embed(recipe, table, cache=cache, settled=out / SETTLED, sink=log.sink)
    with stage("split", log.sink, log.seconds):
        folds = way.split(recipe, features)
        rows, own = scored(recipe, features, folds)
        save_folds(own, out, outer=folds if holds_out(recipe) else None)
        save_table(features.train.take(rows), features.group_N[rows], features.test.ids.tolist(), out)
        extra = () if features.extra is None else features.extra.rejected
        save_rejected([*table.rejected, *features.rejected, *extra], out / "rejected.csv")
        if features.known is not None:
            save_known(features.known, out)
    with stage("fit", log.sink, log.seconds):
        runs = way.fit(recipe, features, folds, out, sink=log.sink)
        log.notes += [*save_suspects(recipe, runs, out), *pseudo_notes(recipe, int(features.readable_M.sum()))]
    if recipe.finetune is not None:
        with stage("tune", log.sink, log.seconds):
            runs += way.tune(recipe, features, folds, out, cache=cache, sink=log.sink)
            log.notes += tuning_notes(recipe, out)
    with stage("decide", log.sink, log.seconds):
        decision = way.decide(recipe, runs, features, folds)
        decision.blend.save(out / "predictions" / slug(recipe.ensemble))
        save_unseen(decision.oof_N, out)
        ledger.write_json(out / DECISION, _decision_facts(recipe, runs, features, decision))
    with stage("submit", log.sink, log.seconds):
        failpoint("before-submission")
        if len(features.test):
            way.submit(features, decision, out / SUBMISSION)
        save_disclosure(used_by(recipe), [recipe.rules], out)
    return features, folds, decision


def summarise(
    recipe: Recipe, table: ImageTable, features: Features, folds: Folds, decision: Decision, log: Log
) -> Summary:
    """The numbers and sentences of a run."""
    return Summary(
        metric=recipe.metric,
        **decision.scores(),
        seconds={name: round(seconds, 3) for name, seconds in log.seconds.items()},
        images=int((table.split != EXTRA).sum()),
        rejected=len(table.rejected) + len(features.rejected) + len(features.extra.rejected if features.extra else ()),
        notes=(
            *table.notes,
            *_asked(recipe, table),
            *log.notes,
            *features.extracted.notes,
            *backbone_notes(recipe),
            *unknowns(recipe.rules, used_by(recipe)),
            *decision.notes,
            *_row_notes(features, folds),
            *extra_notes(features),
            *holdout_notes(recipe, features, folds),
            *([_answered_by(recipe)] if len(features.test) else []),
        ),
        submission=SUBMISSION if len(features.test) else None,
        paces=_paces(table, features, log),
    )


def _paces(table: ImageTable, features: Features, log: Log) -> tuple[dict[str, Any], ...]:
    """What each stage did to how many images a second: the stages that told it themselves, and the others as wholes."""
    num_train, num_test = len(features.train), len(features.test)
    wholes = {"read": len(table), "split": num_train, "decide": num_train + num_test, "submit": num_test}
    told = [{"stage": name, **pace("", images, log.seconds[name])} for name, images in wholes.items()]
    told += [_learning(name, num_train, log) for name in ("fit", "tune") if name in log.seconds]
    told += log.paces
    return tuple(sorted(told, key=lambda one: ledger.STAGES.index(one["stage"])))


def _asked(recipe: Recipe, table: ImageTable) -> list[str]:
    """Whether the file that is handed in can be scored by the metric."""
    kind = table.sample.kind if table.sample is not None else ""
    if metrics.bind(recipe.metric).facts["eats"] != "prob" or kind not in ("class", "index"):
        return []
    return [
        f"{WARNING}: the sample submission asks for one class an image, and {recipe.metric} scores probabilities: what"
        " is handed in cannot be scored as forecast; another metric, or a sample with a column a class"
    ]


def _learning(name: str, num_train: int, log: Log) -> dict[str, Any]:
    """Of a stage that learns: the labelled images over its time, none where all of it was there already."""
    worked = any(one["images"] for one in log.paces if one["stage"] == name)
    seen, kept = (num_train, 0) if worked else (0, num_train)
    return {"stage": name, **pace("", seen, log.seconds[name], kept=kept)}


def _answered_by(recipe: Recipe) -> str:
    """Which models answer the test images."""
    scored_models = (
        f"the models of the rows outside fold {HELD}" if holds_out(recipe) else "the mean of the folds' models"
    )
    return FINAL[recipe.final].format(scored_models)


def _row_notes(features: Features, folds: Folds) -> list[str]:
    """What a reader of the score must know of its rows."""
    train, notes = features.train, []
    size_G = np.bincount(features.group_N)
    if (size_G > 1).any():
        notes.append(
            f"{size_G[size_G > 1].sum()} training images lie in {(size_G > 1).sum()} groups (duplicates, or the group"
            " column or file), each in one fold"
        )
    if (split := torn(features.group_N, folds.fold_N))[0]:
        notes.append(
            f"{WARNING}: the folds of folds.file tear {split[0]} groups ({split[1]} images) apart: models answered"
            " twins of what they were trained on, and the score may flatter"
        )
    rare = rare_classes(train.labels, features.group_N, num_folds=folds.num_folds, num_classes=len(train.classes))
    if len(rare):
        names = ", ".join(train.classes[c] for c in rare[:5])
        notes.append(f"{len(rare)} classes have fewer groups than folds ({names}): their rows may count as wrong")
    test_paths = set(features.test.paths[~features.readable_M].tolist())
    left_out = sum(entry.path not in test_paths for entry in features.rejected)
    if left_out:
        notes.append(f"{left_out} training images could not be read and are left out; rejected.csv says why")
    unread = int((~features.readable_M).sum())
    if unread:
        notes.append(f"{unread} test images could not be read; their ids are answered by the class prior")
    return notes


def _decision_facts(
    recipe: Recipe, runs: Sequence[Predictions], features: Features, decision: Decision
) -> dict[str, Any]:
    chain, what = Chain.of(recipe, features.train.classes), "held-out" if holds_out(recipe) else "training"
    return {
        "members": [run.name for run in runs],
        "ensemble": recipe.ensemble,
        "rule": chain.rule.text,
        "chain": decision.chain,
        "spaces": [space.name for space in features.extracted.spaces],
        "class_hash": features.train.class_hash,
        "fold_hash": runs[0].fold_hash,
        "final": recipe.final,
        "fitted_on": f"out-of-fold probabilities of all {what} rows; scored cross-fitted",
    }


def save_rejected(rejected: Sequence[Rejected], file: Path) -> None:
    """What was left out, and why, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "reason"])
    writer.writerows([entry.path, entry.reason] for entry in rejected)
    write_atomic(file, text.getvalue().encode("utf-8", "surrogateescape"))
