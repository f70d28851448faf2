"""`torchrun` around a run: rank 0 goes the whole way alone, the others wait and help wherever networks are trained.

A helper writes nothing into the run folder but cards, the same bytes as rank 0's. It reads what rank 0 has settled: the
recipe of the run folder, the features and pixels of the cache; so all of them see the same folder, cache and dataset.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from medalist.ledger import Summary
from medalist.pipeline import way
from medalist.pipeline.extraction import SETTLED
from medalist.pipeline.tuning.helping import jobs
from medalist.pipeline.tuning.shared import Tuning
from medalist.pipeline.tuning.trainings import train
from medalist.pipeline.tuning.tuned import tunings_of
from medalist.progress import ignore
from medalist.recipe import load_recipe


def run_as_rank(go: Callable[[], Summary]) -> Summary | None:
    """Rank 0 runs `go`; every other process helps until it has ended.

    Returns:
        The summary on rank 0, None on the others.
    """
    from medalist.training import ranks

    ranks.join()
    if ranks.rank():
        serve()
        ranks.leave()
        return None
    summary = go()
    ranks.told(None)
    ranks.leave()
    return summary


def serve() -> None:
    """What helpers do: the trainings of each folder that rank 0 tells of."""
    for out, root, cache in jobs():
        for tuning in _tunings(out, root, cache):
            train(tuning)


def _tunings(out: Path, root: Path, cache: Path) -> list[Tuning]:
    """A run's, as rank 0 has made them."""
    recipe = load_recipe(out / "recipe.yaml")
    features = way.embed(recipe, way.read(recipe, root), cache=cache, settled=out / SETTLED)
    return tunings_of(recipe, features, way.split(recipe, features), out, cache=cache, sink=ignore)
