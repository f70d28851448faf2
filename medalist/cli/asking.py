"""Verbs that answer a question by experiment."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from medalist.cli.app import Cache, Cards, Code, Data, Licence, Overrides, adopt, app, bars, recipe_of


@app.command()
def ablate(
    data: Data,
    overrides: Overrides = None,
    vary: Annotated[
        list[str] | None, typer.Option(metavar="KEY=A,B,C", help="which value of a recipe key is best; repeat")
    ] = None,
    augment: Annotated[
        str | None, typer.Option(metavar="'A | B'", help="which of these operations help; `usual`: a dozen")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="what to be best at: accuracy, log_loss, f1_samples, ...")] = None,
    backbone: Annotated[list[str] | None, typer.Option(help="card, timm name or `embedded`; repeat to fuse")] = None,
    recipe: Annotated[str | None, typer.Option(help="packaged recipe, or a YAML file: the baseline")] = None,
    views: Annotated[
        int | None, typer.Option(help="with --augment: of each image that a head learns from; default 4")
    ] = None,
    images: Annotated[
        int | None, typer.Option(help="with --augment: on frozen features, at most; default 2000")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="of each arm; default: 3 where a training draws numbers (fine-tuning, mlp), else 1"),
    ] = None,
    no_double: Annotated[
        bool, typer.Option("--no-double", help="do not judge regularisers at twice the epochs too")
    ] = False,
    out: Annotated[Path, typer.Option(help="folder of the experiment")] = Path("ablation"),
    cards: Cards = None,
    cache: Cache = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace another experiment in --out")] = False,
    allow_code: Code = None,
) -> None:
    """Which value of a recipe key is best, or which augmentations help, with errors; "no difference" is an answer."""
    if vary and augment is not None:
        raise typer.BadParameter("two questions were given, --vary and --augment; run them one after the other")
    if not vary and augment is None:
        raise typer.BadParameter(
            "expected one question: --vary KEY=VALUE,VALUE such as --vary normalise=none,l2, or --augment 'flip | hue'"
        )
    if augment is not None and (seeds is not None or no_double):
        raise typer.BadParameter("--seeds and --no-double are for --vary; --augment draws anew by itself")
    if vary and (views is not None or images is not None):
        raise typer.BadParameter(
            "--views and --images are for --augment; a key is a question: --vary views=center,flip"
        )

    adopt(allow_code or ())
    baseline = recipe_of(recipe, overrides, metric=metric, backbones=backbone or (), cards=cards)
    with bars() as sink:
        common: dict[str, Any] = {"cache": cache, "sink": sink, "overwrite": overwrite}
        if augment is not None:
            from medalist.experiments.augmenting.augment import augment as ask

            given = {"views": views, "images": images}
            sizes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
            say = partial(typer.echo, err=True)
            text = ask(baseline, data, out, augment, code=allow_code or (), say=say, **sizes, **common)
        else:
            from medalist.experiments.ablating.ablate import ablate as answer

            text = answer(
                baseline, data, out, vary or (), seeds=seeds, double=not no_double, code=allow_code or (), **common
            )
    print(text)


@app.command()
def rank(
    data: Data,
    overrides: Overrides = None,
    metric: Annotated[str | None, typer.Option(help="what to be best at: accuracy, log_loss, f1_samples, ...")] = None,
    backbones: Annotated[
        list[str] | None,
        typer.Option("--backbones", "--backbone", metavar="A,B,...", help="default: cards at hand and `embedded`"),
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="packaged recipe, or a YAML file: heads, views, folds")] = None,
    license: Annotated[Licence, typer.Option(help="any or permissive")] = "any",
    out: Annotated[Path, typer.Option(help="folder of the experiment")] = Path("rank"),
    cards: Cards = None,
    cache: Cache = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace another experiment in --out")] = False,
    allow_code: Code = None,
) -> None:
    """Which backbone for DATA, and which two or three together: frozen features, paired folds, pace and licence."""
    from medalist.experiments.ranking.rank import rank as compare

    adopt(allow_code or ())
    # A comma inside parentheses belongs to the name.
    names = tuple(name.strip() for text in backbones or () for name in re.split(r",(?![^(]*\))", text) if name.strip())
    resolved = recipe_of(recipe, overrides, metric=metric, backbones=names, cards=cards)
    with bars() as sink:
        common: dict[str, Any] = {"cache": cache, "sink": sink, "overwrite": overwrite, "code": allow_code or ()}
        text = compare(resolved, data, out, license=license, **common)
    print(text)


@app.command()
def search(
    data: Data,
    overrides: Overrides = None,
    space: Annotated[
        list[str] | None, typer.Option(metavar="DIM,DIM", help="depth,lr,batch,...; KEY=[a, b]; KEY=log(low..high)")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="what to be best at: accuracy, log_loss, f1_samples, ...")] = None,
    backbone: Annotated[list[str] | None, typer.Option(help="card, timm name or `embedded`; repeat to fuse")] = None,
    recipe: Annotated[str | None, typer.Option(help="packaged recipe, or a YAML file: the recipe as given")] = None,
    trials: Annotated[int | None, typer.Option(help="recipes to try; 20 where no --hours are given")] = None,
    hours: Annotated[float | None, typer.Option(help="begin no trial that would not be judged by then")] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="that judge the winner; default: 3 where a training draws numbers (fine-tuning, mlp), else 1"
        ),
    ] = None,
    jobs: Annotated[str, typer.Option(help="runs side by side if their memory fits; auto: as many as pay")] = "auto",
    ranked: Annotated[Path | None, typer.Option("--from", help="folder of `medalist rank`: its order first")] = None,
    out: Annotated[Path, typer.Option(help="folder of the experiment")] = Path("search"),
    cards: Cards = None,
    cache: Cache = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace another experiment in --out")] = False,
    allow_code: Code = None,
) -> None:
    """Which values of several keys at once: trials halved, the winner judged on fresh folds; "noise" is an answer."""
    if not space:
        raise typer.BadParameter("expected a space: --space DIM,DIM such as --space depth,lr or --space taps,normalise")
    if jobs != "auto" and not (jobs.isdecimal() and int(jobs) > 0):
        raise typer.BadParameter(f"--jobs {jobs}: expected auto, or a number such as 2")
    adopt(allow_code or ())
    from medalist.experiments.searching.children import Place
    from medalist.experiments.searching.climb import Limits
    from medalist.experiments.searching.search import search as find

    given = recipe_of(recipe, overrides, metric=metric, backbones=backbone or (), cards=cards)
    place = Place(data, out, cache, tuple(allow_code or ()))
    limits = Limits(20 if trials is None and hours is None else trials, hours, seeds)
    wanted = None if jobs == "auto" else int(jobs)
    with bars() as sink:
        text = find(given, place, space, limits=limits, jobs=wanted, ranked=ranked, sink=sink, overwrite=overwrite)
    print(text)
