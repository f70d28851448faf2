"""Files through a recipe's backbones into the bank: which runtime each runs by, what was found, where the time went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medalist.data.facts import Facts
from medalist.features.bank import Space
from medalist.progress import Sink, fan_out, ignore
from medalist.recipe import Recipe


@dataclass(frozen=True)
class Extracted:
    """What is known after images went through backbones.

    Args:
        facts: of each file.
        spaces: what each block of columns is: by backbone, view, tap.
        runtimes: what each backbone ran by.
        notes: sentences for people: runtimes measured, what set the pace.
    """

    facts: tuple[Facts, ...]
    spaces: tuple[Space, ...]
    runtimes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def extract(
    recipe: Recipe,
    root: Path,
    paths: Iterable[str],
    *,
    cache: Path,
    runtimes: Sequence[str] | None = None,
    sink: Sink = ignore,
) -> Extracted:
    """Files through the recipe's backbones, views and taps into the bank.

    Args:
        recipe: names them.
        root: folder that the paths are relative to.
        paths: image files.
        cache: folder of the bank.
        runtimes: of each backbone, as a run recorded them; None: as the recipe says, `auto` by measuring.
        sink: takes progress events.
    """
    from medalist.features.choice import choose_runtime
    from medalist.features.column import Look
    from medalist.features.extract import embed as fill
    from medalist.pipeline.backbones import open_backbones

    files, looks, notes = list(paths), [], list[str]()
    for i, backbone in enumerate(open_backbones(recipe)):
        wanted = runtimes[i] if runtimes else recipe.runtime
        runtime, choice = choose_runtime(
            backbone, wanted, root, files, num_views=len(recipe.views), cache=cache, taps=recipe.taps
        )
        notes += [choice.text()] if choice else []
        looks.append(Look(backbone, runtime, recipe.views, recipe.taps))
    last: dict[str, Any] = {}
    facts, spaces = fill(root, files, looks, cache=cache, sink=fan_out(sink, lambda event: last.update(event.note)))
    if "bottleneck" in last:
        notes.append(
            "features: {bottleneck} set the pace (decoding {decode_s} s, network {forward_s} s)".format(**last)
        )
    return Extracted(tuple(facts), tuple(spaces), tuple(look.runtime for look in looks), tuple(notes))
