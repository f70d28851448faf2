"""Verbs about recipes: which there are, and a copy of one to change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medalist.cli.app import app


@app.command()
def recipes() -> None:
    """The recipes that the package brings: what each is for, how it is typed, and what it was measured to give."""
    from medalist.recipe.headers import listed

    print(listed())


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="of a packaged recipe: `medalist recipes`")],
    file: Annotated[Path, typer.Argument(metavar="FILE.yaml", help="where the copy goes")],
) -> None:
    """Copy a packaged recipe into a file of your own, header and all, to change it."""
    from medalist.recipe.headers import new as copy

    print(copy(name, file))
