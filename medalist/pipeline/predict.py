"""New images through a finished run or blend: the same bank key, heads, blend and decision -> a CSV of answers.

A blend holds no heads: its `decision.json` says where those of its members are, and the hash of what they predicted.
Axes: L readable images of M new ones, C classes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from medalist.data.facts import Facts
from medalist.data.layouts.tree import is_document
from medalist.data.table import ImageTable
from medalist.decisions.rules import prior
from medalist.errors import DataError, MismatchError
from medalist.features.bank import FeatureBank
from medalist.pipeline import cache_folder
from medalist.pipeline.blend import digest
from medalist.pipeline.chain import Chain
from medalist.pipeline.extraction import extract, settled_by
from medalist.pipeline.kept import asking, load_table
from medalist.pipeline.learners import answer, learners_of, slug
from medalist.pipeline.outcome import DECISION, decision_of
from medalist.pipeline.tuning.tuned import answer_tuned, tuned_of
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
    """Answer for images that the run never met, bit for bit as it answered its test images; class counts aside.

    Args:
        run_folder: folder of a finished run or blend.
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
        MismatchError: the features are not those of the run (other weights, runtime or decoder); of a blend, a member's
            run is gone, has changed since, or is an import, whose script alone can answer.
    """
    facts, table = decision_of(run_folder), load_table(run_folder)
    parts, files = _parts(run_folder, facts), _files(images)
    answers: dict[Path, tuple[dict[str, np.ndarray], Sequence[Facts]]] = {}
    for part in parts:
        run = part.parent.parent
        if run not in answers:
            answers[run] = _run_answers(run, files, cache_folder(cache), sink)
    found = next(iter(answers.values()))[1]
    if facts["kind"] == "run" and load_recipe(run_folder / "recipe.yaml").counts:
        warn("the run met known class counts of its test set; these images are answered without")
    for file, fact in zip(files, found, strict=True):
        if not fact.ok:
            warn(f"{file}: {fact.reason}; answered by the class prior")
    members = [answers[part.parent.parent][0][part.name] for part in parts]
    readable_M = np.array([fact.ok for fact in found], dtype=bool)
    prior_C = prior(table.labels, len(table.classes))
    chain = _chain(run_folder, facts, table.classes)
    prob_LC = chain.blended(facts["chain"], np.stack(members, axis=1))
    answers_M, prob_MC = chain.answer_all(facts["chain"], prob_LC, readable_M, prior_C)
    ids = _ids(files)
    return _csv(asking(table, ids, answers_M), ids, answers_M, prob_MC)


def _chain(run_folder: Path, facts: dict[str, Any], classes: tuple[str, ...]) -> Chain:
    """The chain of a run or blend, by the rule that it was decided by: a metric of the user's own need not be known."""
    if facts["kind"] == "run":
        return replace(Chain.of(load_recipe(run_folder / "recipe.yaml"), classes), decide=facts["rule"])
    return Chain(facts["metric"], facts["ensemble"], facts["rule"], classes)


def _parts(run_folder: Path, facts: dict[str, Any]) -> list[Path]:
    """Where the members' predictions are: in the run itself, or of a blend in the runs that it names."""
    if facts["kind"] == "import":
        raise MismatchError(
            f"{run_folder} was imported: only the script behind it can answer new images; import its answers"
        )
    if facts["kind"] == "run":
        return [run_folder / "predictions" / slug(name) for name in facts["members"]]
    return [_part(run_folder, source) for source in facts["sources"]]


def _part(folder: Path, source: dict[str, Any]) -> Path:
    """Where a blend's member is; unchanged since they were blended."""
    part: Path = (home(folder) / source["folder"]).resolve()
    again = f"blend again: medalist blend RUN... --out {folder} --overwrite"
    if not (part / "predictions.json").is_file():
        raise MismatchError(f"member {source['name']} is gone from {part}; put the run back, or {again}")
    if digest(part) != source["hash"]:
        raise MismatchError(f"member {source['name']} has changed since it was blended; {again}")
    if decision_of(part.parent.parent)["kind"] != "run":
        raise MismatchError(f"member {source['name']} was imported: only the script behind it can answer new images")
    return part


def home(folder: Path) -> Path:
    """Where a run folder's files really are, which a blend's sources are relative to: they may be links."""
    return (folder / DECISION).resolve().parent


def _run_answers(
    run: Path, files: Sequence[Path], cache: Path, sink: Sink
) -> tuple[dict[str, np.ndarray], Sequence[Facts]]:
    """Each member's probabilities (L, C) for the readable images, by the name of its folder; and what the files are.

    Raises:
        MismatchError: the features are not those of the run (other weights, runtime or decoder).
    """
    recipe, paths = load_recipe(run / "recipe.yaml"), [str(file.resolve()) for file in files]
    found = extract(recipe, Path("/"), paths, cache=cache, settled=settled_by(run), sink=sink)
    if [space.name for space in found.spaces] != decision_of(run)["spaces"]:
        raise MismatchError(
            f"the features on this machine are not those of {run} (other weights, packages or processor);"
            " run it again here with --overwrite"
        )
    hashes = [fact.hash for fact in found.facts if fact.ok]
    x_LD = FeatureBank(cache).rows(found.spaces, hashes, normalise=recipe.normalise)
    prob: dict[str, np.ndarray] = {}
    for learner in learners_of(recipe, found.spaces):
        names = map(slug, learner.members)
        prob |= dict(zip(names, answer(learner, recipe.final, run, x_LD), strict=True))
    for tuned in tuned_of(recipe):
        found_VLC = answer_tuned(tuned, recipe.final, run, Path("/"), paths, cache=cache, sink=sink)
        prob |= dict(zip(map(slug, tuned.members), found_VLC, strict=True))
    return prob, found.facts


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
