"""A backbone, a recipe and folds -> trained weights: a training a fold, one of all rows, and how many epochs each got.

Axes: N training images, n of them watched, D features, C classes, K folds, E epochs.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medalist import ledger
from medalist.backbones import Backbone
from medalist.backbones.runtimes.machine import has_bf16, this_device
from medalist.backbones.trained import write_trained
from medalist.data.pixels import Pixels
from medalist.data.splits import Folds, make_folds
from medalist.errors import DataError, RecipeError
from medalist.features.bank import FeatureBank
from medalist.features.rows import Rows
from medalist.fitted import State
from medalist.metrics import metrics
from medalist.pipeline.extraction import Features, Seen, extract_through
from medalist.pipeline.kept import label_lists
from medalist.pipeline.trained import REFIT, Place, card_of
from medalist.progress import Sink
from medalist.recipe import RampSection, Recipe
from medalist.registry import Bound
from medalist.store import hash_json
from medalist.training import checkpoint
from medalist.training.heads.contract import is_tags
from medalist.training.plan import Phase, Plan

SETTLED = "runtimes.json"
KEY = "key.json"
MIN_FOLDS = 3
MARGIN = 1.15  # of the largest input side: what augmentation may cut off
INNER = 10  # steer: inner watches one in so many of the rows that it may learn from
Start = Callable[[Any], None] | None


@dataclass(frozen=True)
class Tuning:
    """One backbone's fine-tuning: everything that all its trainings share.

    Args:
        backbone: as it was pretrained, in the size of the answers.
        recipe: with a section `finetune`.
        features: of the run: which images.
        folds: of its rows.
        folder: of the trained weights; a folder a training lies in it until all is done.
        cache: of the bank, pixels and facts.
        sink: hears of the steps.
        begin: arrays of the weights to begin with; None: the pretrained ones.
    """

    backbone: Backbone
    recipe: Recipe
    features: Features
    folds: Folds
    folder: Path
    cache: Path
    sink: Sink
    begin: checkpoint.Arrays | None = None

    @property
    def num_classes(self) -> int:
        """C."""
        return len(self.features.train.classes)

    @property
    def metric(self) -> Bound[Any]:
        """That epochs are compared by."""
        return metrics.bind(self.recipe.metric)

    @cached_property
    def settings(self) -> Any:
        """The recipe's section."""
        return self.recipe.finetune

    @cached_property
    def plan(self) -> Plan:
        """What every training does."""
        own = (self.backbone.preprocessing["height"], self.backbone.preprocessing["width"])
        phases = tuple(
            Phase(
                train=phase.train,
                epochs=phase.epochs,
                lr=phase.lr,
                head_lr=phase.head_lr or phase.lr,
                decay=phase.decay,
                schedule=phase.schedule,
                size=(phase.size, phase.size) if phase.size else own,
            )
            for phase in self.settings.phases
        )
        bf16 = this_device() == "cuda" or has_bf16()
        ramp = self.settings.ramp
        return Plan(
            phases=phases,
            head=self.settings.head,
            loss=self.settings.loss or ("bce" if self.tags else "cross_entropy"),
            augment=self.settings.augment,
            mix=self.settings.mix or "",
            optimiser=self.settings.optimiser,
            ramp=(ramp.first, ramp.fade, ramp.last),
            mix_last=self.settings.mix_last,
            sam=self.settings.sam or 0.0,
            sam_adaptive=self.settings.sam_adaptive,
            ema=self.settings.ema or 0.0,
            batchnorm=self.settings.batchnorm,
            batch=self.settings.batch,
            clip=self.settings.clip or 0.0,
            bf16=bf16 if self.settings.precision == "auto" else self.settings.precision == "bf16",
            seed=self.recipe.seed,
        )

    @cached_property
    def key(self) -> str:
        """Hash of all that its trainings depend on."""
        train, others = self.features.train, {"backbones", "workers", "fuse", "fused_head"}
        facts: dict[str, Any] = {
            "weights": self.backbone.weights_hash,
            "preprocessing": self.backbone.preprocessing,
            "finetune": self.settings.model_dump(mode="json", exclude=others),
            "bf16": self.plan.bf16,
            "seed": self.recipe.seed,
            "metric": self.recipe.metric,
            "rows": self.features.hashes,
            "ids": train.ids.tolist(),
            "labels": label_lists(train),
            "folds": self.folds.hash,
            "classes": train.class_hash,
        }
        return hash_json(facts)

    @property
    def tags(self) -> bool:
        """Label sets."""
        return is_tags(self.features.train.labels)

    @cached_property
    def images(self) -> Any:
        """What is learnt from; decoded once for all trainings."""
        from medalist.training.feeds import Images

        train = self.features.train
        side = math.ceil(MARGIN * max(max(phase.size) for phase in self.plan.phases))
        pixels = Pixels.build(
            train.root, list(train.paths), self.features.hashes, side=side, cache=self.cache, sink=self.sink
        )
        return Images(
            backbone=self.backbone,
            root=train.root,
            paths=tuple(train.paths),
            ids=tuple(train.ids),
            labels=train.labels,
            num_classes=self.num_classes,
            pixels=pixels,
            cache=self.cache,
            workers=self.settings.workers,
        )

    @cached_property
    def frozen(self) -> tuple[str, Rows]:
        """The pretrained backbone's runtime, as the run settled it or settled here, and its pooled features (N, D)."""
        train, settled = self.features.train, self.folder / SETTLED
        self.folder.mkdir(parents=True, exist_ok=True)
        seen = Seen((self.backbone,), self.recipe.runtime, ("center",), ("pooled",))
        found = extract_through(seen, train.root, list(train.paths), cache=self.cache, settled=settled, sink=self.sink)
        rows = FeatureBank(self.cache).rows(found.spaces, self.features.hashes)
        # int8 was calibrated for the pretrained weights: trained ones answer in float32.
        return str(found.spaces[0].key["runtime"]["runtime"]).replace("int8", "f32"), rows

    @property
    def prefix(self) -> Path | None:
        """Where what crosses from the frozen part is kept: on a CPU, while that part is as it was pretrained."""
        wanted = self.settings.prefix == "auto" and self.begin is None and this_device() == "cpu"
        return self.folder / "training-prefix" if wanted else None

    @property
    def runtime(self) -> str:
        """By which trained weights answer."""
        return self.frozen[0]

    def quick_score(self, rows: np.ndarray, prob_nC: np.ndarray) -> float:
        """The metric of probabilities as they come: of the likeliest class, or of tags at 0.5."""
        labels, eats = self.features.train.labels[rows], self.metric.facts["eats"]
        given: dict[str, Any] = {"prob": prob_nC, "labels": prob_nC.argmax(axis=1), "sets": prob_nC >= 0.5}
        return float(self.metric(labels, given[eats]))

    def clear(self) -> None:
        """Remove what only a killed training needs."""
        for folder in self.folder.glob("training-*"):
            shutil.rmtree(folder)


def train(tuning: Tuning) -> tuple[list[State], State | None, dict[str, Any]]:
    """Train on the rows outside each fold, choose how many epochs count, and train on all rows.

    Returns:
        The head's state for each fold, the refit's (None where the folds' models answer the test set), and JSON: curves
        (a list an epoch for each fold), epochs, runtime. Each body lies in the folder as a card.
    """
    folds, settings = tuning.folds, tuning.settings
    check_folds(tuning)
    settle(tuning)
    places = range(folds.num_folds)
    learnt = [learnt_of(tuning, place) for place in places]
    heads = cache(lambda: starts(tuning, [rows for rows, _ in learnt]))
    curves = [run_one(tuning, place, learnt[place][0], heads, watched=learnt[place][1]) for place in places]
    chosen = choose_epochs([values(tuning, curve) for curve in curves], own=settings.steer != "none")
    states = [keep(tuning, place, chosen[place]) for place in places]
    meta = {"curves": curves, "epochs": [epoch + 1 for epoch in chosen], "runtime": tuning.runtime}
    if tuning.recipe.final == "folds":
        return states, None, meta
    every = np.arange(len(folds.fold_N))
    follows = factors(tuning.plan, curves)
    if settings.refit == "continue":
        tuning, follows = continued(tuning, chosen[0]), []
        chosen[-1] = tuning.plan.epochs - 1
    run_one(tuning, REFIT, every, heads, until=chosen[-1] + 1, follows=follows)
    return states, keep(tuning, REFIT, chosen[-1]), meta


def factors(plan: Plan, curves: Sequence[Sequence[dict[str, Any]]]) -> list[float]:
    """By what a plateau had cut the rates in each epoch, the folds' mean: the refit has no rows to watch."""
    begins = [plan.place(epoch)[1] == 0 for epoch in range(plan.epochs)]
    cut = [[1.0 if new else curve[e - 1].get("factor", 1.0) for e, new in enumerate(begins)] for curve in curves]
    return [float(factor) for factor in np.mean(cut, axis=0)]


def run_one(
    tuning: Tuning,
    place: Place,
    rows: np.ndarray,
    heads: Callable[[], Sequence[Start]],
    *,
    watched: np.ndarray | None = None,
    until: int | None = None,
    follows: Sequence[float] = (),
) -> list[Any]:
    """One training; its facts an epoch. Each epoch's weights lie in its folder.

    Args:
        tuning: what all trainings share.
        place: fold, or the refit.
        rows: to learn from.
        heads: where each fold's head and the refit's begins; not asked where a checkpoint knows better.
        watched: rows that judge each epoch.
        until: epochs after which to stop.
        follows: see `Training`.
    """
    from medalist.training import ranks
    from medalist.training.finetune import Training, finetune
    from medalist.training.resuming import CHECKPOINT

    folder = tuning.folder / f"training-{place}"
    start = None if (folder / CHECKPOINT).is_file() else heads()[-1 if isinstance(place, str) else place]
    training = Training(
        plan=tuning.plan,
        net=network_of(tuning, start),
        images=tuning.images,
        rows=rows,
        score=tuning.quick_score,
        better=tuning.metric.facts["better"],
        folder=folder,
        device=this_device(),
        prefix=tuning.prefix,
        follows=follows,
    )
    name = f"{tuning.backbone.name} {'all rows' if isinstance(place, str) else f'fold {place + 1}'}"
    curves = finetune(training, watched=watched, until=until, name=name, sink=tuning.sink)
    if ranks.rank():
        return curves
    ledger.write_json(tuning.folder / f"curves-{place}.json", {"facts": training.facts, "epochs": curves})
    if training.pace:
        ledger.write_json(tuning.folder / f"pace-{place}.json", training.pace)
    return curves


def learnt_of(tuning: Tuning, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that a fold's training learns from, and those that judge its epochs: the fold's own, or where it is steered
    inside a tenth of the others, groups whole.
    """
    fold_N = tuning.folds.fold_N
    rows, held = np.flatnonzero(fold_N != fold), np.flatnonzero(fold_N == fold)
    if tuning.settings.steer != "inner":
        return rows, held
    labels = tuning.features.train.labels[rows]
    groups, group_n = np.unique(tuning.features.group_N[rows], return_inverse=True)
    part_n = make_folds(labels, group_n, num_folds=min(INNER, len(groups)), seed=tuning.recipe.seed)
    return rows[part_n != 0], rows[part_n == 0]


def check_folds(tuning: Tuning) -> None:
    """Refuse folds that nothing can be learnt from.

    Raises:
        RecipeError: fewer than three.
        DataError: all rows outside one are of one class.
    """
    folds, labels = tuning.folds, tuning.features.train.labels
    if folds.num_folds < MIN_FOLDS:
        raise RecipeError(f"fine-tuning needs {MIN_FOLDS} folds or more, got {folds.num_folds}; try folds.k=5")
    for k in range(folds.num_folds):
        if not tuning.tags and len(np.unique(labels[folds.fold_N != k])) < 2:
            raise DataError(f"the rows outside fold {k} are all of one class: nothing to learn; give other groups")


def settle(tuning: Tuning) -> None:
    """Forget what a folder holds of another training: of other rows, labels, weights or settings."""
    from medalist.training import ranks

    file = tuning.folder / KEY
    if ranks.rank() == 0 and (not file.is_file() or json.loads(file.read_text(encoding="utf-8")) != tuning.key):
        tuning.clear()
        tuning.folder.mkdir(parents=True, exist_ok=True)
        ledger.write_json(file, tuning.key)
    ranks.meet()


def network_of(tuning: Tuning, start: Any) -> Any:
    """The pretrained network with its head as it begins."""
    import torch

    from medalist.training.kernels import keep_memory, quicken
    from medalist.training.network import Network, set_weights
    from medalist.training.neural.heads import neural

    body = tuning.backbone.build(("pooled",))
    if tuning.plan.batchnorm == "frozen" and this_device() == "cpu":
        keep_memory()
        body = quicken(body, tuning.backbone.preprocessing["height"], tuning.backbone.preprocessing["width"])
    head = neural.bind(tuning.plan.head)(tuning.backbone.num_features, tuning.num_classes, seed=tuning.recipe.seed)
    if start is not None:
        start(head)
    net = Network(body, head)
    if tuning.begin is not None:
        set_weights(net, tuning.begin)
    return net.to(this_device()).to(memory_format=torch.channels_last)


def values(tuning: Tuning, curve: Sequence[dict[str, Any]]) -> np.ndarray:
    """(E, 2) what each epoch was worth, higher is better: metric and loss, first what judges; of averaged weights."""
    prefix = "ema_" if tuning.plan.ema else ""
    sign = 1.0 if tuning.metric.facts["better"] == "higher" else -1.0
    worth_E2 = np.array([[sign * epoch[f"{prefix}metric"], -epoch[f"{prefix}loss"]] for epoch in curve])
    return worth_E2 if tuning.settings.judge == "metric" else worth_E2[:, ::-1]


def choose_epochs(values_KE2: Sequence[np.ndarray], *, own: bool) -> list[int]:
    """The epoch whose weights count, of each fold's training and last of the refit's.

    A fold's is the best of the mean curve of the other folds, whose rows it learnt from: its own rows had no say. With
    `own` it is the best of its own curve. The refit's is the best of the mean of all curves.

    Args:
        values_KE2: of each fold's curve: metric and loss of each epoch, higher is better; loss decides between equals.
        own: the curves are of rows that may steer.
    """
    curves = np.asarray(values_KE2, float)
    places = range(len(curves))
    means = [curves[k] if own else _mean(curves[[j for j in places if j != k]]) for k in places]
    return [_best(mean_E2) for mean_E2 in [*means, _mean(curves)]]


def _mean(value_KE2: np.ndarray) -> np.ndarray:
    """Over the folds that have a value: a metric may have none, as where a fold lacks a class."""
    known_KE2 = np.isfinite(value_KE2)
    total_E2 = np.where(known_KE2, value_KE2, 0.0).sum(axis=0)
    return np.where(known_KE2.any(axis=0), total_E2 / np.maximum(known_KE2.sum(axis=0), 1), np.nan)


def _best(value_E2: np.ndarray) -> int:
    """An epoch without a value is worse than any; where none has one, they are equal."""
    value_E2 = np.where(np.isnan(value_E2), -np.inf, value_E2)
    return max(range(len(value_E2)), key=lambda epoch: tuple(value_E2[epoch]))


def keep(tuning: Tuning, place: Place, epoch: int) -> State:
    """Write the weights of a training's epoch as a card; the state of its head."""
    from medalist.training import network
    from medalist.training.judging import weights_of
    from medalist.training.neural.answers import head_state

    arrays, _ = checkpoint.load(tuning.folder / f"training-{place}" / weights_of(epoch))
    net = network_of(tuning, None).cpu()
    network.set_weights(net, arrays)
    state = {name: array.numpy() for name, array in net.body.state_dict().items()}
    write_trained(tuning.backbone, state, card_of(tuning.folder, place))
    return head_state(net.head, tags=tuning.tags)


def continued(tuning: Tuning, epoch: int) -> Tuning:
    """Write-up 4's way to the model of all rows: the first fold's training goes on, with that fold's rows back in.

    Args:
        tuning: whose last phase goes on, at its learning rate.
        epoch: of the first fold's training, to begin with.
    """
    from medalist.training.judging import weights_of

    settings = tuning.settings
    arrays, _ = checkpoint.load(tuning.folder / "training-0" / weights_of(epoch))
    last = settings.phases[-1].model_copy(update={"epochs": settings.continue_epochs, "schedule": "constant"})
    changed = settings.model_copy(update={"phases": (last,), "ramp": RampSection()})
    return replace(tuning, recipe=tuning.recipe.model_copy(update={"finetune": changed}), begin=arrays)


def starts(tuning: Tuning, learnt: Sequence[np.ndarray]) -> Sequence[Start]:
    """What sets each fold's head, fitted on the rows `learnt` there, and last the refit's, to where training begins."""
    from medalist.training.start import head_starts

    if tuning.settings.start == "random":
        return [None] * (tuning.folds.num_folds + 1)
    return head_starts(
        tuning.plan,
        tuning.frozen[1],
        tuning.features.train.labels,
        tuning.folds.fold_N,
        learnt,
        num_classes=tuning.num_classes,
        sink=tuning.sink,
    )
