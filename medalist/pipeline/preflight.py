"""`--preflight`: the whole chain on 64 images in a folder that is thrown away, and a forecast for all of them."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from medalist.backbones.runtimes import open_runtime
from medalist.data.ingest import look
from medalist.data.table import TEST, ImageTable
from medalist.engines.local import usable_cores
from medalist.pipeline.backbones import choose, open_backbones
from medalist.pipeline.checks import check, check_table
from medalist.pipeline.extraction import Features
from medalist.pipeline.tuning.tuned import TUNED
from medalist.pipeline.way import read
from medalist.pipeline.whole import Log, carry_out
from medalist.progress import Sink, ignore
from medalist.recipe import RampSection, Recipe
from medalist.training.rows import LARGE

NUM_IMAGES = 64
MIN_FOLDS = 3
ROWS_IN_TURN = 8
NUM_TIMED = 4  # batches
TORCH_BYTES = 1.5e9  # a process with torch and a small network


def preflight(recipe: Recipe, root: Path, out: Path, *, sink: Sink = ignore) -> str:
    """Run everything on a few images, then say what all of them will cost.

    The bank starts empty, so that the speed of extraction is measured and not remembered.

    Raises:
        MedalistError: whatever the real run would meet: a fault of the recipe, an output that cannot be written, a
            class that the sample submission lacks, a head that cannot learn the task.
    """
    check(recipe, root, out)
    log = Log(sink)
    recipe = choose(recipe, log.notes)
    table = read(recipe, root)
    check_table(recipe, table)
    few = sample_of(table, NUM_IMAGES, recipe.seed)
    small = shortened(recipe)
    with tempfile.TemporaryDirectory(prefix="medalist-preflight-") as folder:
        start = time.perf_counter()
        features, *_ = carry_out(small, few, Path(folder) / "out", cache=Path(folder) / "cache", log=log)
        seconds = time.perf_counter() - start
        tuning = tuning_forecast(recipe, len(table.labelled()), Path(folder) / "out")
    return "\n".join(
        [
            f"preflight passed: {len(few)} of {len(table)} images through every stage in {seconds:.0f} s",
            *log.notes,
            *forecast({**log.seconds, "total": seconds - log.seconds.get("tune", 0.0)}, features, table, recipe, out),
            *tuning,
        ]
    )


def shortened(recipe: Recipe) -> Recipe:
    """The recipe with few folds, and an epoch of each phase of its fine-tuning."""
    folds = recipe.folds.model_copy(update={"k": min(recipe.folds.k, MIN_FOLDS)})
    if (settings := recipe.finetune) is None:
        return recipe.model_copy(update={"folds": folds})
    phases = tuple(phase.model_copy(update={"epochs": 1}) for phase in settings.phases)
    short = settings.model_copy(update={"phases": phases, "ramp": RampSection(), "mix_last": 0, "continue_epochs": 1})
    return recipe.model_copy(update={"folds": folds, "finetune": short})


def tuning_forecast(recipe: Recipe, num_rows: int, out: Path) -> list[str]:
    """A sentence on fine-tuning: the images that its trainings show, at the speed of the rehearsal's."""
    if recipe.finetune is None:
        return []
    paces = [json.loads(file.read_text(encoding="utf-8")) for file in out.glob(f"{TUNED}/*/pace-*.json")]
    speed = sum(pace["images"] for pace in paces) / sum(pace["seconds"] for pace in paces)
    epochs = sum(phase.epochs for phase in recipe.finetune.phases)
    refit = {"anew": epochs, "continue": recipe.finetune.continue_epochs}[recipe.finetune.refit]
    shown = num_rows * (epochs * (recipe.folds.k - 1) + refit * (recipe.final == "refit"))
    shown *= len(recipe.finetune.backbones or recipe.backbones)
    return [
        f"fine-tuning shows {shown} images, here {speed:.0f} a second: at most {shown / speed:.0f} s, as so few images"
        " are slow to start, and layers that never train run once for all folds"
    ]


def sample_of(table: ImageTable, num_images: int, seed: int) -> ImageTable:
    """At most `num_images` rows, a quarter of them test rows; a class is taken with several rows or not at all."""
    rng = np.random.default_rng(seed)
    test = np.flatnonzero(table.split == TEST)
    test = rng.permutation(test)[: num_images // 4]
    labelled = rng.permutation(np.flatnonzero(table.split != TEST))
    if isinstance(table.labels, np.ndarray):
        labelled = labelled[_class_by_class(table.labels[labelled])]
    return table.take(np.sort(np.concatenate([labelled[: num_images - len(test)], test])))


def _class_by_class(label_N: np.ndarray) -> np.ndarray:
    """An order in which 8 rows of one class follow 8 rows of another, then the next 8 of each."""
    by_class = np.argsort(label_N, kind="stable")
    counts = np.bincount(label_N)
    turn_N = np.empty(len(label_N), np.int64)
    turn_N[by_class] = (np.arange(len(label_N)) - np.repeat(np.cumsum(counts) - counts, counts)) // ROWS_IN_TURN
    return np.lexsort((label_N, turn_N))


def _num_models(num_folds: int) -> float:
    """Models that a linear head fits: one a fold, one a pair of folds, the refit."""
    return num_folds + num_folds * (num_folds - 1) / 2 + 1


def forecast(seconds: dict[str, float], features: Features, table: ImageTable, recipe: Recipe, out: Path) -> list[str]:
    """Sentences on time, memory and disk for all N images: what was measured, scaled by what it grows with."""
    num_rows, num_few, num_columns = len(table), len(features.train) + len(features.test), features.x_ND.shape[1]
    image_s = _forward_s(recipe, table) + _decode_s(recipe, table)
    start_s = max(seconds["embed"] - num_few * image_s, 0.0)
    models = _num_models(recipe.folds.k) / _num_models(min(recipe.folds.k, MIN_FOLDS))
    rest_s = (seconds["total"] - seconds["embed"]) * num_rows / num_few * models
    memory = _heads_bytes(num_rows, num_columns, len(table.classes), recipe.folds.k)
    bank = 2 * num_columns * num_rows
    free = shutil.disk_usage(_existing(out)).free
    return [
        f"forecast for {num_rows} images: features {start_s + num_rows * image_s:.0f} s, then at most {rest_s:.0f} s",
        f"memory about {(memory + TORCH_BYTES) / 1e9:.1f} GB;"
        f" disk {bank / 1e9:.2f} GB for features, {free / 1e9:.0f} GB are free",
        *(["warning: the disk will be too small"] if bank > free else []),
    ]


def _heads_bytes(num_rows: int, num_columns: int, num_classes: int, num_folds: int) -> float:
    """Peak memory of the heads beside torch."""
    predictions = 4 * 3 * num_rows * num_classes
    if num_rows >= num_columns and 4 * num_rows * (num_columns + num_classes) > LARGE:
        # Read in blocks: a float32 Gram matrix a fold, three float64 ones a core.
        return predictions + num_columns**2 * (4 * num_folds + 3 * 8 * usable_cores())
    # float32 features, their standardised copy, the reduced copy and a Gram matrix of the smaller side.
    return predictions + 4 * num_columns * num_rows * 3 + 8 * min(num_rows, num_columns) ** 2 * 2


def _forward_s(recipe: Recipe, table: ImageTable) -> float:
    """Seconds that all backbones and views take for one image, all lanes busy, by the runtime of a run of that size."""
    from medalist.features.choice import choose_runtime, timed

    seconds, paths, views = 0.0, list(table.paths), len(recipe.views)
    with tempfile.TemporaryDirectory(prefix="medalist-preflight-") as cache:
        for backbone in open_backbones(recipe):
            name, _ = choose_runtime(
                backbone, recipe.runtime, table.root, paths, num_views=views, taps=recipe.taps, cache=Path(cache)
            )
            forward = open_runtime(backbone, runtime=name, taps=recipe.taps, networks=Path(cache) / "networks")
            size = backbone.preprocessing
            pixels_NHWC = np.zeros((NUM_TIMED * forward.batch, size["height"], size["width"], 3), np.uint8)
            seconds += views / timed(forward, pixels_NHWC)[1]
    return seconds


def _decode_s(recipe: Recipe, table: ImageTable) -> float:
    """Seconds that the decoders of all cores take for one image."""
    every = [backbone.preprocessing for backbone in open_backbones(recipe)]
    preparations = [one for i, one in enumerate(every) if one not in every[:i]]
    paths = [str(table.root / path) for path in table.paths[: NUM_IMAGES // 4] if path]
    start = time.perf_counter()
    for path in paths:
        look(path, preparations)
    return (time.perf_counter() - start) / max(len(paths), 1) / usable_cores()


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder
