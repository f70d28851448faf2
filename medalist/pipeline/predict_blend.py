"""New images through a blend: each member's run answers them, the blend's weights and rule do the rest.

A blend holds no heads: its `decision.json` says where those of its members are, and the hash of what they predicted.
Axes: L readable images of M new ones, R members, C classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medalist.data.facts import Facts
from medalist.decisions.rules import prior
from medalist.errors import MismatchError
from medalist.features.bank import FeatureBank
from medalist.pipeline import cache_folder
from medalist.pipeline.blend import digest
from medalist.pipeline.chain import Chain
from medalist.pipeline.extraction import extract, settled_by
from medalist.pipeline.kept import asking, load_table
from medalist.pipeline.learners import answer, learners_of, slug
from medalist.pipeline.outcome import decision_of
from medalist.pipeline.predict import _csv, _files, _ids
from medalist.progress import Sink, ignore
from medalist.recipe import load_recipe


def predict_blend(
    run_folder: Path,
    images: Sequence[Path],
    *,
    cache: Path | None = None,
    sink: Sink = ignore,
    warn: Callable[[str], None] = lambda line: None,
) -> str:
    """Answer for images that the blend never met; arguments and return as for `predict`.

    Raises:
        MismatchError: a member's run is gone, has changed since, or is an import, whose script alone can answer.
    """
    facts, table = decision_of(run_folder), load_table(run_folder)
    if facts["kind"] == "import":
        raise MismatchError(
            f"{run_folder} was imported: only the script behind it can answer new images; import its answers"
        )
    files = _files(images)
    sources = {source["name"]: _part(run_folder, source) for source in facts["sources"]}
    answers: dict[Path, tuple[dict[str, np.ndarray], Sequence[Facts]]] = {}
    for part in sources.values():
        run = part.parent.parent
        if run not in answers:
            answers[run] = _run_answers(run, files, cache_folder(cache), sink)
    found = next(iter(answers.values()))[1]
    for file, fact in zip(files, found, strict=True):
        if not fact.ok:
            warn(f"{file}: {fact.reason}; answered by the class prior")
    prob_LRC = np.stack([answers[part.parent.parent][0][part.name] for part in sources.values()], axis=1)
    chain = Chain(facts["metric"], facts["ensemble"], facts["rule"], table.classes)
    readable_M = np.array([fact.ok for fact in found], dtype=bool)
    prior_C = prior(table.labels, len(table.classes))
    answers_M, prob_MC = chain.answer_all(facts["chain"], prob_LRC, readable_M, prior_C)
    ids = _ids(files)
    return _csv(asking(table, ids, answers_M), ids, answers_M, prob_MC)


def _part(folder: Path, source: dict[str, Any]) -> Path:
    """Where a member's predictions are; unchanged since they were blended."""
    part: Path = (folder / source["folder"]).resolve()
    again = f"blend again: medalist blend RUN... --out {folder} --overwrite"
    if not (part / "predictions.json").is_file():
        raise MismatchError(f"member {source['name']} is gone from {part}; put the run back, or {again}")
    if digest(part) != source["hash"]:
        raise MismatchError(f"member {source['name']} has changed since it was blended; {again}")
    if decision_of(part.parent.parent)["kind"] != "run":
        raise MismatchError(f"member {source['name']} was imported: only the script behind it can answer new images")
    return part


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
        raise MismatchError(f"the features on this machine are not those of {run}; run it again here with --overwrite")
    hashes = [fact.hash for fact in found.facts if fact.ok]
    x_LD = FeatureBank(cache).rows(found.spaces, hashes, normalise=recipe.normalise)
    prob: dict[str, np.ndarray] = {}
    for learner in learners_of(recipe, found.spaces):
        names = map(slug, learner.members)
        prob |= dict(zip(names, answer(learner, recipe.final, run, x_LD), strict=True))
    return prob, found.facts
