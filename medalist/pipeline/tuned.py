"""Fine-tuned backbones as learners: each trained on the rows outside each fold, then a backbone like any other.

Trained weights become a card of the run folder, its rows go through the ordinary extraction, and a state of arrays
answers from them: so out-of-fold rows, test rows, views and `predict` need nothing of their own. Axes: N training
images, M test images, L readable ones, D features, C classes, K folds, E epochs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medalist.backbones import Backbone
from medalist.backbones.cards import open_card
from medalist.data.facts import Facts
from medalist.data.splits import Folds
from medalist.features.bank import FeatureBank
from medalist.features.column import Look
from medalist.features.extract import embed
from medalist.features.rows import Rows
from medalist.fitted import Fitted, State
from medalist.pipeline.backbones import tuned_backbones
from medalist.pipeline.extraction import Features
from medalist.pipeline.kept import label_lists
from medalist.pipeline.learners import slug
from medalist.pipeline.tuning import REFIT, Tuning, card_of, train
from medalist.predictions import Predictions
from medalist.progress import Sink
from medalist.recipe import Recipe
from medalist.store import failpoint, hash_json

TUNED = "tuned"


@dataclass(frozen=True)
class Tuned:
    """A backbone that a recipe fine-tunes; `views` is which views of an image it answers, each a member if they are
    fused as answers.
    """

    backbone: Backbone
    views: tuple[str, ...]
    apart: bool

    @property
    def name(self) -> str:
        """`tuned mobilenetv2`."""
        return f"{TUNED} {self.backbone.name}"

    @property
    def members(self) -> list[str]:
        """A name a view where they are fused as answers, else one."""
        if not self.apart:
            return [self.name]
        return [self.name, *(f"{self.name} on {view}" for view in self.views[1:])]


def tuned_of(recipe: Recipe) -> list[Tuned]:
    """What a recipe fine-tunes."""
    return [Tuned(backbone, recipe.views, recipe.fuse == "answers") for backbone in tuned_backbones(recipe)]


def fit_tuned(
    tuned: Tuned, recipe: Recipe, features: Features, folds: Folds, out: Path, *, cache: Path, sink: Sink
) -> tuple[Predictions, ...]:
    """Its members' predictions; trained weights in `out/tuned`, states and predictions beside the other learners'.

    Nothing is made again where it stands there, and a training that was killed goes on.
    """
    key = _key(tuned, recipe, features, folds)
    folders = [out / "predictions" / slug(name) for name in tuned.members]
    if all((folder / "predictions.json").is_file() for folder in folders):
        done = tuple(Predictions.load(folder) for folder in folders)
        if all(run.meta["key"] == key for run in done):
            return done
    tuning = Tuning(tuned.backbone, recipe, features, folds, out / TUNED / slug(tuned.name), key, cache, sink)
    states, refit, meta = train(tuning)
    failpoint("in-fit")
    fitted = Fitted(tuned.name, tuple(states), refit or {}, meta)
    shown = _Shown(tuned, tuning, recipe, features, cache, sink)
    oof_VNC, test_KVLC = shown.out_of_fold(states, folds)
    fit_VNC = np.zeros((len(tuned.members), 0, oof_VNC.shape[2]), np.float32)
    if refit is not None:
        fit_VNC, test_VLC = shown.refitted(refit)
        test_KVLC = test_VLC[None]
    runs = tuple(
        Predictions(
            name=name,
            ids=tuple(features.train.ids),
            test_ids=tuple(features.test.ids[features.readable_M]),
            oof_NC=oof_VNC[place],
            test_KMC=test_KVLC[:, place],
            fit_NC=fit_VNC[place],
            scale="prob",
            class_hash=features.train.class_hash,
            fold_hash=folds.hash,
            meta={"key": key, **meta},
        )
        for place, name in enumerate(tuned.members)
    )
    fitted.save(out / "fitted" / slug(tuned.name))
    for folder, run in zip(folders, runs, strict=True):
        run.save(folder)
    tuning.clear()
    return runs


def answer_tuned(
    tuned: Tuned, recipe: Recipe, run_folder: Path, root: Path, paths: Sequence[str], *, cache: Path, sink: Sink
) -> list[np.ndarray]:
    """(L, C) probabilities of each member for new images that can be read."""
    fitted = Fitted.load(run_folder / "fitted" / slug(tuned.name))
    folder = run_folder / TUNED / slug(tuned.name)
    places = [(REFIT, fitted.refit)] if recipe.final == "refit" else [*enumerate(fitted.states)]
    found = []
    for place, state in places:
        backbone = open_card(card_of(folder, place))
        facts, rows = embedded(backbone, fitted.meta["runtime"], recipe.views, root, paths, cache=cache, sink=sink)
        found.append(answers(state, rows, np.flatnonzero([fact.ok for fact in facts]), apart=tuned.apart))
    return list(np.asarray(np.mean(found, axis=0, dtype=np.float32)))


def embedded(
    backbone: Backbone,
    runtime: str,
    views: tuple[str, ...],
    root: Path,
    paths: Sequence[str],
    *,
    cache: Path,
    sink: Sink,
) -> tuple[list[Facts], list[Rows]]:
    """Pooled features of each view, a row a file; unreadable ones have zeros."""
    facts, spaces = embed(root, paths, [Look(backbone, runtime, views)], cache=cache, sink=sink)
    hashes = [fact.hash if fact.ok else "" for fact in facts]
    rows = FeatureBank(cache).rows(spaces, hashes)
    return facts, [rows.only([place]) for place in range(len(spaces))]


def answers(state: State, rows: Sequence[Rows], at: np.ndarray, *, apart: bool) -> np.ndarray:
    """(V, n, C) probabilities of rows `at`, a slice a view; or where views are not apart (1, n, C), their mean."""
    from medalist.training.neural.answers import neural_predict

    prob_VNC = np.stack([neural_predict(state, view_ND[at]) for view_ND in rows])
    return prob_VNC if apart else prob_VNC.mean(axis=0, keepdims=True, dtype=np.float32)


@dataclass(frozen=True)
class _Shown:
    """What trained weights say of a run's images."""

    tuned: Tuned
    tuning: Tuning
    recipe: Recipe
    features: Features
    cache: Path
    sink: Sink

    def of(self, place: int | str, state: State, paths: Sequence[str]) -> np.ndarray:
        """(V, n, C) of files that can be read."""
        if not len(paths):
            return np.zeros((len(self.tuned.members), 0, self.tuning.num_classes), np.float32)
        backbone, root = open_card(card_of(self.tuning.folder, place)), self.features.train.root
        _, rows = embedded(
            backbone, self.tuning.runtime, self.recipe.views, root, paths, cache=self.cache, sink=self.sink
        )
        return answers(state, rows, np.arange(len(paths)), apart=self.tuned.apart)

    @property
    def test_paths(self) -> list[str]:
        """Those of the test files that can be read."""
        return list(self.features.test.paths[self.features.readable_M])

    def out_of_fold(self, states: Sequence[State], folds: Folds) -> tuple[np.ndarray, np.ndarray]:
        """(V, N, C) of rows whose fold the weights never saw, and (K, V, L, C) of the test rows."""
        oof_VNC = np.empty((len(self.tuned.members), len(folds.fold_N), self.tuning.num_classes), np.float32)
        paths, test = self.features.train.paths, self.test_paths if self.recipe.final == "folds" else []
        test_KVLC = []
        for k, state in enumerate(states):
            rows = np.flatnonzero(folds.fold_N == k)
            prob_VnC = self.of(k, state, [*paths[rows], *test])
            oof_VNC[:, rows] = prob_VnC[:, : len(rows)]
            test_KVLC.append(prob_VnC[:, len(rows) :])
        return oof_VNC, np.stack(test_KVLC)

    def refitted(self, state: State) -> tuple[np.ndarray, np.ndarray]:
        """(V, N, C) of the rows that the refit learnt from, and (V, L, C) of the test rows."""
        prob_VnC = self.of(REFIT, state, [*self.features.train.paths, *self.test_paths])
        return prob_VnC[:, : len(self.features.train)], prob_VnC[:, len(self.features.train) :]


def _key(tuned: Tuned, recipe: Recipe, features: Features, folds: Folds) -> str:
    """Hash of all that a fine-tuned learner's predictions depend on."""
    facts: dict[str, Any] = {
        "weights": tuned.backbone.weights_hash,
        "preprocessing": tuned.backbone.preprocessing,
        "finetune": recipe.finetune and recipe.finetune.model_dump(mode="json", exclude={"backbones", "workers"}),
        "seed": recipe.seed,
        "final": recipe.final,
        "views": [recipe.views, recipe.fuse],
        "metric": recipe.metric,
        "rows": [features.hashes, features.test_hashes],
        "ids": features.train.ids.tolist(),
        "labels": label_lists(features.train),
        "folds": folds.hash,
        "classes": features.train.class_hash,
    }
    return hash_json(facts)
