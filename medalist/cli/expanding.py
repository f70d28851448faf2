"""The verb that fetches more images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from medalist.cli.app import Cache, Cards, Code, Data, Overrides, adopt, app, bars, recipe_of
from medalist.errors import RecipeError


@app.command()
def expand(
    data: Data,
    overrides: Overrides = None,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE", help="openverse, commons, a folder or CSV of yours, \"folder(path='more')\", ...; repeat"
        ),
    ] = None,
    per_class: Annotated[int, typer.Option(help="finds of each class that are looked at")] = 50,
    query: Annotated[str, typer.Option(help="what is asked for a class")] = "{class}",
    try_queries: Annotated[
        list[str] | None, typer.Option(metavar="QUERY", help="compare queries on 20 finds each, and stop; repeat")
    ] = None,
    skip: Annotated[list[str] | None, typer.Option(metavar="CLASS", help="wants no more images; repeat")] = None,
    contact: Annotated[str, typer.Option(help="your mail address or URL, told to each server that is asked")] = "",
    judge: Annotated[bool, typer.Option("--judge", help="say by experiment whether they help; needs --metric")] = False,
    metric: Annotated[str | None, typer.Option(help="with --judge: what to be best at")] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="with --judge: draws of folds and training of each arm; default 3, 1 where none is drawn"),
    ] = None,
    backbone: Annotated[list[str] | None, typer.Option(help="card, timm name or `embedded`; repeat to fuse")] = None,
    recipe: Annotated[str | None, typer.Option(help="packaged recipe, or a YAML file")] = None,
    out: Annotated[Path, typer.Option(help="folder of the expansion")] = Path("expansion"),
    cards: Cards = None,
    cache: Cache = None,
    allow_code: Code = None,
) -> None:
    """More images for DATA's classes: found, fetched, screened for copies and strangers, and judged by experiment."""
    if judge and metric is None and recipe is None:
        raise RecipeError("--judge compares scores; type --metric NAME, or --recipe")
    if judge and try_queries:
        raise RecipeError("--try-queries stops before anything is judged; leave out --judge, or --try-queries")
    adopt(allow_code or ())
    from medalist.expansion.expand import Asked
    from medalist.expansion.expand import expand as find
    from medalist.expansion.sources import source_of
    from medalist.expansion.web import Web
    from medalist.pipeline import cache_folder

    named = metric or (None if recipe else "accuracy")  # nothing is scored without --judge
    resolved = recipe_of(recipe, overrides, metric=named, backbones=backbone or (), cards=cards)
    asked = Asked(tuple(map(source_of, source or ())), per_class, query, tuple(skip or ()))
    common: dict[str, Any] = {"web": Web(contact), "cache": cache_folder(cache)}
    with bars() as sink:
        if try_queries:
            from medalist.expansion.queries import try_queries as compare

            print(compare(resolved, data, out, asked, try_queries, sink=sink, **common))
            return
        print(find(resolved, data, out, asked, sink=sink, **common))
        if judge:
            from medalist.expansion.judge import judge as weigh

            print(weigh(resolved, data, out, seeds=seeds, cache=cache, sink=sink, code=allow_code or ()))
