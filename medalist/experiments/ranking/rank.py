"""`medalist rank`: which backbone, which two or three together, on frozen features of your images, paired on folds.

Axes: N scored rows, A arms.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from medalist.data.table import ImageTable
from medalist.errors import RecipeError
from medalist.experiments.arms import Arm, Done, carry_out_all
from medalist.experiments.folder import MEASURED, TABLE, answered, asking, finish
from medalist.experiments.process import shared_options
from medalist.experiments.ranking.candidates import Candidate, Pace, open_candidates, pace
from medalist.experiments.ranking.fusions import Sight, fuse
from medalist.experiments.ranking.screen import ENOUGH, Look, asking_for, best, halve, quick_looks
from medalist.experiments.ranking.seen import Ranking
from medalist.experiments.ranking.table import draw_charts, result_of, text_of
from medalist.ledger import write_json
from medalist.pipeline import cache_folder, run_key
from medalist.pipeline.backbones import backbone_notes
from medalist.progress import Event, Sink, ignore
from medalist.recipe import Recipe


def rank(
    recipe: Recipe,
    root: Path,
    out: Path,
    *,
    license: str = "any",
    cache: Path | None = None,
    sink: Sink = ignore,
    overwrite: bool = False,
    code: Sequence[str] = (),
) -> str:
    """Rank backbones, then pairs and trios of the best; what is printed.

    Args:
        recipe: its backbones are the candidates (none: all at hand); heads, views and folds are those of every arm.
        root: folder of the dataset.
        out: folder of the experiment.
        license: `permissive` leaves out all other weights.
        cache: see `pipeline.run`; what it holds is not computed again.
        sink: takes progress events.
        overwrite: replace another question in `out`.
        code: MODULE:FUNCTION of the user's own metrics, for the command to type next.

    Raises:
        RecipeError: fine-tuning is asked for, fewer than two candidates, or faults of the recipe.
        BackboneError: candidates that cannot be opened, all at once.
        StoreError: `out` holds something else.
    """
    if recipe.finetune is not None:
        raise RecipeError("rank judges frozen features; type finetune=null, and fine-tune the best with `medalist run`")
    candidates, notes = open_candidates(recipe, license)
    recipe = asking_for(recipe, candidates)
    key = _key(recipe, root, candidates, license)
    if not overwrite and answered(out, key) is not None:
        return (out / TABLE).read_text(encoding="utf-8") + "nothing was computed: this was ranked before"
    from medalist.pipeline.checks import check, check_table
    from medalist.pipeline.way import read

    check(recipe, root, out)
    table = read(recipe, root)
    check_table(recipe, table)
    with asking(out, key, overwrite=overwrite):
        ranking = _ranked(recipe, table, root, out, candidates, [*notes, *backbone_notes(recipe)], cache, sink)
        ranking = replace(ranking, options=tuple(shared_options(cache, code)))
        charts = draw_charts(ranking, out)
        text = text_of(ranking, out, charts)
        finish(out, {**result_of(ranking), "charts": charts}, text)
    return text


def _key(recipe: Recipe, root: Path, candidates: Sequence[Candidate], license: str) -> dict[str, Any]:
    """What the answer depends on."""
    weights = {one.name: one.weights_hash for one in candidates}
    return {**run_key(recipe, root), "question": "rank", "weights": weights, "license": license}


def _ranked(
    recipe: Recipe,
    table: ImageTable,
    root: Path,
    out: Path,
    candidates: Sequence[Candidate],
    notes: list[str],
    cache: Path | None,
    sink: Sink,
) -> Ranking:
    """Paces, halving, one pass over the images for all that are left, their runs, and those of fusions."""
    from medalist.pipeline.way import embed

    bank = cache_folder(cache)
    paces = _paces(recipe, table, candidates, out, bank)
    kept, looks = halve(recipe, table, candidates, cache=bank, sink=sink)
    notes += _halving_notes(kept, looks, len(candidates))
    spent = dict[str, float]()
    features = embed(asking_for(recipe, kept), table, cache=bank, sink=_timing(sink, spent))

    def run(sights: Sequence[Sight]) -> list[Done]:
        arms = [Arm(" + ".join(one.name for one in sight), asking_for(recipe, sight)) for sight in sights]
        return carry_out_all(arms, root, out, cache=bank, sink=sink)

    def look(sights: Sequence[Sight]) -> list[Look]:
        return quick_looks(recipe, features, sights, sink=sink)

    runs = run([(one,) for one in kept])
    order = best([done.summary.score for done in runs], recipe.metric)
    fusions = fuse([kept[place] for place in order], run, look, recipe.metric)
    return Ranking(
        recipe=recipe,
        data=root,
        candidates=tuple(candidates),
        paces=paces,
        looks=tuple(looks),
        singles=tuple(runs[place] for place in order),
        fusions=fusions,
        seconds=spent.get("embed", 0.0),
        notes=tuple(notes),
    )


def _timing(sink: Sink, spent: dict[str, float]) -> Sink:
    """The sink, and how long a stage has taken."""

    def hear(event: Event) -> None:
        spent[event.stage] = event.seconds
        sink(event)

    return hear


def _paces(
    recipe: Recipe, table: ImageTable, candidates: Sequence[Candidate], out: Path, cache: Path
) -> dict[str, Pace]:
    """Of each candidate; measured once, as no time is measured twice alike."""
    file = out / MEASURED
    told: dict[str, Any] = json.loads(file.read_bytes()) if file.is_file() else {}
    for one in candidates:
        if one.name not in told:
            told[one.name] = asdict(pace(one, recipe, table.root, list(table.paths), cache=cache))
            write_json(file, told)
    return {name: Pace(**{**fields, "runtimes": tuple(fields["runtimes"])}) for name, fields in told.items()}


def _halving_notes(kept: Sequence[Candidate], looks: Sequence[Look], num_asked: int) -> list[str]:
    """What halving did, never silently."""
    if not looks:
        few = "too few images to halve on: all were looked at closely"
        return [f"{num_asked} backbones, {few}"] if len(kept) > ENOUGH else []
    rounds = list(dict.fromkeys(look.images for look in looks))
    told = ", ".join(f"{sum(one.images == count for one in looks)} on {count} images" for count in rounds)
    return [
        f"{num_asked} backbones were halved to {len(kept)}: {told}; who left is listed with the score of a ridge head"
        " on those images, and left by that score alone"
    ]
