"""The verb that makes a run something to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medalist.cli.app import Code, adopt, app


@app.command()
def report(
    run_folder: Annotated[
        Path, typer.Argument(metavar="RUN", help="folder of a finished run, import, blend or experiment")
    ],
    data: Annotated[Path | None, typer.Option(help="the dataset: its images are shown as thumbnails")] = None,
    out: Annotated[Path | None, typer.Option(help="folder to write; default: RUN/report")] = None,
    found: Annotated[Path | None, typer.Option(help="folder of `medalist check --out`: what looks wrong")] = None,
    allow_code: Code = None,
) -> None:
    """Show RUN as one page that works offline and can be mailed: scores, curves, confusion, mistakes, a write-up."""
    adopt(allow_code or ())
    from medalist.report.written import report as write

    print(write(run_folder, out=out, data=data, found=found))
