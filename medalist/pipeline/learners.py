"""Learners of a recipe: each of its heads on each of its sights, cross-validated once and kept; one member a view.

A sight is the columns that a head looks at: all backbones side by side, or one of them. Where answers are fused it has
several views, each answered by the same head. Axes: N training images, M test images, L readable ones, D features.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medalist.data.splits import Folds
from medalist.features.bank import Space
from medalist.features.rows import Rows
from medalist.fitted import Fitted
from medalist.pipeline.extra import Learnt, learnt
from medalist.pipeline.extraction import Features
from medalist.pipeline.holdout import holds_out, scored
from medalist.pipeline.kept import label_lists
from medalist.pipeline.lessons import META, Suspect, relearnt, told
from medalist.predictions import Predictions
from medalist.progress import Sink, tell_pace
from medalist.recipe import Recipe
from medalist.store import failpoint, hash_json


@dataclass(frozen=True)
class Sight:
    """What a learner sees.

    Args:
        backbone: the only one, in one size; empty where all are side by side.
        views: name of each view that is answered by itself (the first is empty: the head learns from it), and which
            spaces it shows.
    """

    backbone: str
    views: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Learner:
    """A head on a sight."""

    head: str
    sight: Sight

    @property
    def name(self) -> str:
        """`ridge`, or where it sees one backbone `ridge of mobilenetv2`."""
        return f"{self.head} of {self.sight.backbone}" if self.sight.backbone else self.head

    @property
    def members(self) -> list[str]:
        """A name a view."""
        return [f"{self.name} on {view}" if view else self.name for view, _ in self.sight.views]

    def seen(self, x_ND: Rows) -> list[Rows]:
        """The columns of each view, unread."""
        return [x_ND.only(spaces) for _, spaces in self.sight.views]


def learners_of(recipe: Recipe, spaces: Sequence[Space]) -> list[Learner]:
    """Each head of a recipe on each sight."""
    from medalist.training.heads import heads

    names = list(dict.fromkeys(_eyes(space, len(recipe.size)) for space in spaces))
    alone = [] if recipe.members == "fused" or len(names) == 1 else names
    shown = [*([""] if recipe.members != "each" or not alone else []), *alone]
    sights = [_sight(recipe, spaces, backbone) for backbone in shown]
    return [Learner(heads.bind(text).text, sight) for sight in sights for text in recipe.heads]


def _eyes(space: Space, num_sizes: int) -> str:
    """The backbone of a space, in several sizes with its own: `mobilenetv2 at 288 px`."""
    name = str(space.key["name"])
    return f"{name} at {space.key['preprocessing']['height']} px" if num_sizes > 1 else name


def num_members(recipe: Recipe) -> int:
    """How many members its learners will be, before anything is known of the backbones but how many there are."""
    num_backbones = max(len(recipe.backbones), 1) * max(len(recipe.size), 1)
    num_sights = {"fused": 1, "each": num_backbones, "both": num_backbones + (num_backbones > 1)}[recipe.members]
    return (len(recipe.heads) * num_sights + _num_tuned(recipe)) * (
        len(recipe.views) if recipe.fuse == "answers" else 1
    )


def _num_tuned(recipe: Recipe) -> int:
    """Learners on fine-tuned backbones."""
    if recipe.finetune is None:
        return 0
    alone = len(recipe.finetune.backbones or recipe.backbones) or 1
    return {"answers": alone, "features": 1, "both": alone + 1}[recipe.finetune.fuse]


def _sight(recipe: Recipe, spaces: Sequence[Space], backbone: str) -> Sight:
    mine = [i for i, space in enumerate(spaces) if backbone in ("", _eyes(space, len(recipe.size)))]
    if recipe.fuse == "features":
        return Sight(backbone, (("", tuple(mine)),))
    parts = ((view, tuple(i for i in mine if spaces[i].key["view"] == view)) for view in recipe.views)
    return Sight(backbone, tuple((view if place else "", part) for place, (view, part) in enumerate(parts)))


def fit_learner(
    learner: Learner, recipe: Recipe, features: Features, folds: Folds, out: Path, *, sink: Sink
) -> tuple[Predictions, ...]:
    """Its members' predictions; saved in `out/fitted` and `out/predictions`, and not made again where they stand.

    Where one fold is held out, it is the only one whose rows and state are kept.
    """
    from medalist.training import heads
    from medalist.training.choice import Task
    from medalist.training.crossval import answer_view, crossval

    _, own = scored(recipe, features, folds)
    known = learnt(features, folds)
    key = _key(learner, recipe, features, known, [folds.hash, own.hash])
    folders = [out / "predictions" / slug(name) for name in learner.members]
    if all((folder / "predictions.json").is_file() for folder in folders):
        done = tuple(Predictions.load(folder) for folder in folders)
        if all(run.meta["key"] == key for run in done):
            tell_pace(sink, learner.name, 0, 0.0, kept=len(done[0].ids))
            return done
    train, start = features.train, time.perf_counter()
    views_ND = learner.seen(features.x_ND)
    views_LD = [x_MD.take(np.flatnonzero(features.readable_M)) for x_MD in learner.seen(features.x_test_MD)]
    bound = heads.heads.bind(learner.head)
    fitted, first = crossval(
        bound,
        learner.seen(known.x_ND)[0],
        known.table.labels,
        known.fold_N,
        views_LD[0],
        num_classes=len(train.classes),
        seed=recipe.seed,
        weight_N=known.table.weights,
        sink=sink,
    )
    failpoint("in-fit")
    found = list[Suspect]()
    if recipe.suspects is not None or recipe.pseudo is not None:
        task = Task(bound, known.table.labels, known.fold_N, folds.num_folds, len(train.classes), recipe.seed, sink)
        task = replace(task, weight_N=known.table.weights)
        fitted, found = relearnt(recipe, task, fitted, first.oof_NC, learner.seen(known.x_ND)[0], views_LD[0])
        first = replace(answer_view(fitted, views_ND[0], folds.fold_N, views_LD[0]), meta=first.meta)
    num_states = 1 if holds_out(recipe) else folds.num_folds
    rest = zip(views_ND[1:], views_LD[1:], strict=True)
    parts = [first, *(answer_view(fitted, x_ND, folds.fold_N, x_LD) for x_ND, x_LD in rest)]
    runs = tuple(
        Predictions(
            name=name,
            ids=tuple(train.ids),
            test_ids=tuple(features.test.ids[features.readable_M]),
            oof_NC=part.oof_NC,
            test_KMC=part.test_KMC[:num_states]
            if recipe.final == "folds"
            else heads.predict(learner.head, fitted.refit, x_LD)[None],
            fit_NC=part.fit_NC,
            scale="prob",
            class_hash=train.class_hash,
            fold_hash=folds.hash,
            meta={"key": key, **part.meta},
        ).take(own.ids, own.hash)
        for name, part, x_LD in zip(learner.members, parts, views_LD, strict=True)
    )
    if recipe.suspects is not None:
        doubted = told(found, recipe, known.table.ids, train.classes, known.table.labels)
        runs = (replace(runs[0], meta={**runs[0].meta, META: doubted}), *runs[1:])
    replace(fitted, states=fitted.states[:num_states]).save(out / "fitted" / slug(learner.name))
    for folder, run in zip(folders, runs, strict=True):
        run.save(folder)
    tell_pace(sink, learner.name, len(own.ids), time.perf_counter() - start)
    return runs


def _key(learner: Learner, recipe: Recipe, features: Features, known: Learnt, folds: Sequence[str]) -> str:
    """Hash of all that a learner's predictions depend on."""
    spaces = features.extracted.spaces
    facts: dict[str, Any] = {
        "head": learner.head,
        "seed": recipe.seed,
        "final": recipe.final,
        "views": [[spaces[i].name for i in part] for _, part in learner.sight.views],
        "normalise": recipe.normalise,
        "rows": [known.hashes, features.test_hashes],
        "labels": label_lists(known.table),
        "weights": None if known.table.weights is None else known.table.weights.tolist(),
        "folds": folds,
        "lessons": [recipe.suspects, recipe.pseudo],
        "classes": features.train.class_hash,
    }
    return hash_json(facts)


def answer(learner: Learner, final: str, run_folder: Path, x_LD: Rows) -> list[np.ndarray]:
    """(L, C) probabilities of each member for new images: the refit's, or the mean of the folds', as `final` says."""
    from medalist.training import heads

    fitted = Fitted.load(run_folder / "fitted" / slug(learner.name))
    states = (fitted.refit,) if final == "refit" else fitted.states
    answers = []
    for seen_LD in learner.seen(x_LD):
        prob_KLC = np.stack([heads.predict(learner.head, state, seen_LD) for state in states])
        answers.append(prob_KLC.mean(axis=0, dtype=np.float32))
    return answers


def slug(text: str) -> str:
    """A name as a folder's: `mlp(hidden=8)` -> `mlp-hidden-8`."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-")
