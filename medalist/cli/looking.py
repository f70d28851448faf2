"""Verbs that show a person what a training would see."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medalist.cli.app import Cards, Data, Overrides, app


@app.command()
def show(
    data: Data,
    augment: Annotated[str, typer.Option(metavar="POLICY", help="such as 'flip | random_erasing'; '' for none")],
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="PNG file to write")] = Path("sheet.png"),
    images: Annotated[int, typer.Option(help="rows: images, of as many classes as can be")] = 6,
    copies: Annotated[int, typer.Option(help="columns: epochs beside each original")] = 5,
    mix: Annotated[str | None, typer.Option(help="also a mixed batch with its targets: 'mixup(alpha=0.4)'")] = None,
    seed: Annotated[int, typer.Option(help="of the choice of images and of all that is drawn")] = 0,
    backbone: Annotated[str, typer.Option(help="whose size and resize are shown")] = "embedded",
    cards: Cards = None,
) -> None:
    """Draw a contact sheet of DATA's images and their augmented copies, and of mixed batches with their targets."""
    from medalist.pipeline.sheet import show as draw
    from medalist.recipe import load_recipe

    keys = {"backbones": (backbone,), "cards": cards and str(cards.resolve())}
    recipe = load_recipe(None, overrides or (), metric="accuracy", **keys)
    print(draw(recipe, data, out, augment=augment, images=images, copies=copies, mix=mix, seed=seed))
