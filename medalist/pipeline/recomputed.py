"""Whether a run's features are what its images give: a few through the backbones once more, beside the bank.

Axes: N images looked at, D features.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from medalist.errors import StoreError
from medalist.features.bank import FeatureBank
from medalist.pipeline.causes import Cause
from medalist.pipeline.extraction import extract, settled_by
from medalist.pipeline.outcome import decision_of
from medalist.progress import Sink, ignore
from medalist.recipe import load_recipe

MOST = 16  # images of the labelled ones, and of the test ones


def features_recomputed(
    run: Path, root: Path, paths: Sequence[str], hashes: Sequence[str], *, gap: float, cache: Path, sink: Sink = ignore
) -> Cause | None:
    """Rows of the bank that another preprocessing, other weights or damage made; the whole gap is put down to them.

    Args:
        run: folder with the recipe and the runtimes that it settled.
        root: folder that the paths are relative to.
        paths: the images to look at.
        hashes: of their bytes, by which the bank knows them.
        gap: by how much the leaderboard is worse than the forecast.
        cache: the bank; the images go into an empty one of their own.
        sink: takes progress events.

    Returns:
        The cause; None where the bank lacks a row, such as on another machine.
    """
    from medalist.features.choice import MAX_ERROR, MEDIAN_ERROR, relative_error

    name, bank = "features computed differently", FeatureBank(cache)
    by_name = {space.name: space for space in bank.spaces()}
    try:
        kept_ND = bank.rows([by_name[space] for space in decision_of(run)["spaces"]], hashes)[:]
    except (KeyError, StoreError):
        return None
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder)
        recipe = load_recipe(run / "recipe.yaml")
        found = extract(recipe, root, paths, cache=empty, settled=settled_by(run), sink=sink)
        x_ND = FeatureBank(empty).rows(found.spaces, hashes)[:]
    if x_ND.shape != kept_ND.shape:
        told = f"the recipe gives {x_ND.shape[1]} features an image here, the bank holds {kept_ND.shape[1]}"
        return Cause(name, gap, told)
    error_N = relative_error(kept_ND, x_ND)
    told = f"{len(hashes)} images embedded again are off by {np.median(error_N):.1%} (worst {error_N.max():.1%})"
    if np.median(error_N) <= MEDIAN_ERROR and error_N.max() <= MAX_ERROR:
        return Cause(name, 0.0, told)
    return Cause(
        name, gap, f"{told}: other weights, packages or preprocessing, or a damaged bank; run with --overwrite"
    )
