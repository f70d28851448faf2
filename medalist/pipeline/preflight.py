"""`--preflight`: the whole chain on 64 images in a folder that is thrown away, and a forecast for all of them."""

from __future__ import annotations

import operator
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medalist.backbones.runtimes import open_runtime
from medalist.data.ingest import look
from medalist.data.table import EXTRA, TEST, ImageTable
from medalist.engines.local import usable_cores
from medalist.pipeline.backbones import choose, open_backbones
from medalist.pipeline.checks import check, check_table
from medalist.pipeline.extraction import Features
from medalist.pipeline.tuning.disk import disk_forecast, free_for, num_folds_of, num_trainings
from medalist.pipeline.tuning.pace import image_seconds, runs_once
from medalist.pipeline.tuning.shared import Tuning
from medalist.pipeline.tuning.tuned import tunings_of
from medalist.pipeline.way import read
from medalist.pipeline.whole import Log, carry_out
from medalist.progress import Sink, ignore
from medalist.recipe import RampSection, Recipe
from medalist.training.rows import LARGE

NUM_IMAGES = 64
MIN_FOLDS = 3
ROWS_IN_TURN = 8
NUM_TIMED = 4  # batches
MOST_TIMED_S = 20.0  # steps of fine-tuning, of all networks and phases
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
    small, notes = shortened(recipe), [*log.notes]  # what the rehearsal notes is of a few images
    with tempfile.TemporaryDirectory(prefix="medalist-preflight-") as folder:
        start = time.perf_counter()
        features, folds, _ = carry_out(small, few, Path(folder) / "out", cache=Path(folder) / "cache", log=log)
        seconds = time.perf_counter() - start
        again = Path(folder) / "again"
        tunings = tunings_of(recipe, features, folds, again, cache=Path(folder) / "cache", sink=ignore)
        tuning = tuning_forecast(recipe, len(table.labelled()), tunings, again)
    return "\n".join(
        [
            f"preflight passed: {len(few)} of {len(table)} images through every stage in {seconds:.0f} s",
            *notes,
            *forecast({**log.seconds, "total": seconds - log.seconds.get("tune", 0.0)}, features, table, recipe, out),
            *tuning,
            *([] if recipe.finetune is None else [disk_forecast(recipe, out)]),
        ]
    )


def shortened(recipe: Recipe) -> Recipe:
    """The recipe with few folds, and an epoch of each phase of its fine-tuning, without processes to wait for."""
    # A file has folds of all rows, not of these few.
    folds = recipe.folds.model_copy(update={"k": min(num_folds_of(recipe), MIN_FOLDS), "file": None})
    if (settings := recipe.finetune) is None:
        return recipe.model_copy(update={"folds": folds})
    phases = tuple(phase.model_copy(update={"epochs": 1}) for phase in settings.phases)
    changed = {"phases": phases, "ramp": RampSection(), "mix_last": 0, "continue_epochs": 1, "workers": 0}
    short = settings.model_copy(update=changed)
    return recipe.model_copy(update={"folds": folds, "finetune": short})


def tuning_forecast(recipe: Recipe, num_rows: int, tunings: Sequence[Tuning], folder: Path) -> list[str]:
    """A sentence on fine-tuning: the images that its trainings show, at the speed of a few steps of each phase.

    Args:
        recipe: as the run has it.
        num_rows: N labelled images of the run.
        tunings: of its networks, on a few images.
        folder: for what the steps leave.
    """
    if recipe.finetune is None:
        return []
    shown_P = images_shown(recipe, num_rows)
    budget_s = MOST_TIMED_S / (len(tunings) * len(shown_P))
    second_TP = [image_seconds(tuning, folder, budget_s=budget_s) for tuning in tunings]
    seconds = sum(sum(map(operator.mul, shown_P, second_P)) for second_P in second_TP)
    shown = len(tunings) * sum(shown_P)
    once = any(runs_once(tuning) for tuning in tunings)
    return [
        f"fine-tuning shows {shown:.0f} images, {shown / seconds:.1f} a second after the first steps: about"
        f" {seconds:.0f} s{' at most, as layers that never train run once for all folds' if once else ''}; judging each"
        " epoch and answering come on top"
    ]


def images_shown(recipe: Recipe, num_rows: int) -> list[float]:
    """How many images the trainings of one network show in each phase: K trainings of (K - 1) / K of the rows, or one,
    and the one of all rows.
    """
    settings, num_folds = recipe.finetune, num_folds_of(recipe)
    if settings is None:
        return []
    epochs_P = [phase.epochs for phase in settings.phases]
    refit_P = epochs_P if settings.refit == "anew" else [0] * (len(epochs_P) - 1) + [settings.continue_epochs]
    times, last = num_trainings(recipe) * (num_folds - 1) / num_folds, recipe.final == "refit"
    return [num_rows * (epochs * times + refit * last) for epochs, refit in zip(epochs_P, refit_P, strict=True)]


def sample_of(table: ImageTable, num_images: int, seed: int) -> ImageTable:
    """At most `num_images` rows, a quarter of them test rows, and a few extra ones.

    A class is taken with several rows or not at all.
    """
    rng = np.random.default_rng(seed)
    test = np.flatnonzero(table.split == TEST)
    test = rng.permutation(test)[: num_images // 4]
    labelled = rng.permutation(np.flatnonzero(table.split < TEST))
    if isinstance(table.labels, np.ndarray):
        labelled = labelled[_class_by_class(table.labels[labelled])]
    extra = rng.permutation(np.flatnonzero(table.split == EXTRA))[: num_images // 8]
    return table.take(np.sort(np.concatenate([labelled[: num_images - len(test)], test, extra])))


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
    num_folds = num_folds_of(recipe)
    models = _num_models(num_folds) / _num_models(min(num_folds, MIN_FOLDS))
    rest_s = (seconds["total"] - seconds["embed"]) * num_rows / num_few * models
    memory = _heads_bytes(num_rows, num_columns, len(table.classes), num_folds)
    bank = 2 * num_columns * num_rows
    free = free_for(out)
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
