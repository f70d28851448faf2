"""`run`: the whole way from a folder to a checked submission; a finished run is recognised before anything heavy loads.

The verbs stand in `way.py`, top to bottom; `checks.py` tells all faults of a recipe before the first image is read.
"""

from __future__ import annotations

import inspect
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from medalist import __version__, ledger
from medalist.errors import StoreError
from medalist.ledger import Summary
from medalist.progress import Sink, ignore
from medalist.recipe import Recipe
from medalist.store import hash_bytes


def run(
    recipe: Recipe, root: Path, out: Path, *, cache: Path | None = None, sink: Sink = ignore, overwrite: bool = False
) -> Summary:
    """Do it all, or nothing where `out` holds this very run already.

    Args:
        recipe: what to do.
        root: folder of the dataset; never written to.
        out: run folder; see `ledger`.
        cache: feature bank and facts, shared by all runs; None: `MEDALIST_CACHE` or `~/.cache/medalist`.
        sink: takes progress events.
        overwrite: replace another run in `out`.

    Raises:
        RecipeError: all faults of the recipe at once, before the first image is read.
        StoreError: `out` holds another run, cannot be written, or is being written.
    """
    if not overwrite and ledger.begun(out) and (done := _done(recipe, root, out)) is not None:
        return replace(done, notes=(*done.notes, "nothing was computed: this run was finished before"))
    from medalist.pipeline.whole import go

    return go(recipe, root, out, cache=cache_folder(cache), sink=sink, overwrite=overwrite)


def _done(recipe: Recipe, root: Path, out: Path) -> Summary | None:
    """The finished run; a fault of the recipe is told before `out` is said to hold another run."""
    try:
        return ledger.finished(out, run_key(recipe, root))
    except StoreError:
        from medalist.pipeline.checks import check

        check(recipe, root, out)
        raise


def run_key(recipe: Recipe, root: Path) -> dict[str, Any]:
    """What a run's bytes depend on: recipe, data, weights, version."""
    from medalist.pipeline.backbones import weights_of

    return {
        "recipe": recipe.model_dump(mode="json", exclude={"cards"}),
        "data": ledger.fingerprint(root),
        "weights": weights_of(recipe),
        "code": _own_code(recipe.metric),
        "folds": recipe.folds.file and hash_bytes(Path(recipe.folds.file).read_bytes()),
        "quarantine": recipe.data.quarantine and _hash(Path(recipe.data.quarantine)),
        "extra": [_hash(Path(folder) / "extra.csv") for folder in recipe.extra],
        "medalist": __version__,
    }


def _hash(file: Path) -> str | None:
    """Of a file's bytes; None where there is none, which `checks` tells."""
    return hash_bytes(file.read_bytes()) if file.is_file() else None


def _own_code(metric: str) -> str | None:
    """Hash of the file that a metric of the user's own stands in; None for one of the package's."""
    from medalist.metrics import metrics
    from medalist.registry import parse_call

    name, _ = parse_call(metric)
    if name not in metrics or metrics.bind(name).function.__module__.startswith("medalist."):
        return None
    return hash_bytes(Path(inspect.getfile(metrics.bind(name).function)).read_bytes())


def cache_folder(cache: Path | None) -> Path:
    """The folder of bank and facts: the given one, `MEDALIST_CACHE`, or `~/.cache/medalist`."""
    return cache or Path(os.environ.get("MEDALIST_CACHE") or Path.home() / ".cache" / "medalist")
