"""Fine-tuned backbones as learners: each trained on the rows outside each fold, then a backbone like any other.

Trained weights become cards of the run folder, their rows go through the ordinary extraction, and states of arrays
answer from them: so out-of-fold rows, test rows, views and `predict` need nothing of their own. A network answers by
its own head, or one head answers from the features of all of them (write-up 5). Axes: N training images, L readable
test images, C classes, K folds (or the one that is held out), V members.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from medalist.backbones import Backbone
from medalist.data.splits import Folds
from medalist.features.rows import Rows
from medalist.fitted import Fitted, State
from medalist.pipeline.backbones import tuned_backbones
from medalist.pipeline.extra import learnt
from medalist.pipeline.extraction import Features
from medalist.pipeline.holdout import scored
from medalist.pipeline.learners import slug
from medalist.pipeline.tuning.helping import helped
from medalist.pipeline.tuning.shared import Tuning
from medalist.pipeline.tuning.trained import REFIT, Place, Trained
from medalist.pipeline.tuning.trainings import train
from medalist.predictions import Predictions
from medalist.progress import Sink
from medalist.recipe import Recipe
from medalist.store import failpoint, hash_json

TUNED = "tuned"


@dataclass(frozen=True)
class Tuned:
    """A learner on trained networks.

    Args:
        backbones: as they were pretrained; more than one are fused.
        views: of an image.
        apart: each view is a member of its own.
        head: on the features of all; empty: the network's own.
    """

    backbones: tuple[Backbone, ...]
    views: tuple[str, ...]
    apart: bool
    head: str = ""

    @property
    def name(self) -> str:
        """`tuned mobilenetv2`, or `logistic on tuned features`."""
        return f"{self.head} on {TUNED} features" if self.head else network_name(self.backbones[0])

    @property
    def members(self) -> list[str]:
        """A name a view where they are apart, else one."""
        return [self.name, *(f"{self.name} on {view}" for view in self.views[1:] if self.apart)]

    def through(self, run_folder: Path, cache: Path, sink: Sink) -> Trained:
        """Its networks, as a run folder holds them."""
        folders = [run_folder / TUNED / slug(network_name(backbone)) for backbone in self.backbones]
        own = [run_folder / "fitted" / slug(network_name(backbone)) for backbone in self.backbones]
        networks, views = range(len(self.backbones)), range(len(self.views))
        by_view = tuple(tuple((network, view) for network in networks) for view in views)
        together = (tuple((network, view) for network in networks for view in views),)
        return Trained(
            folders=tuple(folders),
            runtimes=tuple(Fitted.load(folder).meta["runtime"] for folder in own),
            views=self.views,
            groups=together if self.head and not self.apart else by_view,
            mean=not self.head and not self.apart,
            answer=self._answer,
            cache=cache,
            sink=sink,
        )

    def _answer(self, state: State, rows: Rows) -> np.ndarray:
        from medalist.training import heads
        from medalist.training.neural.answers import neural_predict

        return heads.predict(self.head, state, rows) if self.head else neural_predict(state, rows)


def network_name(backbone: Backbone) -> str:
    """What a trained backbone is called among learners and folders."""
    return f"{TUNED} {backbone.name}"


def tuned_of(recipe: Recipe) -> list[Tuned]:
    """The learners of a recipe that answer by trained networks."""
    backbones, settings = tuned_backbones(recipe), recipe.finetune
    if settings is None:
        return []
    apart = recipe.fuse == "answers"
    alone = [] if settings.fuse == "features" else [Tuned((one,), recipe.views, apart) for one in backbones]
    fused = [] if settings.fuse == "answers" else [Tuned(tuple(backbones), recipe.views, apart, settings.fused_head)]
    return [*alone, *fused]


def tunings_of(recipe: Recipe, features: Features, folds: Folds, out: Path, *, cache: Path, sink: Sink) -> list[Tuning]:
    """The trainings that a recipe asks for, a backbone each."""
    return [
        Tuning(one, recipe, features, folds, out / TUNED / slug(network_name(one)), cache, sink)
        for one in tuned_backbones(recipe)
    ]


def fit_tuned(
    recipe: Recipe, features: Features, folds: Folds, out: Path, *, cache: Path, sink: Sink
) -> tuple[Predictions, ...]:
    """All members on trained networks; weights in `out/tuned`, states and predictions beside the other learners'.

    Nothing is made again where it stands there, and a training that was killed goes on.
    """
    learners = tuned_of(recipe)
    folders = [out / "predictions" / slug(name) for learner in learners for name in learner.members]
    tunings = tunings_of(recipe, features, folds, out, cache=cache, sink=sink)
    key = _key(recipe, features, tunings)
    if all((folder / "predictions.json").is_file() for folder in folders):
        done = tuple(Predictions.load(folder) for folder in folders)
        if all(run.meta["key"] == key for run in done):
            for tuning in tunings:
                tuning.clear()  # what a kill just after the predictions left
            return done
    with helped(tunings, out, features.train.root, cache):
        for tuning in tunings:
            states, refit, meta = train(tuning)
            name = network_name(tuning.backbone)
            Fitted(name, tuple(states), refit or {}, meta).save(out / "fitted" / slug(name))
    failpoint("in-fit")
    runs = tuple(
        run for learner in learners for run in _answered(learner, recipe, features, folds, out, key, cache, sink)
    )
    for folder, run in zip(folders, runs, strict=True):
        run.save(folder)
    for tuning in tunings:
        tuning.clear()
    return runs


def _answered(
    learner: Tuned, recipe: Recipe, features: Features, folds: Folds, out: Path, key: str, cache: Path, sink: Sink
) -> list[Predictions]:
    """A learner's members, its head fitted first where it has one of its own."""
    through = learner.through(out, cache, sink)
    if learner.head:
        _fuse(learner, through, recipe, features, folds, out, sink)
    fitted = Fitted.load(out / "fitted" / slug(learner.name))
    refit, (rows, own) = recipe.final == "refit", scored(recipe, features, folds)
    oof_VNC, test_KVLC = through.out_of_fold(fitted.states, features, folds.fold_N, with_test=not refit)
    fit_VNC = oof_VNC[:, :0]
    if refit:
        fit_VNC, test_VLC = through.refitted(fitted.refit, features, rows)
        test_KVLC = test_VLC[None]
    return [
        Predictions(
            name=name,
            ids=own.ids,
            test_ids=tuple(features.test.ids[features.readable_M]),
            oof_NC=oof_VNC[place],
            test_KMC=test_KVLC[:, place],
            fit_NC=fit_VNC[place],
            scale="prob",
            class_hash=features.train.class_hash,
            fold_hash=own.hash,
            meta={"key": key, **fitted.meta},
        )
        for place, name in enumerate(learner.members)
    ]


def _fuse(
    learner: Tuned, through: Trained, recipe: Recipe, features: Features, folds: Folds, out: Path, sink: Sink
) -> None:
    """Fit the head on the features of all networks, the k-th on those of fold k's."""
    from medalist.training.choice import Task
    from medalist.training.fused import fused_states
    from medalist.training.heads import heads

    known = learnt(features, folds)
    table, head = known.table, heads.bind(learner.head)
    task = Task(head, table.labels, known.fold_N, folds.num_folds, len(table.classes), recipe.seed, sink)
    task = replace(task, weight_N=table.weights)

    def embedded(fold: int | None) -> np.ndarray:
        place: Place = REFIT if fold is None else fold
        return through.rows(place, table.root, list(table.paths))[1][0][:]

    states, refit, meta = fused_states(task, embedded, refit=recipe.final == "refit")
    Fitted(learner.name, tuple(states), refit or {}, meta).save(out / "fitted" / slug(learner.name))


def answer_tuned(
    tuned: Tuned, final: str, run_folder: Path, root: Path, paths: Sequence[str], *, cache: Path, sink: Sink
) -> list[np.ndarray]:
    """(L, C) probabilities of each member for new images that can be read."""
    fitted, through = Fitted.load(run_folder / "fitted" / slug(tuned.name)), tuned.through(run_folder, cache, sink)
    places: list[tuple[Place, State]] = [(REFIT, fitted.refit)] if final == "refit" else [*enumerate(fitted.states)]
    found = []
    for place, state in places:
        facts, rows = through.rows(place, root, paths)
        at = np.flatnonzero([fact.ok for fact in facts])
        found.append(through.answers(state, [group_nD.take(at) for group_nD in rows]))
    return list(np.asarray(np.mean(found, axis=0, dtype=np.float32)))


def _key(recipe: Recipe, features: Features, tunings: Sequence[Tuning]) -> str:
    """Hash of all that the predictions of trained networks depend on."""
    settings = recipe.finetune
    facts: dict[str, Any] = {
        "trainings": [tuning.key for tuning in tunings],
        "fuse": settings and [settings.fuse, settings.fused_head],
        "final": recipe.final,
        "views": [recipe.views, recipe.fuse],
        "test": features.test_hashes,
    }
    return hash_json(facts)
