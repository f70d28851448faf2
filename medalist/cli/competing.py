"""Verbs from a folder of images to a submission."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from medalist.cli.app import Cache, Cards, Code, Data, Licence, Overrides, adopt, app, bars, recipe_of
from medalist.errors import RecipeError

if TYPE_CHECKING:
    from medalist.ledger import Summary
    from medalist.recipe import Recipe


@app.command()
def check(
    data: Data,
    overrides: Overrides = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="doubtful labels, strange images, train/test shift: by features and heads")
    ] = False,
    backbone: Annotated[list[str] | None, typer.Option(help="with --deep: card, timm name or `embedded`")] = None,
    out: Annotated[Path | None, typer.Option(help="folder for the findings as CSV, JSON and pictures")] = None,
    cards: Cards = None,
    cache: Cache = None,
) -> None:
    """Say what DATA is: layout, classes, files left out, and what looks wrong with its images. Nothing is changed."""
    if (backbone or cards) and not deep:
        raise typer.BadParameter("--backbone and --cards are for --deep; without it no network looks at the images")
    from medalist.pipeline import cache_folder
    from medalist.pipeline.audit import audit
    from medalist.recipe import load_recipe

    keys = {"backbones": tuple(backbone or ()) or None, "cards": cards and str(cards.resolve())}
    recipe = load_recipe(None, overrides or (), metric="accuracy", **keys)
    with bars() as sink:
        text = audit(recipe, data, cache=cache_folder(cache), out=out, deep=deep, sink=sink)
    print(text)


@app.command()
def stats(
    data: Data,
    overrides: Overrides = None,
    sample: Annotated[int | None, typer.Option(help="look at so many images; each number with its interval")] = None,
    seed: Annotated[int, typer.Option(help="seed of the sample")] = 0,
    backbone: Annotated[list[str] | None, typer.Option(help="compare with its own; default `embedded`")] = None,
    cards: Cards = None,
    cache: Cache = None,
) -> None:
    """Mean and standard deviation of DATA's channels, exact or from a sample, beside each backbone's own."""
    from medalist.pipeline import cache_folder
    from medalist.pipeline.moments import stats as say
    from medalist.recipe import load_recipe

    keys = {"backbones": tuple(backbone or ("embedded",)), "cards": cards and str(cards.resolve()), "seed": seed}
    recipe = load_recipe(None, overrides or (), metric="accuracy", **keys)
    with bars() as sink:
        text = say(recipe, data, sample=sample, cache=cache_folder(cache), sink=sink)
    print(text)


@app.command()
def run(
    data: Data,
    overrides: Overrides = None,
    metric: Annotated[str | None, typer.Option(help="what to be best at: accuracy, log_loss, f1_samples, ...")] = None,
    backbone: Annotated[list[str] | None, typer.Option(help="card, timm name or `embedded`; repeat to fuse")] = None,
    out: Annotated[Path, typer.Option(help="run folder")] = Path("out"),
    recipe: Annotated[str | None, typer.Option(help="packaged recipe, or a YAML file")] = None,
    folds: Annotated[int | None, typer.Option(help="number of folds (folds.k)")] = None,
    seed: Annotated[int | None, typer.Option(help="seed of folds and heads")] = None,
    cards: Cards = None,
    cache: Cache = None,
    preflight: Annotated[bool, typer.Option("--preflight", help="64 images, under a minute, and a forecast")] = False,
    budget: Annotated[str | None, typer.Option(help="the best within a time: 90s, 30m, 1h30m; Ctrl-C ends it")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace another run in --out")] = False,
    allow_code: Code = None,
) -> None:
    """Do it all: features, heads, out-of-fold score, decisions, and a checked submission in --out."""
    adopt(allow_code or ())
    settings = list(overrides or ())
    settings += [f"folds.k={folds}"] if folds is not None else []
    settings += [f"seed={seed}", f"folds.seed={seed}"] if seed is not None else []
    resolved = recipe_of(recipe, settings, metric=metric, backbones=backbone or (), cards=cards)
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if preflight and budget is not None:
        raise RecipeError("--preflight forecasts one run, --budget plans several; type one of the two")
    if preflight and several:
        raise RecipeError("--preflight rehearses and forecasts one process; type the command without torchrun")
    if preflight:
        from medalist.pipeline.preflight import preflight as rehearse

        with bars() as sink:
            text = rehearse(resolved, data, out, sink=sink)
        print(text)
        return
    if budget is not None:
        print(within(resolved, data, out, budget, cache=cache, code=allow_code or (), overwrite=overwrite))
        return
    from medalist.pipeline import run as go

    with bars() as sink:
        work = partial(go, resolved, data, out, cache=cache, sink=sink, overwrite=overwrite)
        summary = as_rank(work) if several else work()
    if summary is not None:
        print(summary.text(out))
    if several:
        end_at_once()


def end_at_once() -> NoReturn:
    """End this process of several, all being written: threads that a process group leaves may abort a usual end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def within(recipe: Recipe, data: Path, out: Path, budget: str, **options: Any) -> str:
    """The best that a time allows; it runs since this process began."""
    from medalist.experiments.budget.clock import seconds_of, since_process_start

    clock = since_process_start(seconds_of(budget))
    if "WORLD_SIZE" in os.environ:
        raise RecipeError("--budget spawns runs of its own; type the command without torchrun")
    from medalist.experiments.budget.within import run_within

    return run_within(recipe, data, out, clock, say=partial(print, flush=True), **options)


def as_rank(work: Callable[[], Summary]) -> Summary | None:
    """A run that `torchrun` started in several processes: one goes the way, the others help it train."""
    from medalist.pipeline.tuning.serving import run_as_rank

    return run_as_rank(work)


@app.command()
def predict(
    run_folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder of a finished run or blend")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="image files or folders of them")],
    cache: Cache = None,
) -> None:
    """Answer for new images, the same as the run would; CSV on standard output."""
    from medalist.pipeline.predict import predict as answer

    with bars() as sink:
        text = answer(run_folder, images, cache=cache, sink=sink, warn=lambda line: print(line, file=sys.stderr))
    sys.stdout.write(text)


@app.command()
def lint(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the submission")],
    sample: Annotated[Path, typer.Option(help="the organisers' sample submission")],
) -> None:
    """Check a submission against the sample: every id once, order, columns, types, ranges."""
    from medalist.submissions.checks import lint as faults_of

    faults = faults_of(file, sample)
    for fault in faults:
        print(fault)
    if faults:
        raise typer.Exit(1)
    print(f"{file}: nothing wrong against {sample} (class names are known only as far as the sample shows them)")


@app.command()
def backbones(
    name: Annotated[str | None, typer.Argument(help="one backbone, in full")] = None,
    recipe: Annotated[str | None, typer.Argument(help="with --layers: whose phases are marked")] = None,
    layers: Annotated[bool, typer.Option("--layers", help="NAME's layers, and which of them RECIPE trains")] = False,
    license: Annotated[Licence, typer.Option(help="any or permissive")] = "any",
    cards: Cards = None,
) -> None:
    """List the write-ups' backbones, a recommended set a compute tier, and the cards at hand."""
    from medalist.backbones.listing import listing

    if (layers and name is None) or (recipe is not None and not layers):
        raise typer.BadParameter("expected NAME --layers [RECIPE]")
    if layers and name is not None:
        from medalist.pipeline.layers import layer_listing, trains_of
        from medalist.recipe import load_recipe

        trains = trains_of(load_recipe(recipe, (), metric="accuracy")) if recipe is not None else ()
        print(layer_listing(name, trains, cards=cards))
        return
    print(listing(name, license=license, cards=cards))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="where the drawn competition and its run go")] = Path("demo"),
) -> None:
    """Draw a small competition, run it offline with the embedded backbone, score the drawn test labels, report."""
    from medalist.pipeline.demo import demo as play
    from medalist.report.written import report

    with bars() as sink:
        text = play(out, sink=sink)
    print(text)
    print(report(out / "run", data=out / "data"))
