"""`medalist stats`: a dataset's mean and standard deviation a channel, beside those that each backbone wants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from medalist.backbones import Backbone
from medalist.data.facts import Facts
from medalist.data.ingest import FACTS_SIDE, facts_of
from medalist.data.moments import Channels, Moments, dataset_moments, sample_rows, swap_share
from medalist.pipeline.backbones import open_backbones
from medalist.pipeline.way import read
from medalist.progress import Sink, ignore
from medalist.recipe import Recipe

CHANNELS = ("red", "green", "blue")
WIDTH = 38
NEAR = 0.3  # of the inputs' size; see `advice`


def stats(recipe: Recipe, root: Path, *, sample: int | None = None, cache: Path, sink: Sink = ignore) -> str:
    """Measure the labelled images, and say how the recipe's backbones want theirs, as plain text.

    Args:
        recipe: its `data`, `backbones`, `cards` and `seed` (of the sample) count.
        root: folder of the dataset.
        sample: look at so many images alone; None: at all.
        cache: folder of the facts; what it knows is not read again.

    Raises:
        DataError: no image could be decoded, or too small a sample.
    """
    backbones = open_backbones(recipe)
    table = read(recipe, root).labelled()
    rows = np.arange(len(table)) if sample is None else sample_rows(len(table), sample, seed=recipe.seed)
    facts = facts_of(table.root, table.paths[rows].tolist(), cache=cache, sink=sink)
    moments = dataset_moments(facts, sampled=len(rows) / len(table))
    lines = [*_counts(moments, len(rows), len(table)), *_reduced(facts), *_rows(moments)]
    return "\n".join([*lines, *(line for backbone in backbones for line in _beside(moments, backbone))])


def _counts(moments: Moments, num_looked: int, num_images: int) -> list[str]:
    """How many images the numbers stand on."""
    unread = num_looked - moments.num_images
    left_out = f", {unread} that could not be decoded left out" if unread else ""
    if num_looked == num_images:
        return [f"all {num_images} labelled images{left_out}: exact; values in [0, 1]"]
    return [
        f"a sample of {num_looked} of {num_images} labelled images{left_out}; values in [0, 1], +- half a 95 % interval"
    ]


def _reduced(facts: Sequence[Facts]) -> Iterator[str]:
    """Means survive a decode at 1/2, 1/4 or 1/8; of the deviation it takes away the finest detail's."""
    reduced = sum(
        one.ok and one.format in ("JPEG", "MPO") and min(one.width, one.height) >= 2 * FACTS_SIDE for one in facts
    )
    if reduced:
        yield f"{reduced} large JPEGs were decoded at a reduced size: their std is told 1 to 3 % too low"


def _rows(moments: Moments) -> Iterator[str]:
    yield " " * WIDTH + "  ".join(f"{channel:16s}" for channel in CHANNELS).rstrip()
    yield _row("mean, each image the same", moments.mean, moments.mean_error)
    yield _row("std, each image the same", moments.std, moments.std_error)
    yield _row("mean of the images' own std", moments.image_std)
    yield _row("mean, by pixels (large images more)", moments.pixel_mean)
    yield _row("std, by pixels", moments.pixel_std)


def _row(name: str, value_C: Channels, error_C: Sequence[float] = ()) -> str:
    """Three numbers, with their errors where there are any."""
    errors = [f" +- {error:.4f}" if error else "" for error in error_C] or [""] * len(value_C)
    cells = [f"{f'{value:.4f}{error}':16s}" for value, error in zip(value_C, errors, strict=True)]
    return f"{name:{WIDTH}s}" + "  ".join(cells).rstrip()


def _beside(moments: Moments, backbone: Backbone) -> Iterator[str]:
    """A backbone's own moments, and what putting the dataset's in their place would do."""
    mean, std = (tuple(float(value) for value in backbone.preprocessing[name]) for name in ("mean", "std"))
    share = swap_share(moments, (mean, std), (moments.mean, moments.std))
    yield f"{backbone.name} wants"
    yield _row("  mean", mean)
    yield _row("  std", std)
    yield f"  {advice(share)}"


def advice(share: float) -> str:
    """What a user should do, by how far the inputs would move (see `swap_share`).

    Weights want the moments that they were trained with. The first layer could absorb others only by being trained
    again, which frozen features never are; so only the size of the harm is open. Measured: harm with a
    MobileNet on each of three sets at shares from 0.87; none that could be told from chance at 0.19, 0.30 and 0.46, one
    try each (`benchmarks/moments.py`, and whole runs with changed cards).
    """
    if share < NEAR:
        return f"near your images'; keep it all the same (swapped, inputs would move by {share:.0%} of their size)"
    return (
        f"keep it: with your images' moments in its place inputs would move by {share:.0%} of their size, which these"
        " weights never saw; your images' own (mean=, std=) are for training from scratch"
    )
