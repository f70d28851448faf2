"""New images through a finished run: the same bank key, heads, blend and decision -> a CSV of answers.

Axes: M new images, R heads, C classes.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from medalist import ledger
from medalist.data.layouts.tree import is_document
from medalist.data.table import ImageTable
from medalist.decisions.rules import prior
from medalist.errors import DataError, MismatchError
from medalist.features.bank import FeatureBank
from medalist.pipeline import cache_folder
from medalist.pipeline.chain import Chain
from medalist.pipeline.extraction import extract, settled_by
from medalist.pipeline.kept import asking, load_table
from medalist.pipeline.learners import answer, learners_of
from medalist.progress import Sink, ignore
from medalist.recipe import load_recipe
from medalist.submissions.writers import write


def predict(
    run_folder: Path,
    images: Sequence[Path],
    *,
    cache: Path | None = None,
    sink: Sink = ignore,
    warn: Callable[[str], None] = lambda line: None,
) -> str:
    """Answer for images that the run never met, bit for bit as it answered its test images.

    Args:
        run_folder: folder of a finished run.
        images: image files, or folders whose files are all taken.
        cache: feature bank; None: `MEDALIST_CACHE` or `~/.cache/medalist`.
        sink: takes progress events.
        warn: hears of each image that cannot be read, with the reason.

    Returns:
        CSV text with the submission's columns; ids are file names, or paths where two files share a name. An image that
        cannot be read is answered by the class prior, as in the run.

    Raises:
        StoreError: the run is not finished.
        DataError: no image was given, or a path is missing.
        MismatchError: the features are not those of the run (other weights, runtime or decoder).
    """
    ledger.require_finished(run_folder)
    recipe = load_recipe(run_folder / "recipe.yaml")
    decision = json.loads((run_folder / "decision.json").read_text(encoding="utf-8"))
    files = _files(images)
    paths = [str(file.resolve()) for file in files]
    found = extract(recipe, Path("/"), paths, cache=cache_folder(cache), settled=settled_by(run_folder), sink=sink)
    facts = found.facts
    if [space.name for space in found.spaces] != decision["spaces"]:
        raise MismatchError(
            f"the features on this machine are not those of {run_folder} (other weights, packages or processor);"
            " run it again here with --overwrite"
        )
    for file, fact in zip(files, facts, strict=True):
        if not fact.ok:
            warn(f"{file}: {fact.reason}; answered by the class prior")
    readable_M = np.array([fact.ok for fact in facts], dtype=bool)
    hashes = [fact.hash for fact in facts if fact.ok]
    x_LD = FeatureBank(cache_folder(cache)).rows(found.spaces, hashes, normalise=recipe.normalise)
    learners = learners_of(recipe, found.spaces)
    members = [prob_LC for one in learners for prob_LC in answer(one, recipe.final, run_folder, x_LD)]
    table = load_table(run_folder)
    prior_C = prior(table.labels, len(table.classes))
    chain = replace(Chain.of(recipe, table.classes), decide=decision["rule"])
    answers_M, prob_MC = chain.answer_all(decision["chain"], np.stack(members, axis=1), readable_M, prior_C)
    ids = _ids(files)
    return _csv(asking(table, ids, answers_M), ids, answers_M, prob_MC)


def _csv(table: ImageTable, ids: Sequence[str], answers_M: np.ndarray, prob_MC: np.ndarray) -> str:
    """The answers as the run's submission writes them, one row an id in the order given."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answers.csv"
        write(table, ids, answers_M, prob_MC, file)
        return file.read_text(encoding="utf-8")


def _files(images: Sequence[Path]) -> list[Path]:
    """Each file once, folders opened up; sorted within a folder."""
    files: dict[Path, None] = {}
    for path in images:
        if path.is_dir():
            files |= dict.fromkeys(sorted(file for file in path.rglob("*") if file.is_file() and _maybe_image(file)))
        elif path.exists():
            files[path] = None
        else:
            raise DataError(f"there is no image {str(path)!r}; give image files or folders of them")
    if not files:
        raise DataError(f"no image in {', '.join(map(str, images))}; give image files or folders of them")
    return list(files)


def _maybe_image(file: Path) -> bool:
    """Neither a hidden file nor a table or text beside the images."""
    return not file.name.startswith(".") and file.name != "Thumbs.db" and not is_document(file.name)


def _ids(files: Sequence[Path]) -> list[str]:
    names = [file.name for file in files]
    return names if len(set(names)) == len(names) else [str(file) for file in files]
