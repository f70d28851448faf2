"""What all trainings of one backbone share: its plan, its images, its folder, and what that folder may hold.

Axes: N training images, n rows of them, D features, C classes.
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from medalist import ledger
from medalist.backbones import Backbone
from medalist.backbones.runtimes.machine import has_bf16, this_device
from medalist.data.pixels import Pixels
from medalist.data.splits import Folds
from medalist.errors import DataError, RecipeError
from medalist.features.bank import FeatureBank
from medalist.features.rows import Rows
from medalist.metrics import metrics
from medalist.pipeline.extra import Learnt, learnt
from medalist.pipeline.extraction import Features, Seen, extract_through
from medalist.pipeline.kept import label_lists
from medalist.progress import Sink
from medalist.recipe import Recipe
from medalist.registry import Bound
from medalist.store import hash_json
from medalist.training import checkpoint
from medalist.training.heads.contract import is_tags
from medalist.training.plan import Phase, Plan
from medalist.training.weights import present

SETTLED = "runtimes.json"
KEY = "key.json"
MIN_FOLDS = 3
MARGIN = 1.15  # of the largest input side: what augmentation may cut off


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
        table, others = self.known.table, {"backbones", "workers", "fuse", "fused_head"}
        facts: dict[str, Any] = {
            "weights": self.backbone.weights_hash,
            "preprocessing": self.backbone.preprocessing,
            "finetune": self.settings.model_dump(mode="json", exclude=others),
            "bf16": self.plan.bf16,
            "seed": self.recipe.seed,
            "metric": self.recipe.metric,
            "rows": self.known.hashes,
            "ids": table.ids.tolist(),
            "labels": label_lists(table),
            "row_weights": None if table.weights is None else table.weights.tolist(),
            "groups": self.features.group_N.tolist(),
            "folds": self.folds.hash,
            "classes": table.class_hash,
            "auxiliary": {name: text_N.tolist() for name, text_N in table.targets.items()},
        }
        return hash_json(facts)

    @cached_property
    def known(self) -> Learnt:
        """What is learnt from: the N labelled rows, then the extra ones."""
        return learnt(self.features, self.folds)

    @property
    def tags(self) -> bool:
        """Label sets."""
        return is_tags(self.features.train.labels)

    @cached_property
    def auxiliary(self) -> Any:
        """Further columns of the labels that are learnt; None without any."""
        from medalist.training.auxiliary import Auxiliary

        return Auxiliary.of(self.known.table.targets, self.settings.auxiliary)

    @cached_property
    def images(self) -> Any:
        """What is learnt from; decoded once for all trainings."""
        from medalist.training.feeds import Images

        table = self.known.table
        side = math.ceil(MARGIN * max(max(phase.size) for phase in self.plan.phases))
        pixels = Pixels.build(
            table.root, list(table.paths), self.known.hashes, side=side, cache=self.cache, sink=self.sink
        )
        return Images(
            backbone=self.backbone,
            root=table.root,
            paths=tuple(table.paths),
            ids=tuple(table.ids),
            labels=table.labels,
            num_classes=self.num_classes,
            pixels=pixels,
            cache=self.cache,
            workers=self.settings.workers,
            auxiliary=self.auxiliary,
            weight_N=table.weights,
        )

    @cached_property
    def frozen(self) -> tuple[str, Rows]:
        """The pretrained backbone's runtime, as the run settled it or settled here, and its pooled features of
        what is learnt from, (N + E, D).
        """
        table, settled = self.known.table, self.folder / SETTLED
        self.folder.mkdir(parents=True, exist_ok=True)
        seen = Seen((self.backbone,), self.recipe.runtime, ("center",), ("pooled",))
        found = extract_through(seen, table.root, list(table.paths), cache=self.cache, settled=settled, sink=self.sink)
        rows = FeatureBank(self.cache).rows(found.spaces, self.known.hashes)
        # int8 was calibrated for the pretrained weights: trained ones answer in float32.
        return str(found.spaces[0].key["runtime"]["runtime"]).replace("int8", "f32"), rows

    @property
    def prefix(self) -> Path | None:
        """Where what crosses from the frozen part is kept: on a CPU, while that part is as it was pretrained, for more
        than one training.
        """
        once = self.settings.holdout and (self.recipe.final == "folds" or self.settings.refit == "continue")
        wanted = self.settings.prefix == "auto" and self.begin is None and this_device() == "cpu" and not once
        return self.folder / "training-prefix" if wanted else None

    @property
    def compiles(self) -> Path | None:
        """Where it is settled which phases are compiled, on a GPU; what goes on with trained weights is no phase of the
        folds', whose first has the same number.
        """
        if this_device() != "cuda":
            return None
        return self.folder / ("training-compiled" if self.begin is None else "training-compiled-on")

    @property
    def runtime(self) -> str:
        """By which trained weights answer."""
        return self.frozen[0]

    def quick_score(self, rows: np.ndarray, prob_nC: np.ndarray) -> float:
        """The metric of probabilities as they come: of the likeliest class, or of tags at 0.5."""
        labels, eats = self.known.table.labels[rows], self.metric.facts["eats"]
        given: dict[str, Any] = {"prob": prob_nC, "labels": prob_nC.argmax(axis=1), "sets": prob_nC >= 0.5}
        return float(self.metric(labels, given[eats]))

    def clear(self) -> None:
        """Remove what only a killed training needs."""
        for folder in self.folder.glob("training-*"):
            shutil.rmtree(folder)


def check_folds(tuning: Tuning) -> None:
    """Refuse folds that nothing can be learnt from.

    Raises:
        RecipeError: fewer than three.
        DataError: one has no rows, or all rows outside one are of one class.
    """
    folds, table, fold_N = tuning.folds, tuning.known.table, tuning.known.fold_N
    if folds.num_folds < MIN_FOLDS:
        raise RecipeError(f"fine-tuning needs {MIN_FOLDS} folds or more, got {folds.num_folds}; try folds.k=5")
    learnt_N = present(np.arange(len(table)), table.weights)
    if empty := sorted(set(range(folds.num_folds)) - set(fold_N[learnt_N].tolist())):
        raise DataError(
            f"fold {empty[0]} of {folds.num_folds} has no rows; number the folds of folds.file from 0 on,"
            " without gaps, and leave some rows out of the quarantine"
        )
    for k in range(folds.num_folds):
        if not tuning.tags and len(np.unique(table.labels[learnt_N[fold_N[learnt_N] != k]])) < 2:
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
