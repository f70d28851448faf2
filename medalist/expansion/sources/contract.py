"""What every source keeps to, and the registry.

A source is `(queries, web, *, own options) -> {label: images}`. `queries` says what to ask for each class that is
wanted, label -> text; a source that has labels of its own (a folder, a list) takes the labels alone, and gives images
under two or more of them as one label joined by `|`. Images come as a lazy stream of `Found`, best first; a stream that
is not drawn from asks nothing, and one that is drawn from waits as its service demands. `web` says who asks. A
source that passes over what it is pointed at says so by its fact `passed_over`, `(queries, own options) -> sentence`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from medalist.errors import RecipeError, near
from medalist.expansion.found import Found
from medalist.expansion.plain import plain
from medalist.expansion.web import Web
from medalist.registry import Bound, Registry

Streams = dict[str, Iterator[Found]]
Source = Callable[..., Streams]
sources: Registry[Source] = Registry("source")
MOST = 8  # names that are told


def search(source: Bound[Source], queries: Mapping[str, str], web: Web) -> Streams:
    """Ask a source that was bound from its call.

    Raises:
        RecipeError: an option is missing or wrong, or there is no contact. DataError: a folder or list is at fault.
    """
    try:
        inspect.signature(source.function).bind(queries, web, **source.arguments)
    except TypeError as error:
        raise RecipeError(f"source {source.text}: {error}; see docs/EXPANDING.md for its options") from error
    streams: Streams = source(queries, web)
    return streams


def source_of(text: str) -> str:
    """What was typed as the call of a source: a folder or a CSV that exists may be named as it is.

    Raises:
        RecipeError: it is none of these.
    """
    if text not in sources and Path(text).is_dir():
        return f"folder(path={text!r})"
    if text.lower().endswith(".csv") and Path(text).is_file():
        return f"csv(path={text!r})"
    try:
        sources.bind(text)
    except RecipeError as slip:
        own = f"{text!r} is no folder or list that exists either; one of yours is typed --source"
        raise RecipeError(f"{slip}; {own} \"folder(path='more')\", or by its path alone") from slip
    return text  # as it was typed: a folder of an expansion remembers it so


def passed_over(bound: Sequence[Bound[Source]], queries: Mapping[str, str]) -> tuple[str, ...]:
    """Sentences on what sources hold under names that are not asked for."""
    told = (one.facts["passed_over"](queries, **one.arguments) for one in bound if "passed_over" in one.facts)
    return tuple(sentence for sentence in told if sentence)


def overlooked(path: str, count_of: Mapping[str, int], queries: Mapping[str, str]) -> str:
    """A sentence on images under names that are no class; empty where there are none.

    Args:
        path: of the source.
        count_of: name -> number of images.
        queries: classes that are asked for.
    """
    if not count_of:
        return ""
    ordered = sorted(count_of, key=lambda name: -count_of[name])
    told = ", ".join(f"{plain(name)} ({count_of[name]} images{near(name, queries)})" for name in ordered[:MOST])
    more = f" and {len(ordered) - MOST} more" if len(ordered) > MOST else ""
    count = sum(count_of.values())
    return f"WARNING: {count} images of {path} are passed over, as no class asked for has the name of: {told}{more}"


def wanted(label: str, queries: Mapping[str, str]) -> bool:
    """Whether a label that a list gives is one of those asked for, or several of them joined by `|`."""
    return label in queries or all(tag in queries for tag in label.split("|"))
