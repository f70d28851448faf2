"""Which query finds more of what is wanted: 20 finds of each template, spread over the classes, screened, counted."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, cycle, islice
from pathlib import Path

import numpy as np

from medalist import ledger
from medalist.errors import RecipeError
from medalist.evidence import two_sided, verdict
from medalist.expansion.dataset import Dataset
from medalist.expansion.expand import Asked, check, check_query, queries_of
from medalist.expansion.found import Fetched
from medalist.expansion.gather import gather
from medalist.expansion.screen import screen
from medalist.expansion.told import error, share
from medalist.expansion.web import Web
from medalist.pipeline.backbones import choose
from medalist.progress import Sink, ignore
from medalist.recipe import Recipe

TRIED = "queries.json"  # one of expand.TRIAL
FINDS = 20  # of each template


@dataclass(frozen=True)
class Tried:
    """What a template found, and how much of it was let in."""

    template: str
    found: int
    accepted: int


def try_queries(
    recipe: Recipe,
    root: Path,
    out: Path,
    asked: Asked,
    templates: Sequence[str],
    *,
    web: Web | None = None,
    cache: Path,
    sink: Sink = ignore,
) -> str:
    """Compare templates by the share of their finds that is let in.

    Args:
        recipe, root, out, web, cache, sink: as for `expand`; images stay in `out` for it.
        asked: its query and number are not used.
        templates: two or more, each with `{class}`.

    Raises: as `expand`; RecipeError also for fewer than two templates, or one that comes twice.
    """
    if len(set(templates)) < max(2, len(templates)):
        raise RecipeError(
            f"--try-queries: got {len(templates)}, expected two or more different ones; repeat the option"
        )
    for template in templates:
        check_query(template)
    check(root, out, asked)
    notes: list[str] = []
    recipe = choose(recipe, notes)
    with ledger.locked(out):
        dataset = Dataset.of(recipe, root, cache=cache, sink=sink)
        tried = []
        for template in templates:
            queries = queries_of(dataset.table, replace(asked, query=template))
            wanted = spread(list(queries), FINDS)
            found = gather(asked.sources, {label: queries[label] for label in wanted}, wanted, out,
                           web=web or Web(), keep=False, sink=sink)  # fmt: skip
            fetched = [one for one in found.outcomes if isinstance(one, Fetched)]
            verdicts = screen(dataset, out, fetched, cache=cache, sink=sink).verdicts
            tried.append(Tried(template, len(found.outcomes), sum(not one.kind for one in verdicts)))
            notes += found.notes
        ledger.write_json(out / TRIED, [vars(one) for one in tried])
    return "\n".join([*table_of(tried), compared(tried), *dict.fromkeys(notes)])


def spread(labels: Sequence[str], finds: int) -> dict[str, int]:
    """So many finds over the labels as evenly as can be; of more labels than finds, some drawn at random.

    >>> spread(["a", "b", "c"], 5) == {"a": 2, "b": 2, "c": 1}
    True
    """
    order = labels if len(labels) <= finds else np.random.default_rng(0).permutation(np.array(labels)).tolist()
    return dict(Counter(islice(cycle(order), finds)))


def table_of(tried: Sequence[Tried]) -> list[str]:
    """A line a template, the largest share first."""
    width = max(len(repr(one.template)) for one in tried)
    lines = [f"{'query':{width}s}  found  let in  share"]
    for one in sorted(tried, key=_rate, reverse=True):
        told = share(one.accepted, one.found) if one.found else "nothing was found"
        lines.append(f"{one.template!r:{width}s}  {one.found:5d}  {one.accepted:6d}  {told}")
    return lines


def compared(tried: Sequence[Tried]) -> str:
    """Whether the best differs from each other one; p counts all pairs, any of which might have been the best two."""
    best, *others = sorted(tried, key=_rate, reverse=True)
    num_pairs = len(list(combinations(tried, 2)))
    worse, open_ = list[str](), list[str]()
    for other in others:
        errors = [error(one.accepted, one.found) if one.found else 0.5 for one in (best, other)]
        difference, stderr = _rate(best) - _rate(other), math.hypot(*errors)
        p = min(1.0, num_pairs * two_sided(difference, stderr))
        (worse if verdict(difference, stderr, p) == "better" else open_).append(repr(other.template))
    told = f"{best.template!r} is let in more often than {', '.join(worse)}" if worse else ""
    if open_:
        told += ("; " if told else "") + f"{best.template!r} and {', '.join(open_)} are not distinguishable"
    return f"{told} ({FINDS} finds tell shares apart that differ by about {2 * 2**0.5 * error(10, 20):.1f})"


def _rate(one: Tried) -> float:
    return one.accepted / one.found if one.found else 0.0
