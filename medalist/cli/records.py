"""Verbs that read the record: all runs, two of them, the best."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from medalist.cli.app import Cache, Code, adopt, app

Places = Annotated[list[Path] | None, typer.Argument(metavar="[FOLDER]...", help="run folders, or what holds some; .")]
Arms = Annotated[bool, typer.Option("--arms", help="the arms of experiments too")]


@app.command()
def runs(
    places: Places = None,
    arms: Arms = False,
    csv: Annotated[bool, typer.Option("--csv", help="all columns, as CSV on standard output")] = False,
    cache: Cache = None,
    allow_code: Code = None,
) -> None:
    """All finished runs below FOLDER: what each changed, its gain, its cost, gain a minute."""
    adopt(allow_code or ())
    from medalist.pipeline import cache_folder
    from medalist.pipeline.records import listing

    found, faults = listing.runs(places or [Path()], cache=cache_folder(cache), arms=arms)
    if csv:
        print("\n".join(faults), file=sys.stderr, end="\n" if faults else "")
        sys.stdout.buffer.write(listing.as_csv(found).encode("utf-8", "surrogateescape"))
        return
    print(listing.table(found, faults))


@app.command()
def diff(
    one: Annotated[Path, typer.Argument(metavar="RUN", help="folder of a finished run, import or blend")],
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="what is compared with it")],
    allow_code: Code = None,
) -> None:
    """What differs between two runs: recipe, versions, seconds, score in pairs, and the images that moved."""
    adopt(allow_code or ())
    from medalist.pipeline.records.differing import diff as tell

    print(tell(one, other))


@app.command()
def best(places: Places = None, arms: Arms = False, cache: Cache = None, allow_code: Code = None) -> None:
    """The best of the finished runs below FOLDER, corrected for the choice, and what is as good but cheaper."""
    adopt(allow_code or ())
    from medalist.pipeline import cache_folder
    from medalist.pipeline.records.choosing import best as choose

    print(choose(places or [Path()], cache=cache_folder(cache), arms=arms))
