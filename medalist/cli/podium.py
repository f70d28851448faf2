"""Verbs between runs and the leaderboard: folds for scripts, blends, hand-ins, explanations."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from medalist.cli.app import Cache, Code, Data, Overrides, adopt, app, bars

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of finished runs and imports")]


@app.command()
def folds(
    data: Data,
    overrides: Overrides = None,
    groups: Annotated[Path | None, typer.Option(help="groups.csv of check: further images that stay whole")] = None,
    runs: Annotated[list[Path] | None, typer.Option(help="mark this run where its folds tear groups; repeat")] = None,
    cache: Cache = None,
) -> None:
    """The folds that `run` makes (duplicates and groups whole), with labels, as CSV on standard output."""
    from medalist.pipeline import cache_folder
    from medalist.pipeline.folds import folds_csv
    from medalist.recipe import load_recipe

    settings = [*(overrides or ()), *([f"folds.groups={groups}"] if groups else [])]
    recipe = load_recipe(None, settings, metric="accuracy")
    with bars() as sink:
        told = partial(print, file=sys.stderr)
        text = folds_csv(recipe, data, cache=cache_folder(cache), runs=runs or (), say=told, sink=sink)
    sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))


@app.command("import")
def import_(
    oof: Annotated[Path, typer.Argument(metavar="OOF.csv", help="out-of-fold probabilities: id, a column a class")],
    test: Annotated[Path, typer.Argument(metavar="TEST.csv", help="test probabilities, likewise")],
    folds: Annotated[Path, typer.Option(help="of `medalist folds`, or folds.csv in a run folder")],
    metric: Annotated[str, typer.Option(help="that the answers are for")],
    out: Annotated[Path, typer.Option(help="run folder")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="how to read --data, data.layout=csv")
    ] = None,
    name: Annotated[str, typer.Option(help="what to call the script")] = "script",
    data: Annotated[Path | None, typer.Option(help="the dataset, for its sample submission and its labels")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace another run in --out")] = False,
    allow_code: Code = None,
) -> None:
    """Let anybody's script join: its probabilities, checked by id, class and fold, as a run folder for `blend`."""
    adopt(allow_code or ())
    from medalist.pipeline.join import join
    from medalist.pipeline.way import read
    from medalist.recipe import load_recipe

    recipe = load_recipe(None, overrides or (), metric="accuracy")
    table = None if data is None else read(recipe, data)
    print(join(oof, test, folds, out, metric=metric, name=name, data=table, overwrite=overwrite).text(out))


@app.command()
def blend(
    runs: Runs,
    out: Annotated[Path, typer.Option(help="run folder of the blend")],
    ensemble: Annotated[str, typer.Option(help="how to blend")] = "blend",
    decide: Annotated[str | None, typer.Option(help="decision rule; default: the metric's own")] = None,
    metric: Annotated[str | None, typer.Option(help="default: the one that the runs share")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace another run in --out")] = False,
    allow_code: Code = None,
) -> None:
    """Blend all learners of several runs and imports into one checked submission, scored cross-fitted."""
    adopt(allow_code or ())
    from medalist.pipeline.blend import blend as mix

    print(mix(runs, out, ensemble=ensemble, decide=decide, metric=metric, overwrite=overwrite).text(out))


@app.command()
def average(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.csv...", help="submissions, whoever made them")],
    sample: Annotated[Path, typer.Option(help="the organisers' sample submission")],
    out: Annotated[Path, typer.Option(help="file to write")],
    how: Annotated[str | None, typer.Option(help="mean, geometric, rank or vote; default: by the kind")] = None,
) -> None:
    """Average submissions by id where nothing but the files is known; such a file has no cross-validation score."""
    from medalist.submissions.strangers import average as mix

    print(mix(files, sample, out, how=how))


@app.command()
def submit(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a finished run, import or blend")],
    kaggle: Annotated[str | None, typer.Option(metavar="SLUG", help="hand in by the kaggle command")] = None,
    message: Annotated[str | None, typer.Option(help="goes with the file")] = None,
    public: Annotated[float | None, typer.Option(help="public score, once it is known")] = None,
    private: Annotated[float | None, typer.Option(help="private score, once it is known")] = None,
) -> None:
    """Check RUN's submission, hand it in or note that it was, with its forecast; add its scores once they are known."""
    from medalist.pipeline.submit import submit as hand_in

    print(hand_in(run_folder, kaggle=kaggle, message=message, public=public, private=private))


@app.command()
def board(
    runs: Runs,
    board: Annotated[Path | None, typer.Option(help="leaderboard as CSV with a score column")] = None,
    public_share: Annotated[float, typer.Option(help="share of the test images behind the public score")] = 0.3,
    allow_code: Code = None,
) -> None:
    """All hand-ins beside each other: forecast, public, private, how they agree, the shake-up, two final picks."""
    adopt(allow_code or ())
    from medalist.pipeline.board import board as show

    print(show(runs, leaderboard=board, public_share=public_share))


@app.command()
def diagnose(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a finished run, import or blend")],
    lb: Annotated[float, typer.Option(help="score on the leaderboard")],
    data: Annotated[
        Path | None, typer.Option(help="the dataset: duplicates and image statistics are looked at")
    ] = None,
    tried: Annotated[list[Path] | None, typer.Option(help="another run that this one was preferred to; repeat")] = None,
    share: Annotated[float, typer.Option(help="share of the test images that the leaderboard scores")] = 1.0,
    cache: Cache = None,
    allow_code: Code = None,
) -> None:
    """How surprising a leaderboard score is against the forecast, and its likely causes, each with its evidence."""
    adopt(allow_code or ())
    from medalist.pipeline import cache_folder
    from medalist.pipeline.diagnose import diagnose as explain

    with bars() as sink:
        text = explain(run_folder, lb, data=data, cache=cache_folder(cache), tried=tried or (), share=share, sink=sink)
    print(text)
