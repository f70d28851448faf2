"""Faults of a recipe's `finetune` section, told with all others before the first image is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from medalist.backbones import Backbone
from medalist.data.table import ImageTable
from medalist.data.views.policy import Policy
from medalist.errors import MedalistError, RecipeError
from medalist.pipeline.backbones import tuned_backbones
from medalist.pipeline.learners import slug
from medalist.recipe import FinetuneSection, Recipe


def tuning_faults(recipe: Recipe) -> Iterator[str]:
    """What can be told without the data; `recipe` has passed for its other keys."""
    settings = recipe.finetune
    if settings is None:
        return
    yield from _refused("finetune.augment", Policy.parse, settings.augment)
    yield from _toys(settings)
    if settings.fuse != "answers":
        yield from _fused(settings.fused_head)
        if settings.holdout:
            told = "a head on trained features takes its penalty from the other folds, for which holdout trains nothing"
            yield f"finetune.fuse: {told}; leave fuse out, or holdout"
    yield from _schedules(settings)
    yield from _unmixed(settings)
    yield from _strange_backbones(recipe, settings)
    if settings.refit == "continue" and settings.mix_last > settings.continue_epochs:
        default = "" if "continue_epochs" in settings.model_fields_set else " (a default)"
        told = f"got {settings.mix_last}, more epochs than finetune.continue_epochs={settings.continue_epochs}{default}"
        yield f"finetune.mix_last: {told}; leave it out, or mix out"
    if settings.auxiliary and all(phase.train.strip() == "head" for phase in settings.phases):
        told = "further columns teach the body, and every phase trains the head alone"
        yield f"finetune.auxiliary: {told}; leave it out, or add a phase such as train: all"
    yield from _one_folder(recipe)
    for backbone in _opened(recipe):
        yield from _depths(backbone, [phase.train for phase in settings.phases])
        yield from _sizes(backbone, [phase.size for phase in settings.phases])


def task_faults(recipe: Recipe, task: str) -> Iterator[str]:
    """What a head or loss does not learn."""
    settings = recipe.finetune
    if settings is None:
        return
    from medalist.training.losses import losses
    from medalist.training.neural.heads import neural

    loss = settings.loss or ("bce" if task == "tags" else "cross_entropy")
    for key, registry, text in (("head", neural, settings.head), ("loss", losses, loss)):
        bound = registry.bind(text)
        if task not in bound.facts["tasks"]:
            names = (name for name in registry if task in registry.bind(name).facts["tasks"])
            told = f"{bound.name} does not learn {task}, this dataset's task"
            yield f"finetune.{key}: {told}; those that do: {', '.join(names)}"


def column_faults(table: ImageTable) -> Iterator[str]:
    """Auxiliary columns that teach nothing: of one value, or of another value in each row."""
    for name, text_N in table.labelled().targets.items():
        counts = Counter(text for text in text_N.tolist() if text)
        if len(counts) < 2:
            yield f"finetune.auxiliary: {name!r} has {len(counts)} known values, two at least teach; leave it out"
        elif max(counts.values()) == 1:
            yield f"finetune.auxiliary: each of the {len(counts)} values of {name!r} is in one row alone; leave it out"


def _refused(key: str, bind: Callable[[str], Any], text: str) -> Iterator[str]:
    try:
        bind(text)
    except (MedalistError, TypeError) as error:
        yield f"{key}: {error}"


def _toys(settings: FinetuneSection) -> Iterator[str]:
    """Names and values that only a call finds out, on two tiny images of two classes."""
    import torch

    from medalist.training.losses import losses
    from medalist.training.mixing import mixes
    from medalist.training.neural.heads import neural
    from medalist.training.optim.optimisers import optimiser

    target_BC, count_C = torch.eye(2), torch.ones(2)
    groups: list[dict[str, Any]] = [{"params": [torch.nn.Parameter(torch.zeros(2, 2))], "lr": 0.1}]
    image_B3HW, rng = torch.zeros(2, 3, 4, 4), np.random.default_rng(0)
    tried: list[tuple[str, Callable[[str], Any], str | None]] = [
        ("head", lambda text: neural.bind(text)(4, 2, seed=0), settings.head),
        ("loss", lambda text: losses.bind(text)(target_BC, target_BC, count_C=count_C), settings.loss),
        ("optimiser", lambda text: optimiser(text, groups), settings.optimiser),
        ("mix", lambda text: mixes.bind(text)(image_B3HW, target_BC, rng), settings.mix),
    ]
    for key, call, text in tried:
        if text:
            yield from _refused(f"finetune.{key}", call, text)


def _schedules(settings: FinetuneSection) -> Iterator[str]:
    from medalist.training.optim.schedules import plateau_of, schedules

    for number, phase in enumerate(settings.phases):
        key = f"finetune.phases[{number}].schedule"
        slips = list(_refused(key, lambda text: schedules.bind(text)(0.5), phase.schedule))
        yield from slips
        if not slips and settings.steer == "none" and plateau_of(phase.schedule, "higher"):
            yield f"{key}: plateau looks at a metric while it trains; say on which rows: steer=inner or steer=fold"


def _fused(text: str) -> Iterator[str]:
    """The head on fine-tuned features must be a linear one, whose penalty the folds choose."""
    from medalist.training.heads import heads

    yield from _refused("finetune.fused_head", heads.bind, text)
    linear = [name for name in heads if "problem" in heads.bind(name).facts]
    if text.partition("(")[0] in set(heads) - set(linear):
        yield f"finetune.fused_head: {text} is not linear; heads that are: {', '.join(linear)}"


def _unmixed(settings: FinetuneSection) -> Iterator[str]:
    """A head with a margin needs one true class an image."""
    from medalist.training.neural.heads import neural

    try:
        hard = neural.bind(settings.head).facts.get("hard_targets", False)
    except RecipeError:
        return
    if hard and settings.mix:
        yield f"finetune.mix: {settings.head} needs one true class an image; leave mix out"


def _strange_backbones(recipe: Recipe, settings: FinetuneSection) -> Iterator[str]:
    strange = [name for name in settings.backbones if recipe.backbones and name not in recipe.backbones]
    if strange:
        yield (
            f"finetune.backbones: {', '.join(strange)} not among backbones ({', '.join(recipe.backbones)});"
            " fine-tuning begins with their frozen features: name them there too, or type finetune.backbones=NAME"
        )


def _one_folder(recipe: Recipe) -> Iterator[str]:
    """Names that make one folder would train as one network."""
    names = [backbone.name for backbone in _opened(recipe)]
    for name in names:
        alike = [other for other in names if slug(other) == slug(name)]
        if len(alike) > 1 and name == alike[0]:
            yield f"finetune.backbones: {' and '.join(map(repr, alike))} would share a folder; rename one of the cards"


def _opened(recipe: Recipe) -> list[Backbone]:
    try:
        return tuned_backbones(recipe)
    except MedalistError:
        return []  # told under backbones


def _depths(backbone: Backbone, texts: Sequence[str]) -> Iterator[str]:
    """What a phase trains must be in the network."""
    from medalist.backbones.outline import outline
    from medalist.training.layers import depth, layers

    found = layers(outline(backbone))
    for number, text in enumerate(texts):
        yield from _refused(
            f"finetune.phases[{number}].train of {backbone.name}", lambda text: depth(found, text), text
        )


def _sizes(backbone: Backbone, sizes: Sequence[int | None]) -> Iterator[str]:
    """A network takes the size of its answers; of another, one image tells."""
    import torch

    own = (backbone.preprocessing["height"], backbone.preprocessing["width"])
    others = [(number, size) for number, size in enumerate(sizes) if size is not None and (size, size) != own]
    if not others:
        return
    network = backbone.build(("pooled",))
    for number, size in others:
        try:
            with torch.inference_mode():
                network(torch.zeros(1, 3, size, size))
        except Exception as error:  # whatever the network's own code raises
            told = f"{backbone.name} does not take {size} px (timm says {str(error).rstrip('.')})"
            yield f"finetune.phases[{number}].size: {told}; leave it out"
