"""The application, its groups, the arguments that verbs share, and the progress bars."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from medalist.errors import RecipeError
from medalist.progress import PACE, Event, Sink

if TYPE_CHECKING:
    from medalist.recipe import Recipe


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
Code = Annotated[
    list[str] | None, typer.Option("--allow-code", help="MODULE:FUNCTION, a metric of yours; runs its code")
]
Cache = Annotated[Path | None, typer.Option("--cache", help="feature bank (or MEDALIST_CACHE; ~/.cache/medalist)")]


def adopt(references: Sequence[str]) -> None:
    """Import metrics of the user's own, from packages or from files in the working directory."""
    if references:
        from medalist.metrics import metrics

        sys.path.insert(0, "")
        for reference in references:
            metrics.adopt(reference)


def recipe_of(
    source: str | None, overrides: Sequence[str] | None, *, metric: str | None, backbones: Sequence[str], cards: Any
) -> Recipe:
    """The recipe that was typed; where it lacks a metric, the error lists them, which `recipe` does not know."""
    from medalist.recipe import load_recipe

    keys = {"metric": metric, "backbones": tuple(backbones) or None, "cards": cards and str(cards.resolve())}
    try:
        return load_recipe(source, overrides or (), **keys)
    except RecipeError as error:
        from pydantic import ValidationError

        faults = error.__cause__.errors() if isinstance(error.__cause__, ValidationError) else ()
        if not any(fault["loc"] == ("metric",) and fault["type"] == "missing" for fault in faults):
            raise
        from medalist.metrics import metrics

        raise RecipeError(f"{error}\n  metrics: {', '.join(metrics)}") from error


def epoch_line(event: Event) -> None:
    """What logs get to see of a long training, of the many runs of an experiment, or of many downloads."""
    note = event.note
    if "arm" in note:
        place = f", {event.done + 1} of {event.total}" if event.total else ""
        print(f"{event.stage}: {note['arm']}{place}", file=sys.stderr, flush=True)
    if "ended" in note:
        print(f"{event.stage}: {note['ended']} ended, {note['told']}", file=sys.stderr, flush=True)
    if "line" in note:
        print(f"{event.stage}: {note['line']}", file=sys.stderr, flush=True)
    if "epoch_s" in note:
        told = ", ".join(
            f"{key} {note[key]:.3g}" if key == "lr" else f"{key} {note[key]}"
            for key in ("loss", "metric", "lr", "images_s")
            if key in note
        )
        left_s = event.seconds / event.done * (event.total - event.done)
        left = f"{left_s:.0f} s left of this training"  # other folds, and the refit, are trainings of their own
        print(f"{event.stage}: epoch {note['epoch']}, {told}, {left}", file=sys.stderr, flush=True)


@contextmanager
def bars() -> Iterator[Sink]:
    """A bar a stage on standard error, with rate and time left; where that is no terminal, a line an epoch."""
    if not sys.stderr.isatty():
        yield epoch_line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:

        def show(event: Event) -> None:
            if event.stage == PACE:  # for the record
                return
            if event.stage not in tasks:
                tasks[event.stage] = progress.add_task(event.stage, total=None, rate="")
            rate = f"{event.rate:.0f}/s" if event.total > 1 and event.seconds > 0 else ""
            progress.update(tasks[event.stage], completed=event.done, total=event.total or None, rate=rate)

        yield show
