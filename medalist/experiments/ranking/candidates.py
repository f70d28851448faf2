"""Who is ranked: names -> open backbones with their licence, parameters and ImageNet accuracy, and their pace here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from medalist.backbones import EMBEDDED, Backbone
from medalist.backbones.cards import cards_folder, list_cards
from medalist.backbones.catalogue import imagenet_top1
from medalist.errors import BackboneError, MedalistError, RecipeError
from medalist.pipeline.backbones import open_backbones
from medalist.recipe import Recipe

SAMPLE = 32  # images on which a pace is measured


@dataclass(frozen=True)
class Candidate:
    """A backbone that is ranked.

    Args:
        name: as it was typed; what `--backbone` takes.
        eyes: the backbone in each of the recipe's sizes.
    """

    name: str
    eyes: tuple[Backbone, ...] = field(compare=False)

    @property
    def weights_hash(self) -> str:
        """Of its weights, whatever the size."""
        return self.eyes[0].weights_hash

    @property
    def mparams(self) -> float:
        """Millions of parameters, with the classifier."""
        return self.eyes[0].num_params / 1e6

    @property
    def licence(self) -> str:
        """As its publisher states it."""
        return self.eyes[0].licence

    @property
    def top1(self) -> float | None:
        """ImageNet-1k accuracy in per cent, where it is known."""
        return imagenet_top1(self.eyes[0])


def at_hand(cards: str | None) -> tuple[str, ...]:
    """All cards of the folder (None: the environment's), and the embedded backbone."""
    return (*list_cards(cards_folder(Path(cards) if cards else None)), EMBEDDED)


def open_candidates(recipe: Recipe, license: str) -> tuple[tuple[Candidate, ...], list[str]]:
    """The recipe's backbones, or all at hand where it names none; and a note on those that a licence left out.

    Args:
        recipe: names them, their folder of cards, sizes and resize.
        license: `any`, or `permissive` (see `backbone.is_permissive`).

    Raises:
        BackboneError: all that cannot be opened, a line each.
        RecipeError: two names for the same weights, or fewer than two are left.
    """
    found, faults = list[Candidate](), list[str]()
    for name in recipe.backbones or at_hand(recipe.cards):
        try:
            found.append(Candidate(name, tuple(open_backbones(recipe.model_copy(update={"backbones": (name,)})))))
        except MedalistError as error:
            faults.append(f"  {error}")
    if faults:
        raise BackboneError("\n".join(["these cannot be ranked:", *faults]))
    kept = [one for one in found if license == "any" or one.eyes[0].permissive]
    notes = [f"{one.name}: left out, its licence is {one.licence}" for one in found if one not in kept]
    for place, one in enumerate(kept):
        if twin := next((other for other in kept[:place] if other.weights_hash == one.weights_hash), None):
            raise RecipeError(f"{twin.name!r} and {one.name!r} are the same weights; leave one of them out")
    if len(kept) < 2:
        names = ", ".join(one.name for one in kept) or "none"
        raise RecipeError(
            f"got {names}; a ranking needs 2 backbones or more: --backbones a,b, or a folder with --cards"
        )
    return tuple(kept), notes


@dataclass(frozen=True)
class Pace:
    """How fast a candidate is on this machine.

    Args:
        images_s: images a second.
        runtimes: by which, one a size.
        load: processes that ran or waited on the machine in the minute before.
    """

    images_s: float
    runtimes: tuple[str, ...]
    load: float


def pace(candidate: Candidate, recipe: Recipe, root: Path, paths: Sequence[str], *, cache: Path) -> Pace:
    """Images a second through a candidate on this machine, as busy as it is now.

    Forward passes of decoded images alone, in one view, with all taps, all cores busy; the faster of two rounds.

    Args:
        candidate: what is run, in each of its sizes one after the other.
        recipe: says taps, views and runtime.
        root: folder that the paths are relative to.
        paths: all images of the job, for the choice of the runtime; some of them are looked at.
        cache: of facts, converted networks and choices of runtimes.
    """
    from medalist.backbones.runtimes import open_runtime
    from medalist.data.decode import Preprocessing
    from medalist.data.ingest import ingest
    from medalist.features.bank import NETWORKS
    from medalist.features.choice import choose_runtime, timed

    load, seconds, runtimes = os.getloadavg()[0], 0.0, list[str]()
    spread = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, SAMPLE).astype(int)) if paths[i]]
    for backbone in candidate.eyes:
        runtime, _ = choose_runtime(
            backbone, recipe.runtime, root, paths, num_views=len(recipe.views), taps=recipe.taps, cache=cache
        )
        wanted = [Preprocessing.from_dict(backbone.preprocessing)]
        images = [one.images[0] for one in ingest(root, spread, preparations=wanted, cache=cache) if one.facts.ok]
        forward = open_runtime(backbone, runtime=runtime, taps=recipe.taps, networks=cache / NETWORKS)
        num_full = forward.batch * forward.lanes
        pixels_NHWC = np.stack([images[i % len(images)] for i in range(max(len(images), num_full))])
        seconds += 1 / timed(forward, pixels_NHWC)[1]
        runtimes.append(runtime)
    return Pace(round(1 / seconds, 1), tuple(runtimes), round(load, 1))
