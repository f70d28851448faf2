"""`run`: the whole way from a folder to a checked submission; a finished run is recognised before anything heavy loads.

The verbs stand in `way.py`, top to bottom; `checks.py` tells all faults of a recipe before the first image is read.
"""

from __future__ import annotations

import csv
import inspect
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from medalist import __version__, ledger
from medalist.errors import StoreError
from medalist.ledger import Summary
from medalist.progress import Sink, ignore
from medalist.recipe import Recipe, load_recipe
from medalist.store import hash_bytes, hash_json, write_atomic


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
        RecipeError: all faults of the recipe at once, before the first image is read; or what the run is made of breaks
            its rules.
        StoreError: `out` holds another run, cannot be written, or is being written.
    """
    if not overwrite and ledger.begun(out) and (done := _done(recipe, root, out)) is not None:
        _rule(recipe, out)
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


def _rule(recipe: Recipe, out: Path) -> None:
    """Hold a finished run to the recipe's rules: they decide none of its bytes and may become known late."""
    from medalist.pipeline.ruling.breaches import check_rules
    from medalist.pipeline.ruling.disclosure import save_disclosure
    from medalist.pipeline.ruling.used import used_by

    kept = load_recipe(out / "recipe.yaml")
    ruled = kept.model_copy(update={"rules": recipe.rules})
    check_rules(ruled)
    if ruled != kept:
        with ledger.locked(out):
            write_atomic(out / "recipe.yaml", ruled.to_yaml().encode())
            save_disclosure(used_by(ruled), [ruled.rules], out)


def run_key(recipe: Recipe, root: Path) -> dict[str, Any]:
    """What a run's bytes depend on: recipe, data, weights, version."""
    from medalist.pipeline.backbones import weights_of

    return {
        "recipe": recipe.model_dump(mode="json", exclude={"cards", "rules"}),
        "data": ledger.fingerprint(root),
        "weights": weights_of(recipe),
        "code": _own_code(recipe.metric),
        **files_of(recipe),
        "medalist": __version__,
    }


def files_of(recipe: Recipe) -> dict[str, Any]:
    """What the files that a recipe names hold, as hashes; None where there is none, which `checks` tells."""
    return {
        "folds": _hash(recipe.folds.file),
        "groups": _hash(recipe.folds.groups),
        "quarantine": _hash(recipe.data.quarantine),
        "extra": [_expansion(Path(folder)) for folder in recipe.extra],
    }


def _hash(file: str | Path | None) -> str | None:
    return hash_bytes(Path(file).read_bytes()) if file is not None and Path(file).is_file() else None


def _expansion(folder: Path) -> list[str | None]:
    """Hashes of an expansion's list, and of the sizes and times of the images that it names."""
    from medalist.data.facts import stamp_of

    file = folder / "extra.csv"
    if not file.is_file():
        return [None]
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as lines:
        paths = [row.get("path") or "" for row in csv.DictReader(lines)]
    return [_hash(file), hash_json([stamp_of(str(folder / path)) for path in paths])]


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
