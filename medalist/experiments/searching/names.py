"""Names of a search's dimensions, shorter than a recipe's keys: which key a name is, and its usual values.

`depth`, `lr`, `head_lr`, `decay` and `epochs.body` are of the recipe's last phase that trains more than the head,
`epochs.head` of its first that trains the head alone. Usual values lie around the recipe's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import yaml

from medalist.errors import RecipeError
from medalist.experiments.ablating.questions import own_value
from medalist.pipeline.backbones import open_backbones, tuned_backbones
from medalist.recipe import Recipe
from medalist.training.layers import HEAD

PHASE = {"depth": "train", "lr": "lr", "head_lr": "head_lr", "decay": "decay", "epochs.body": "epochs"}
WHOLE = {
    "batch": "finetune.batch",
    "size": "finetune.size",
    "smoothing": "finetune.loss",
    "augment": "finetune.augment",
    "mix": "finetune.mix",
    "optimiser": "finetune.optimiser",
    "sam": "finetune.sam",
    "ema": "finetune.ema",
    "batchnorm": "finetune.batchnorm",
}
FROZEN = ("backbones", "taps", "normalise", "heads", "views")
NAMES = (*PHASE, "epochs.head", *WHOLE, *FROZEN)
SMOOTHING = "smoothing"

LISTS = {
    "depth": ("head", "last 10 %", "last 30 %", "last 60 %", "all"),
    "decay": ("1.0", "0.9", "0.8", "0.65"),
    "mix": ("null", "mixup(alpha=0.2)", "cutmix(alpha=1.0)"),
    "sam": ("null", "0.05"),
    "ema": ("null", "0.99", "0.999"),
    "optimiser": ("adamw(weight_decay=0.05)", "adam", "sgd(weight_decay=0.0001)"),
    "batchnorm": ("frozen", "affine-frozen", "train"),
    "taps": ("[pooled]", "[pooled, middle]", "[pooled, gem, middle]"),
    "normalise": ("none", "l1", "l2"),
    "heads": ("[ridge]", "[logistic]", "[lda]", "[ridge, logistic]"),
    "views": ("[center]", "[center, flip]", "[center, flip, zoom]"),
}


def key_of(recipe: Recipe, name: str) -> str:
    """The recipe's key that a name stands for.

    Raises:
        RecipeError: the recipe has no such phase.
    """
    if name == "size" and recipe.finetune is None:
        return "size"
    if name in WHOLE:
        return WHOLE[name]
    if name in FROZEN:
        return name
    head = name == "epochs.head"
    phases = recipe.finetune.phases if recipe.finetune is not None else ()
    places = [place for place, phase in enumerate(phases) if (phase.train.strip() == HEAD) == head]
    if phases and not places:
        what = "that trains the head alone" if head else "that trains more than the head"
        raise RecipeError(
            f"{name}: the recipe has no phase {what}; give it one, such as"
            " finetune.phases='[{train: head, epochs: 2}, {train: all, epochs: 8}]'"
        )
    place = (places[0] if head else places[-1]) if places else 0
    return f"finetune.phases[{place}].{'epochs' if head else PHASE[name]}"


def usual(recipe: Recipe, name: str) -> str:
    """The usual values of a name, as they would be typed.

    Raises:
        RecipeError: there are none for this recipe.
    """
    if name == SMOOTHING:
        return "[0.0, 0.05, 0.1]"
    if name == "backbones":
        if len(recipe.backbones) < 2:
            raise RecipeError("backbones: name two or more with --backbone, or take those of `medalist rank` by --from")
        return _list(flow([backbone]) for backbone in recipe.backbones)
    own = own_value(recipe, key_of(recipe, name))
    if name in ("lr", "head_lr"):
        rate = float(own_value(recipe, key_of(recipe, "lr")) if own == "null" else own)
        return f"log({rate / 10:.6g}..{rate * 10:.6g})"
    if name in ("epochs.head", "epochs.body"):
        return f"({max(1, int(own) // 2)}..{2 * int(own)})"
    if name == "batch":
        return _list(str(rows) for rows in (max(1, int(own) // 2), int(own), 2 * int(own)))
    if name == "size":
        return _sizes(recipe, own)
    if name == "augment":
        return _list(dict.fromkeys((own or "''", "flip", f"{own} | random_erasing" if own else "random_erasing")))
    # The recipe's own value stands among them: in the list's place, or first.
    return _list(LISTS[name] if own in LISTS[name] else (own, *LISTS[name]))


def _sizes(recipe: Recipe, own: str) -> str:
    """Three quarters, all and five quarters of the side that the network has now, in steps of 32."""
    opened = tuned_backbones(recipe) or open_backbones(recipe)
    if not opened:
        raise RecipeError("size: name a --backbone, so that its own size is known, or the sizes: size=[192, 224]")
    side = int(opened[0].preprocessing["height"])
    smaller, larger = (max(32, round(side * quarters / 4 / 32) * 32) for quarters in (3, 5))
    return _list((str(smaller), own, str(larger)))


def flow(names: Sequence[str]) -> str:
    """A list as an override spells it: `[a, 'b(seed=1, pretrained=false)']`."""
    return yaml.safe_dump(list(names), default_flow_style=True, width=10**6).strip()


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(texts)}]"
