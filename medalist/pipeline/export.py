"""A run's features as HDF5 for other tools, in the form of write-up 5's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from medalist import ledger
from medalist.data.table import TEST, TRAIN, VALID
from medalist.features.bank import FeatureBank
from medalist.pipeline import cache_folder
from medalist.pipeline.extraction import extract, settled_by
from medalist.pipeline.way import read
from medalist.progress import Sink, ignore
from medalist.recipe import load_recipe


def export_run(run_folder: Path, root: Path, file: Path, *, cache: Path | None = None, sink: Sink = ignore) -> str:
    """Write `train_x`, `train_label`, `valid_x`, `valid_label` and `test` of a finished run's dataset.

    Rows stand in the order of the dataset as it is read; labelled images that cannot be read are left out, such test
    images are rows of zeros. Tags are written as a row of 0 and 1 an image.

    Raises:
        StoreError: the run is not finished.
        MissingExtraError: h5py is not installed.
    """
    ledger.require_finished(run_folder)
    recipe = load_recipe(run_folder / "recipe.yaml")
    table = read(recipe, root)
    settled = settled_by(run_folder)
    found = extract(recipe, table.root, table.paths, cache=cache_folder(cache), settled=settled, sink=sink)
    facts = found.facts
    readable = np.array([fact.ok for fact in facts], dtype=bool)
    rows = {
        "train": np.flatnonzero((table.split == TRAIN) & readable),
        "valid": np.flatnonzero((table.split == VALID) & readable),
        "test": np.flatnonzero(table.split == TEST),
    }
    hashes = {part: [facts[i].hash if facts[i].ok else "" for i in index] for part, index in rows.items()}
    labels = {part: _plain(table.labels[rows[part]]) for part in ("train", "valid")}
    FeatureBank(cache_folder(cache)).export_hdf5(file, found.spaces, hashes, labels)
    return f"{file}: {', '.join(f'{len(index)} {part}' for part, index in rows.items())} rows"


def _plain(labels: object) -> np.ndarray:
    return labels if isinstance(labels, np.ndarray) else labels.toarray().astype(np.uint8)  # type: ignore[attr-defined]
