"""The command line: parse, call one verb, print. Heavy packages are imported by the verbs, never here."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from medalist.errors import MedalistError
from medalist.progress import Event, Sink


class Verbs(TyperGroup):
    """A group whose help shows each verb's whole sentence, where click would cut it to one line."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs and what they do."""
        verbs = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.get_short_help_str(limit=1000)) for name, verb in verbs if verb])


# Plain help: typer's panels import rich, its Markdown and pygments, two thirds of the time that --help would take.
PLAIN: dict[str, Any] = {"cls": Verbs, "rich_markup_mode": None, "no_args_is_help": True}
app = typer.Typer(
    **PLAIN,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A folder of labelled images and a metric in, a checked, leaderboard-ready submission out.",
)
bank_app = typer.Typer(**PLAIN, help="The feature bank: list, verify, export, collect garbage.")
app.add_typer(bank_app, name="bank")

Data = Annotated[Path, typer.Argument(metavar="DATA", help="folder of the dataset")]
Overrides = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="recipe keys, folds.k=10")]
Licence = Literal["any", "permissive"]
Cards = Annotated[Path | None, typer.Option("--cards", help="folder of backbone cards (or MEDALIST_CARDS)")]
Cache = Annotated[Path | None, typer.Option("--cache", help="feature bank (or MEDALIST_CACHE; ~/.cache/medalist)")]


@app.command()
def check(data: Data, overrides: Overrides = None, cache: Cache = None) -> None:
    """Say what DATA is: layout, classes, files left out, broken images, duplicates. Trains nothing."""
    from medalist.pipeline import cache_folder
    from medalist.pipeline.audit import audit
    from medalist.recipe import load_recipe

    recipe = load_recipe(None, overrides or (), metric="accuracy")
    with _bars() as sink:
        text = audit(recipe, data, cache=cache_folder(cache), sink=sink)
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
    with _bars() as sink:
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
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace another run in --out")] = False,
    allow_code: Annotated[list[str] | None, typer.Option(help="MODULE:FUNCTION, a metric of yours; runs code")] = None,
) -> None:
    """Do it all: features, heads, out-of-fold score, decisions, and a checked submission in --out."""
    from medalist.recipe import load_recipe

    _adopt(allow_code or ())
    settings = list(overrides or ())
    settings += [f"folds.k={folds}"] if folds is not None else []
    settings += [f"seed={seed}", f"folds.seed={seed}"] if seed is not None else []
    keys = {
        "metric": metric,
        "backbones": tuple(backbone) if backbone else None,
        "cards": cards and str(cards.resolve()),
    }
    resolved = load_recipe(recipe, settings, **keys)
    if preflight:
        from medalist.pipeline.preflight import preflight as rehearse

        with _bars() as sink:
            text = rehearse(resolved, data, out, sink=sink)
        print(text)
        return
    from medalist.pipeline import run as go

    with _bars() as sink:
        summary = go(resolved, data, out, cache=cache, sink=sink, overwrite=overwrite)
    print(summary.text(out))


@app.command()
def predict(
    run_folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder of a finished run or blend")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGES...", help="image files or folders of them")],
    cache: Cache = None,
) -> None:
    """Answer for new images, the same as the run would; CSV on standard output."""
    from medalist.pipeline.predict import predict as answer

    with _bars() as sink:
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
def folds(data: Data, overrides: Overrides = None, cache: Cache = None) -> None:
    """The folds that `run` makes (duplicates and groups whole), with labels, as CSV on standard output."""
    from medalist.pipeline import cache_folder
    from medalist.pipeline.folds import folds_csv
    from medalist.recipe import load_recipe

    recipe = load_recipe(None, overrides or (), metric="accuracy")
    with _bars() as sink:
        text = folds_csv(recipe, data, cache=cache_folder(cache), sink=sink)
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
) -> None:
    """Let anybody's script join: its probabilities, checked by id, class and fold, as a run folder for `blend`."""
    from medalist.pipeline.join import join
    from medalist.pipeline.way import read
    from medalist.recipe import load_recipe

    recipe = load_recipe(None, overrides or (), metric="accuracy")
    table = None if data is None else read(recipe, data)
    print(join(oof, test, folds, out, metric=metric, name=name, data=table, overwrite=overwrite).text(out))


Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="folders of finished runs and imports")]


@app.command()
def blend(
    runs: Runs,
    out: Annotated[Path, typer.Option(help="run folder of the blend")],
    ensemble: Annotated[str, typer.Option(help="how to blend")] = "blend",
    decide: Annotated[str | None, typer.Option(help="decision rule; default: the metric's own")] = None,
    metric: Annotated[str | None, typer.Option(help="default: the one that the runs share")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace another run in --out")] = False,
) -> None:
    """Blend all learners of several runs and imports into one checked submission, scored cross-fitted."""
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
) -> None:
    """All hand-ins beside each other: forecast, public, private, how they agree, the shake-up, two final picks."""
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
) -> None:
    """How surprising a leaderboard score is against the forecast, and its likely causes, each with its evidence."""
    from medalist.pipeline import cache_folder
    from medalist.pipeline.diagnose import diagnose as explain

    with _bars() as sink:
        text = explain(run_folder, lb, data=data, cache=cache_folder(cache), tried=tried or (), share=share, sink=sink)
    print(text)


@app.command()
def backbones(
    name: Annotated[str | None, typer.Argument(help="one backbone, in full")] = None,
    license: Annotated[Licence, typer.Option(help="any or permissive")] = "any",
    cards: Cards = None,
) -> None:
    """List the write-ups' backbones, a recommended set a compute tier, and the cards at hand."""
    from medalist.backbones.listing import listing

    print(listing(name, license=license, cards=cards))


@bank_app.command("list")
def bank_list(cache: Cache = None) -> None:
    """Each space of features: weights, preprocessing, view, runtime, rows, bytes."""
    from medalist.features.bank import FeatureBank
    from medalist.pipeline import cache_folder

    print(FeatureBank(cache_folder(cache)).text())


@bank_app.command()
def verify(cache: Cache = None) -> None:
    """Read every shard against its checksum; a damaged one is set aside and computed again by the next run."""
    from medalist.features.bank import FeatureBank
    from medalist.pipeline import cache_folder

    damaged = FeatureBank(cache_folder(cache)).verify()
    for shard in damaged:
        print(f"damaged, set aside: {shard}")
    if damaged:
        raise typer.Exit(1)
    print("all shards are as they were written")


@bank_app.command()
def collect(cache: Cache = None) -> None:
    """Remove what kills and damage left behind: temporary files and shards set aside."""
    from medalist.features.bank import FeatureBank
    from medalist.pipeline import cache_folder

    removed = FeatureBank(cache_folder(cache)).collect()
    print("\n".join(f"removed {path}" for path in removed) or "there was nothing to remove")


@bank_app.command()
def export(
    run_folder: Annotated[Path, typer.Argument(metavar="DIR", help="folder of a finished run")],
    data: Data,
    file: Annotated[Path, typer.Argument(metavar="FILE.h5", help="HDF5 file to write")],
    cache: Cache = None,
) -> None:
    """Write a run's features as HDF5: train_x, train_label, valid_x, valid_label, test."""
    from medalist.pipeline.export import export_run

    print(export_run(run_folder, data, file, cache=cache))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="where the drawn competition and its run go")] = Path("demo"),
) -> None:
    """Draw a small competition, run it offline with the embedded backbone, score the drawn test labels."""
    from medalist.pipeline.demo import demo as play

    with _bars() as sink:
        text = play(out, sink=sink)
    print(text)


def _adopt(references: Sequence[str]) -> None:
    """Import metrics of the user's own, from packages or from files in the working directory."""
    if references:
        from medalist.metrics import metrics

        sys.path.insert(0, "")
        for reference in references:
            metrics.adopt(reference)


@contextmanager
def _bars() -> Iterator[Sink]:
    """A bar a stage on standard error, with rate and time left; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda event: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:

        def show(event: Event) -> None:
            if event.stage not in tasks:
                tasks[event.stage] = progress.add_task(event.stage, total=None, rate="")
            rate = f"{event.rate:.0f}/s" if event.total > 1 and event.seconds > 0 else ""
            progress.update(tasks[event.stage], completed=event.done, total=event.total or None, rate=rate)

        yield show


def main() -> None:
    """Entry point: errors that a user can cause are printed without a traceback and exit with 1."""
    try:
        app()
    except MedalistError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
