"""Which images are probed, and all that is known of them: a recipe and a folder -> `Copies`, ready to be shown."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from medalist.data.pixels import Pixels
from medalist.data.table import ImageTable
from medalist.errors import RecipeError
from medalist.experiments.augmenting.copies import Copies
from medalist.experiments.folder import VIEWS
from medalist.pipeline import way
from medalist.pipeline.backbones import open_backbones
from medalist.pipeline.chain import Chain
from medalist.pipeline.checks import check_table
from medalist.pipeline.decide import Truth
from medalist.pipeline.extraction import SETTLED, Features
from medalist.pipeline.tuning.shared import MARGIN
from medalist.progress import Sink
from medalist.recipe import Recipe
from medalist.training.heads import heads

LARGE = 2**28  # bytes of features that a head learns from in memory


def sample_of(recipe: Recipe, root: Path, out: Path, *, images: int, num_views: int, cache: Path, sink: Sink) -> Copies:
    """At most so many labelled images, drawn at random; the recipe's first backbone, in one size, and its first head.

    Raises:
        RecipeError: a fault of the recipe for this dataset, or more features than fit in memory.
        DataError: no labelled image could be read.
    """
    table = way.read(recipe, root)
    check_table(recipe, table)
    every = table.labelled()
    some = _drawn(every, images, recipe.seed)
    recipe = _plain(recipe, whole=len(some) == len(every))
    features = way.embed(recipe, some, cache=cache, settled=out / SETTLED, sink=sink)
    num_bytes = 4 * len(features.train) * (1 + num_views) * features.x_ND.shape[1]
    if num_bytes > LARGE:
        told = f"{num_bytes / 1e6:.0f} MB of features, expected at most {LARGE / 1e6:.0f}"
        raise RecipeError(f"--images {images} in --views {num_views} are {told}; type a smaller --images")
    return _copies(recipe, features, out, cache, sink)


def _drawn(table: ImageTable, images: int, seed: int) -> ImageTable:
    """At most so many rows, in the table's order."""
    if len(table) <= images:
        return table
    return table.take(np.sort(np.random.default_rng(seed).permutation(len(table))[:images]))


def _plain(recipe: Recipe, *, whole: bool) -> Recipe:
    """One backbone, one view, one head; a fold file is of all images, so that a part of them draws its own."""
    folds = recipe.folds if whole else recipe.folds.model_copy(update={"file": None})
    kept = {
        "backbones": recipe.backbones[:1],
        "size": recipe.size[:1],
        "views": ("center",),
        "taps": ("pooled",),
        "heads": (recipe.heads or ("ridge",))[:1],
        "ensemble": "mean",
        "finetune": None,
        "folds": folds,
    }
    return recipe.model_copy(update=kept)


def _copies(recipe: Recipe, features: Features, out: Path, cache: Path, sink: Sink) -> Copies:
    train, (backbone,) = features.train, open_backbones(recipe)
    side = math.ceil(MARGIN * max(backbone.preprocessing["height"], backbone.preprocessing["width"]))
    return Copies(
        backbone=backbone,
        # int8 was calibrated for images as they are.
        runtime=str(features.extracted.spaces[0].key["runtime"]["runtime"]).replace("int8", "f32"),
        head=heads.bind(recipe.heads[0]),
        chain=Chain.of(recipe, train.classes),
        truth=Truth(train.labels, train.classes, features.group_N, way.split(recipe, features).fold_N),
        ids=tuple(train.ids),
        pixels=Pixels.build(train.root, list(train.paths), features.hashes, side=side, cache=cache, sink=sink),
        folder=out / VIEWS,
        seed=recipe.seed,
        cache=cache,
        sink=sink,
    )
