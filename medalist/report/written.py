"""`medalist report`: a run folder -> one folder that works from disk: index.html, and thumbnails beside it.

The page is written last, so a folder that has one is whole. The same run gives the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from medalist.errors import RecipeError, StoreError
from medalist.ledger import SUMMARY
from medalist.pipeline.way import read
from medalist.recipe import Recipe, load_recipe
from medalist.report.classes import classes
from medalist.report.confusion import confusion
from medalist.report.ensemble import ensemble
from medalist.report.experiment import experiment, experiment_of
from medalist.report.findings import findings
from medalist.report.learning import learning
from medalist.report.licences import licences
from medalist.report.markup import Section, name, said
from medalist.report.mistakes import mistakes
from medalist.report.page import MADE, page, shown_in
from medalist.report.precision_recall import precision_recall
from medalist.report.reliability import reliability
from medalist.report.score import folds, hero, notes, score, warnings
from medalist.report.seen import Seen, look
from medalist.report.stages import stages
from medalist.report.thresholds import thresholds
from medalist.report.thumbnails import DIGITS, FOLDER, Thumbnails
from medalist.report.writeup import writeup
from medalist.store import write_atomic

PAGE, RECIPE = "index.html", "recipe.yaml"
HEAD = 2000  # characters in which a report says that it is one
OURS = re.compile(rf"[0-9a-f]{{{DIGITS}}}\.(jpg|png)")
LOST = {"data": "pictures of the images", "found": "what `medalist check` found"}
PARTS: tuple[Callable[[Seen], Section | None], ...] = (
    score,
    folds,
    learning,
    confusion,
    classes,
    reliability,
    thresholds,
    precision_recall,
)


def report(folder: Path, *, out: Path | None = None, data: Path | None = None, found: Path | None = None) -> str:
    """Write the report of a finished run, import, blend or experiment.

    Args:
        folder: of the run.
        out: folder to write; None: `report` inside the run's.
        data: the dataset, for pictures of its images.
        found: folder of `medalist check --out`.

    Returns:
        Where to look, as plain text.

    Raises:
        StoreError: no finished run, or `out` holds an index.html that no report wrote, or one with pictures or findings
            that this one would lose.
        RecipeError: `out` lies inside the dataset.
        DataError: `found` holds no findings.
    """
    out = out or folder / "report"
    asked = experiment_of(folder)
    given = [name for name, path in (("data", data), ("found", found)) if path is not None]
    _check_place(out, data)
    _check_kept(out, given)
    known = tuple(path.resolve() for path in (folder, out, data, found) if path is not None)
    seen = look(folder, known) if asked is None or (folder / SUMMARY).is_file() else None
    pictures = None if data is None else Thumbnails.of(read(_reading(folder), data))
    made = pictures.made if pictures is not None else {}
    sections = [*_of_run(seen, pictures, found)]
    sections += [experiment(asked, seen.known if seen is not None else known)] if asked is not None else []
    sections += _closing(seen, asked) if seen is not None else []
    top = f"{warnings(seen)}{hero(seen)}" if seen is not None else ""
    facts = (
        _facts(seen)
        if seen is not None
        else "An experiment without a run of its own: name one of its arms to see a run."
    )
    _write(out, page(_title(seen, folder, data), facts, top, sections, given), made)
    return f"{out / PAGE}: {len(sections)} sections, {len(made)} pictures; open it in a browser, or mail the folder"


def _of_run(seen: Seen | None, pictures: Thumbnails | None, found: Path | None) -> Iterator[Section]:
    """What is told of a run's answers and images, each part where the run has it."""
    if seen is None:
        return
    for part in (*(make(seen) for make in PARTS), mistakes(seen, pictures), findings(seen, found, pictures)):
        if part is not None:
            yield part


def _closing(seen: Seen, asked: Path | None) -> Iterator[Section]:
    """Who answered, what it cost, how to tell it, and what the run said of itself."""
    for part in (ensemble(seen), stages(seen), writeup(seen, asked), licences(seen), notes(seen)):
        if part is not None:
            yield part


def _title(seen: Seen | None, folder: Path, data: Path | None) -> str:
    """Dataset, metric and score; a run does not keep where its dataset was, so that is told where it was named."""
    if seen is None:
        return f"Experiment {folder.resolve().name}"
    of = f"{data.resolve().name}: " if data is not None else ""
    return f"{of}{seen.metric} {seen.summary['score']:.4f}"


def _facts(seen: Seen) -> str:
    """Which run it is and what it is of, in a line."""
    kind = {"multiclass": "classes", "binary": "classes", "tags": "tags"}[seen.field.table.task]
    parts = [
        f"run {name(seen.name)}",
        f"{len(seen.ids):,} labelled images",
        f"{len(seen.names):,} {kind}",
        f"{len(np.unique(seen.field.truth.fold_N))} folds",
        f"decided by {said(seen.decision['rule'])}",
    ]
    return " · ".join(parts)


def _reading(folder: Path) -> Recipe:
    """How the run read its dataset; of blends and imports, as the dataset comes."""
    file = folder / RECIPE
    return load_recipe(file) if file.is_file() else load_recipe(None, (), metric="accuracy")


def _check_place(out: Path, data: Path | None) -> None:
    """Refuse to write into the dataset, or over somebody's page."""
    if data is not None and out.resolve().is_relative_to(data.resolve()):
        raise RecipeError(f"--out {out} lies inside the dataset, which is never written to; name a folder elsewhere")
    file = out / PAGE
    if file.is_file() and MADE not in file.read_text(encoding="utf-8", errors="replace")[:HEAD]:
        raise StoreError(f"{file} was not written by `medalist report`; choose another --out")


def _check_kept(out: Path, given: Sequence[str]) -> None:
    """Refuse to write over a report what this one would lose of it."""
    if not (out / PAGE).is_file():
        return
    earlier = shown_in((out / PAGE).read_text(encoding="utf-8", errors="replace")[:HEAD])
    if earlier is None:  # of before pages said so; charts of experiments lay there as .png
        pictures = [one for one in _names(out / FOLDER) if OURS.fullmatch(one) and one.endswith(".jpg")]
        earlier = ["data"] if pictures else []
    if lost := [option for option in earlier if option not in given]:
        what, typed = (" and ".join(LOST[one] for one in lost), " ".join(f"--{one} {one.upper()}" for one in lost))
        raise StoreError(
            f"{out} holds a report with {what}, which this one would lose; add {typed}, or choose another --out"
        )


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()] if folder.is_dir() else []


def _write(out: Path, text: str, made: Mapping[str, bytes]) -> None:
    """Pictures first, then the page; pictures of an earlier report that this one does not show are removed."""
    shown = out / FOLDER
    shown.mkdir(parents=True, exist_ok=True)
    for file_name, data in made.items():
        write_atomic(shown / file_name, data)
    write_atomic(out / PAGE, text.encode())
    for file in shown.iterdir():
        if OURS.fullmatch(file.name) and file.name not in made:
            file.unlink()
