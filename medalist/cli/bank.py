"""Verbs of the feature bank."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medalist.cli.app import Cache, Data, bank_app


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
