"""Both ends of what rank 0 tells its helpers: it says whose trainings are made, and they walk through the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from medalist.pipeline.tuning.shared import Tuning


@contextmanager
def helped(tunings: Sequence[Tuning], out: Path, root: Path, cache: Path) -> Iterator[None]:
    """Inside, the helpers walk through the same trainings; nothing where there are none.

    Args:
        tunings: of all networks of a run, in their order.
        out: the run folder, with its recipe.
        root: of the dataset.
        cache: of bank and pixels.
    """
    from medalist.training import ranks

    if ranks.world() > 1:
        for tuning in tunings:
            _ = tuning.frozen, tuning.images  # computed once, here; the helpers find them in the cache
        ranks.told({name: str(path.resolve()) for name, path in (("out", out), ("root", root), ("cache", cache))})
    yield
    ranks.meet()


def jobs() -> Iterator[tuple[Path, Path, Path]]:
    """On a helper: run folder, dataset and cache of each job that rank 0 tells, until it tells of none."""
    from medalist.training import ranks

    while (job := ranks.told(None)) is not None:
        yield Path(job["out"]), Path(job["root"]), Path(job["cache"])
        ranks.meet()
