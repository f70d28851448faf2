"""What a reader must know of fine-tuned members: how far they trained, what set the pace, who steered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medalist.data.loader import bottleneck
from medalist.fitted import Fitted
from medalist.pipeline.backbones import tuned_backbones
from medalist.pipeline.holdout import holds_out
from medalist.pipeline.learners import slug
from medalist.pipeline.tuning.tuned import TUNED, network_name
from medalist.recipe import Recipe

STEERED = "fine-tuned members were steered by the rows that score them"


def tuning_notes(recipe: Recipe, out: Path) -> list[str]:
    """Sentences on each trained network of a run folder."""
    if recipe.finetune is None:
        return []
    notes = []
    for backbone in tuned_backbones(recipe):
        name = network_name(backbone)
        meta = Fitted.load(out / "fitted" / slug(name)).meta
        folder = out / TUNED / slug(name)
        notes.append(f"{name}: {_epochs(recipe, meta)}{_pace(folder)}")
        notes += [f"{name}, {reason}" for reason in _whole(folder)]
    if recipe.finetune.steer == "fold":
        notes.append(f"{STEERED}: their scores, and the blend's, are too good (finetune.steer=none is honest)")
    return notes


def _epochs(recipe: Recipe, meta: dict[str, Any]) -> str:
    """Which epoch's weights answer."""
    counted, planned = meta["epochs"], len(meta["curves"][0])
    *folds, last = counted
    what = "the held-out rows" if holds_out(recipe) else "the folds"
    told = f"weights after {', '.join(map(str, folds))} of {planned} epochs answer {what}"
    if holds_out(recipe) and recipe.finetune is not None and recipe.finetune.steer == "none":
        told += " (as planned: no other fold's curve may choose)"
    if recipe.final == "folds":
        return f"{told}, and {'' if holds_out(recipe) else 'together '}all others"
    if recipe.finetune is not None and recipe.finetune.refit == "continue":
        return f"{told}, the first's after {last} more on all rows all others"
    return f"{told}, after {last} all others"


def _whole(folder: Path) -> list[str]:
    """Why trainings went without a cache of the frozen part where it was wanted."""
    files = sorted(folder.glob("curves-*.json"))
    facts = [json.loads(file.read_text(encoding="utf-8"))["facts"] for file in files]
    return sorted({fact["prefix"] for fact in facts if "prefix" in fact})


def _pace(folder: Path) -> str:
    """Images a second, and whether the loader or the network held them up."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("pace-*.json"))]
    if not found:
        return ""
    images, seconds, waited_s = (sum(pace[key] for pace in found) for key in ("images", "seconds", "waited_s"))
    return f"; {images / seconds:.0f} images a second, the {bottleneck(waited_s, seconds)} set the pace"
