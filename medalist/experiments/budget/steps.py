"""What may be tried within a time, in its order, given what was tried: rank, fuse, blend, views, tune, blend.

Each step sends one challenger, fixed before its score is known. A run that sees all that the incumbent sees, and more,
stands for itself; what a fine-tuned network adds is told by its blend with the incumbent. Two steps are none of the
data's choosing, all backbones with all heads and then in the recipe's views: what `medalist run` does by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from medalist.experiments.arms import Arm
from medalist.experiments.budget.journal import Tried
from medalist.recipe import FinetuneSection, RampSection, Recipe

MORE_VIEWS = (("center", "flip"), ("center", "flip", "zoom", "zoom_flip"))
PATIENCE = 2  # steps of a kind in a row without a distinguishable gain, after which the kind is left
QUICK = "ridge"


@dataclass(frozen=True)
class Step:
    """Something to try.

    Args:
        kind: rank, fuse, views, tune or blend.
        name: told to people.
        arms: what to run, the best first; the first that fits into the time is taken. Empty: nothing is run.
        blends: the challenger is a blend with the incumbent's runs; of all runs where there is no arm.
        default: the first arm is on the way to the run without a budget: it is taken unless it is worse.
    """

    kind: str
    name: str
    arms: tuple[Arm, ...]
    blends: bool = False
    default: bool = False


@dataclass(frozen=True)
class Asked:
    """What the user asked for.

    Args:
        recipe: its backbones named, the cheapest first.
        given: its keys that were set: what they say is kept.
        higher: higher scores are better.
    """

    recipe: Recipe
    given: Collection[str]
    higher: bool

    def arm(self, name: str, **keys: object) -> Arm:
        """The recipe, frozen, with other values of some keys."""
        return Arm(name, self.recipe.model_copy(update={"finetune": None, "heads": self.heads} | keys))

    @property
    def heads(self) -> tuple[str, ...]:
        """On frozen features; a recipe of fine-tuning alone has none, but a first answer needs one."""
        return self.recipe.heads or (QUICK,)

    @property
    def quick(self) -> tuple[str, ...]:
        """One head that is fast."""
        return self.heads[:1] if "heads" in self.given else (QUICK,)

    @property
    def view(self) -> tuple[str, ...]:
        """The one view that comes first."""
        return self.recipe.views[:1]


def untried(asked: Asked, tried: Sequence[Tried]) -> list[Step]:
    """All steps that are left, in the order in which they are worth trying."""
    # A blend takes seconds: it comes once before what takes minutes, and again at the end with what they brought.
    early = [] if any(one.kind == "blend" for one in tried) else _blend(tried)
    late = [*_views(asked, tried), *_tune(asked, tried), *([] if early else _blend(tried))]
    steps = [*_rank(asked), *_fuse(asked, tried), *early, *late]
    known = {one.step for one in tried if one.settled}
    return [step for step in steps if step.name not in known and not spent(step.kind, tried)]


def spent(kind: str, tried: Sequence[Tried]) -> bool:
    """Whether the last steps of a kind brought nothing; backbones are all met, as any may be the best."""
    last = [one for one in tried if one.kind == kind and one.settled][-PATIENCE:]
    return kind != "rank" and len(last) == PATIENCE and not any(one.replaced for one in last)


def ranked(asked: Asked, tried: Sequence[Tried]) -> list[str]:
    """Backbones that were seen by themselves, the best score first."""
    seen = [one for one in tried if one.kind == "rank" and one.score is not None]
    seen.sort(key=lambda one: one.score or 0.0, reverse=asked.higher)
    return [one.backbones[0] for one in seen]


def _rank(asked: Asked) -> list[Step]:
    names = asked.recipe.backbones
    arms = [asked.arm(f"rank {name}", backbones=(name,), views=asked.view, heads=asked.quick) for name in names]
    return [Step("rank", arm.name, (arm,)) for arm in arms]


def _fuse(asked: Asked, tried: Sequence[Tried]) -> list[Step]:
    """All heads on all backbones seen so far; on the best two where time is short."""
    best = ranked(asked, tried)
    if not best or (len(best) == 1 and asked.heads == asked.quick):
        return []
    name = f"fuse {len(best)} backbones" if len(best) > 1 else f"heads on {best[0]}"
    arms = [asked.arm(name, backbones=_in_order(asked, best), views=asked.view)]
    if len(best) > 2:
        arms.append(asked.arm("fuse the best 2 backbones", backbones=_in_order(asked, best[:2]), views=asked.view))
    return [Step("fuse", name, tuple(arms), default=len(best) == len(asked.recipe.backbones))]


def _in_order(asked: Asked, names: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in asked.recipe.backbones if name in names)


def _views(asked: Asked, tried: Sequence[Tried]) -> list[Step]:
    """More looks at each image by what was fused, or by the best backbone."""
    fused = [one.backbones for one in tried if one.kind == "fuse" and one.score is not None]
    names = fused[-1] if fused else tuple(ranked(asked, tried)[:1])
    sets = (asked.recipe.views,) if "views" in asked.given else MORE_VIEWS
    of = f"of {len(names)} backbones" if len(names) > 1 else "".join(f"of {name}" for name in names)
    arms = [
        asked.arm(f"{len(views)} views {of}", backbones=names, views=views)
        for views in sets
        if names and views != asked.view
    ]
    own = [len(names) == len(asked.recipe.backbones) and arm.recipe.views == asked.recipe.views for arm in arms]
    return [Step("views", arm.name, (arm,), default=default) for arm, default in zip(arms, own, strict=True)]


def _tune(asked: Asked, tried: Sequence[Tried]) -> list[Step]:
    """Fine-tuning of one backbone after the other, the best first, unless the recipe says null."""
    settings = asked.recipe.finetune or FinetuneSection()
    if "finetune" in asked.given and asked.recipe.finetune is None:
        return []
    names = [name for name in ranked(asked, tried) if name in (settings.backbones or asked.recipe.backbones)]
    return [Step("tune", f"fine-tune {name}", _tunings(asked, settings, name), blends=True) for name in names]


def _tunings(asked: Asked, settings: FinetuneSection, name: str) -> tuple[Arm, ...]:
    """A training a fold, of all epochs or half of them; then one training, scored on one fold, likewise."""
    arms = []
    for holdout in (False, True) if not settings.holdout else (True,):
        for part in (1.0, 0.5):
            phases = [p.model_copy(update={"epochs": max(1, round(p.epochs * part))}) for p in settings.phases]
            if part < 1 and tuple(phases) == settings.phases:
                continue
            epochs = sum(phase.epochs for phase in phases)
            told = f"fine-tune {name}, {epochs} epoch{'s' * (epochs > 1)}{', one fold held out' if holdout else ''}"
            changed: dict[str, object] = {"backbones": (), "phases": tuple(phases), "holdout": holdout}
            changed |= {} if part == 1 else {"ramp": RampSection(), "mix_last": round(settings.mix_last * part)}
            tuned = settings.model_copy(update=changed)
            arms.append(asked.arm(told, backbones=(name,), views=asked.view, heads=(), finetune=tuned, final="folds"))
    return tuple(arms)


def _blend(tried: Sequence[Tried]) -> list[Step]:
    """All runs of all rows together."""
    runs = [one for one in tried if one.score is not None and one.kind != "blend" and not one.held_out]
    return [Step("blend", f"blend {len(runs)} runs", (), blends=True)] if len(runs) > 1 else []
