"""Whether new images help: the recipe with and without them, on the same rows with their own labels, paired.

The answer stays in the folder, `judged.json`, with the hash of the `extra.csv` that it is about; the runs in `judged/`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medalist import ledger
from medalist.errors import RecipeError, StoreError
from medalist.expansion.written import EXTRA
from medalist.experiments.ablating.ablate import ablate
from medalist.experiments.folder import RESULT
from medalist.experiments.seeds import ENOUGH_SEEDS, seeded, seeds_for
from medalist.progress import Sink, ignore
from medalist.recipe import Recipe
from medalist.store import hash_bytes, hash_json

JUDGED, RUNS = "judged.json", "judged"
KEY = "extra"
HELPS = {
    "better": "the new images help",
    "worse": "the new images harm; they are refused",
    "equal": "the new images make no difference; they are refused",
    "not distinguishable": "the new images are not shown to help; they are refused",
}


def judge(
    recipe: Recipe,
    root: Path,
    folder: Path,
    *,
    seeds: int | None = None,
    cache: Path | None = None,
    sink: Sink = ignore,
    code: Sequence[str] = (),
) -> str:
    """Ask `extra=null,FOLDER` as `ablate` does, and keep the verdict.

    Args:
        recipe: with and without them; it names no `extra` of its own.
        root: folder of the dataset.
        folder: of the expansion.
        seeds: of each arm; None: 3, so that the verdict's error holds rows and draws, and 1 where nothing is drawn.
        cache, sink, code: as for `ablate`.

    Raises:
        StoreError: the folder holds no images that were let in. RecipeError: the recipe names an `extra` already, or
            the path has a comma. Others as `ablate`.
    """
    if recipe.extra:
        raise RecipeError(f"--judge compares with and without {folder}; leave extra={', '.join(recipe.extra)} out")
    extra = (folder / EXTRA).read_bytes() if (folder / EXTRA).is_file() else b""
    if extra.count(b"\n") < 2:
        raise StoreError(f"{folder} holds no new images ({EXTRA} lists none); there is nothing to judge")
    if "," in str(folder.resolve()):
        raise RecipeError(f"the path of {folder} has a comma, which separates values of a key; choose another --out")
    seeds = enough_seeds(recipe) if seeds is None else seeds
    hashed = hash_bytes(extra)
    # A folder for each question: other images, other data or another recipe are another one.
    asked = hash_json([hashed, ledger.fingerprint(root), recipe.model_dump(mode="json"), seeds])
    place = folder / RUNS / asked[:12]
    place.parent.mkdir(exist_ok=True)
    varied = [f"{KEY}=null,{folder.resolve()}"]
    table = ablate(recipe, root, place, varied, seeds=seeds, cache=cache, sink=sink, code=code)
    facts = verdict_of(json.loads((place / RESULT).read_bytes()))
    ledger.write_json(folder / JUDGED, {**facts, EXTRA: hashed, "runs": f"{RUNS}/{place.name}"})
    return f"{table}\n{sentence(facts)}, says {folder / JUDGED}"


def enough_seeds(recipe: Recipe) -> int:
    """How many seeds a verdict wants: 3 where another seed means other folds or another training, else 1."""
    moves = recipe.folds.file is None and seeded(recipe, 1).folds != recipe.folds
    return ENOUGH_SEEDS if moves else seeds_for([recipe], None)


def verdict_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """What the experiment says of the arm with the new images.

    Args:
        result: of `ablate`, as it is written.
    """
    gain = next(row["gain"] for row in result["rows"] if row["key"] == KEY and row["gain"] is not None)
    facts = {name: result[name] for name in ("metric", "num_rows", "seeds")}
    return {**facts, **gain, "helps": gain["verdict"] == "better"}


def sentence(facts: Mapping[str, Any]) -> str:
    """The verdict in words.

    >>> sentence({"verdict": "worse", "metric": "f1_macro", "difference": -0.05, "stderr": 0.01, "p": 0, "seeds": 3})
    'the new images harm; they are refused: gain in f1_macro -0.0500 +- 0.0100 (p <0.001; rows and 3 draws counted)'
    """
    p = "<0.001" if facts["p"] < 0.001 else f"{facts['p']:.3f}"
    counted = f"rows and {facts['seeds']} draws counted" if facts["seeds"] > 1 else "rows alone counted, no other draw"
    told = f"gain in {facts['metric']} {facts['difference']:+.4f} +- {facts['stderr']:.4f} (p {p}; {counted})"
    return f"{HELPS[facts['verdict']]}: {told}"
