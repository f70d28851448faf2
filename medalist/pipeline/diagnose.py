"""`medalist diagnose`: how surprising a leaderboard score is, and what may be behind it, the likeliest first.

Causes are ranked by the part of the drop that each can explain. Two of them can be computed from labelled rows
(duplicates, selection), class frequencies by weighting those rows; for images that differ no label tells the cost, so
that the share of test images that differ is taken of the gap. A general cause counts only for what the special ones
leave: a shift of features for what neither class frequencies nor image statistics tell.

Axes: N labelled images, M test images, D features.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medalist.data.facts import Facts
from medalist.data.ingest import facts_of
from medalist.data.table import TEST, ImageTable
from medalist.errors import DataError, MismatchError, StoreError
from medalist.evidence import Forecast, surprise
from medalist.features.bank import FeatureBank
from medalist.metrics import metrics
from medalist.pipeline import causes
from medalist.pipeline.blend import members_of
from medalist.pipeline.board import on_share
from medalist.pipeline.causes import Cause, Seen
from medalist.pipeline.chain import Chain
from medalist.pipeline.folds import Field
from medalist.pipeline.outcome import decision_of, final_predictions, summary_of, unseen_answers
from medalist.pipeline.predict import home
from medalist.pipeline.recomputed import MOST, features_recomputed
from medalist.pipeline.stale import stale_notes
from medalist.pipeline.submit import check_score
from medalist.pipeline.way import read
from medalist.predictions import Predictions
from medalist.progress import Sink, ignore
from medalist.recipe import load_recipe

UNSURPRISING = 2.0
UNEXPLAINED = "nothing that was looked for explains it"
UNSEEN = (
    "what cannot be seen from here: another metric on the leaderboard, answers under the wrong ids, an import whose"
    " out-of-fold rows were seen in training (the certainty of its answers is all that hints at it)"
)


def diagnose(
    folder: Path,
    lb: float,
    *,
    data: Path | None = None,
    cache: Path,
    tried: Sequence[Path] = (),
    share: float = 1.0,
    sink: Sink = ignore,
) -> str:
    """Sentences on a leaderboard score of a run, import or blend.

    Args:
        folder: of the run.
        lb: score on the leaderboard.
        data: its dataset; without it, neither duplicates nor images are looked at.
        cache: facts and feature bank.
        tried: other runs whose scores were looked at before this one was chosen.
        share: of the test images that the leaderboard scores; a public one scores a part.
        sink: takes progress events.

    Raises:
        MismatchError: the run has no forecast, `lb` is no score of its metric, or `data` is another dataset.
        StoreError: the run is not finished.
    """
    metric, forecast = metrics.bind(decision_of(folder)["metric"]), _forecast(folder, share)
    check_score(metric.text, lb, "--lb")
    ranked = ranked_causes(folder, lb, forecast, data=data, cache=cache, tried=tried, sink=sink)
    found = surprise(forecast, lb)
    z, p = found
    worse = (lb - forecast.score) * (1 if metric.facts["better"] == "higher" else -1) < 0
    low, high = forecast.interval95
    lines = [
        f"{metric.text} {lb:.4f} on the leaderboard; expected {forecast.score:.4f} +- {forecast.stderr:.4f} (95 %"
        f" {low:.4f} to {high:.4f}) on {forecast.num_test} test images: {found.told(metric.facts['better'])},"
        f" p {p:.2g}",
        _verdict(z, worse),
        *(
            f"{place}. {one.name}: {_explains(one, forecast, lb)}. {one.evidence}"
            for place, one in enumerate(ranked, 1)
        ),
    ]
    if worse and abs(z) >= UNSURPRISING and ranked[0].drop <= 0:
        lines.append(UNEXPLAINED)
    lines.append(UNSEEN)
    lines += stale_notes([folder])
    if data is None:
        lines.append("not looked for: duplicates across folds, images made differently; add --data DATA")
    return "\n".join(lines)


def _forecast(folder: Path, share: float) -> Forecast:
    """The run's forecast, of a leaderboard that scores a share of the test images."""
    summary = summary_of(folder)
    if summary.get("forecast") is None:
        raise MismatchError(
            f"{folder} has no forecast: it has no test images, or an older medalist made it; run it again"
        )
    if not 0 < share <= 1:
        raise MismatchError(f"got --share {share}, expected a share of the test images, above 0 and at most 1")
    return on_share(summary["forecast"], summary["score_stderr"], share)


def _verdict(z: float, worse: bool) -> str:
    if abs(z) < UNSURPRISING:
        return "no surprise: chance alone does that. What was looked for all the same:"
    if not worse:
        return "better than expected; the causes below would make it worse:"
    return "surprising. What may be behind it, by the part of the drop that it can explain:"


def _explains(one: Cause, forecast: Forecast, lb: float) -> str:
    if one.drop <= 0:
        return "no sign of it"
    gap = abs(lb - forecast.score)
    return f"can explain {min(one.drop, gap):.4f} of {gap:.4f}" if gap else f"would cost {one.drop:.4f}"


def ranked_causes(
    folder: Path,
    lb: float,
    forecast: Forecast,
    *,
    data: Path | None,
    cache: Path,
    tried: Sequence[Path] = (),
    sink: Sink = ignore,
) -> list[Cause]:
    """All causes that can be looked for, the one that explains most first; arguments as for `diagnose`."""
    facts, (field, answers_N) = decision_of(folder), unseen_answers(folder)
    metric, final = metrics.bind(facts["metric"]), final_predictions(folder)
    way = 1.0 if metric.facts["better"] == "higher" else -1.0
    gap = max(0.0, way * (forecast.score - lb))
    seen = Seen(metric, field.truth, answers_N, final, gap)
    table = None if data is None else _table(folder, data)
    images = None if table is None else _facts(table, final.ids, final.test_ids, cache, sink)
    x_ND, x_MD, what = _rows(facts, final, images, cache)
    fold_N = field.truth.fold_N
    twin_N = np.zeros(len(fold_N), bool) if table is None else _twins(field, table, final, cache, sink)
    alone_N = causes.independent(twin_N, field.truth.group_N)
    shifts = causes.shifts(seen, x_ND, x_MD, what, alone_N)
    configurations = [answers for part in (folder, *tried) for answers in _configurations(part, field, metric.text)]
    found = [causes.selection(seen, configurations, summary_of(folder)["score_in_sample"])]
    share, by_heart = 0.0, 0.0
    if table is not None and images is not None:
        found += _recomputed(folder, table, final, images, gap, cache, sink)
        found.append(causes.duplicates_across_folds(seen, twin_N))
        usable = [one for one in images[1] if one.ok]
        made, share = causes.preprocessing(seen, images[0], usable, shifts.weight_N * alone_N)
        found.append(made)
    if imports := _imports(folder):
        learnt, by_heart = causes.trained_on(seen, imports, shifts.weight_N * alone_N, share)
        found.append(learnt)
    found += [causes.class_prior(seen, shifts), causes.other_shift(seen, shifts, share, by_heart)]
    # Beyond the gap nothing is left to explain; the sort is stable, special causes stand before general ones.
    return sorted(found, key=lambda cause: -min(cause.drop, gap or cause.drop))


def _configurations(folder: Path, field: Field, metric: str) -> list[np.ndarray]:
    """Unseen answers of what was chosen from in a folder: one set, unless one of several learners was chosen.

    Raises:
        MismatchError: its rows are not those of `field`.
    """
    facts, (own, answers_N) = decision_of(folder), unseen_answers(folder)
    if own.folds.ids != field.folds.ids:
        raise MismatchError(f"{folder} has other labelled rows than the run in question; leave it out of --tried")
    members = [] if facts["kind"] == "blend" or len(facts["members"]) > 1 else members_of(folder)
    if len(members) < 2:
        return [answers_N]
    chain = Chain(metric, "mean", facts["rule"], own.truth.classes)
    return [chain.crossfit(one.run.oof_NC[:, None], own.truth.labels, own.truth.fold_N).answers_N for one in members]


def _imports(folder: Path) -> list[Predictions]:
    """The imported predictions behind a folder's answers: its own, or of a blend's members that are still there."""
    facts = decision_of(folder)
    parts = [home(folder) / source["folder"] for source in facts.get("sources", ())]
    runs = [part.parent.parent for part in parts if part.is_dir()]
    kept = [run for run in dict.fromkeys(runs) if decision_of(run)["kind"] == "import"]
    return [final_predictions(run) for run in ([folder] if facts["kind"] == "import" else kept)]


def _table(folder: Path, data: Path) -> ImageTable:
    """The dataset, read as the run read it; of a blend as the first of its runs that has a recipe."""
    facts = decision_of(folder)
    runs = [(home(folder) / source["folder"]).parent.parent for source in facts.get("sources", ())]
    recipes = [file for run in (folder, *runs) if (file := run / "recipe.yaml").is_file()]
    return read(load_recipe(recipes[0]) if recipes else load_recipe(metric="accuracy"), data)


def _twins(field: Field, table: ImageTable, final: Predictions, cache: Path, sink: Sink) -> np.ndarray:
    """(N,) bool: scored rows of which another fold has a copy; where one fold is held out, the others learnt too."""
    own, every = field.folds, field.outer or field.folds
    fold_of = dict(zip(every.ids, every.fold_N.tolist(), strict=True))
    fold_of |= {name: every.num_folds + fold for name, fold in zip(own.ids, own.fold_N.tolist(), strict=True)}
    facts, _ = _facts(table, list(fold_of), final.test_ids, cache, sink)
    twin_of = dict(zip(fold_of, causes.twins(facts, np.array(list(fold_of.values()))), strict=True))
    return np.array([twin_of[name] for name in own.ids])


def _facts(
    table: ImageTable, ids: Sequence[str], test_ids: Sequence[str], cache: Path, sink: Sink
) -> tuple[list[Facts], list[Facts]]:
    """What is known of the images behind labelled and test rows.

    Raises:
        MismatchError: the dataset lacks some of them.
    """
    facts = facts_of(table.root, list(table.paths), cache=cache, sink=sink)
    test_N = table.split == TEST
    parts = []
    for wanted, mask_N in ((ids, ~test_N), (test_ids, test_N)):
        row_of = {str(table.ids[row]): row for row in np.flatnonzero(mask_N)}
        if absent := [name for name in wanted if name not in row_of]:
            raise MismatchError(
                f"{table.root} is another dataset: {len(absent)} images of the run are not in it, such as {absent[0]!r}"
            )
        parts.append([facts[row_of[name]] for name in wanted])
    if broken := [name for name, one in zip(ids, parts[0], strict=True) if not one.ok]:
        raise DataError(f"{len(broken)} labelled images of the run cannot be read any more, such as {broken[0]!r}")
    return parts[0], parts[1]


def _recomputed(
    folder: Path,
    table: ImageTable,
    final: Predictions,
    images: tuple[list[Facts], list[Facts]],
    gap: float,
    cache: Path,
    sink: Sink,
) -> list[Cause]:
    """Of a run with features: whether a few labelled and test images still give those in the bank."""
    if not decision_of(folder).get("spaces") or not (folder / "recipe.yaml").is_file():
        return []
    path_of = dict(zip(table.ids.tolist(), table.paths.tolist(), strict=True))
    looked = [
        (path_of[ids[row]], facts[row].hash)
        for ids, facts in zip((final.ids, final.test_ids), images, strict=True)
        for row in np.unique(np.linspace(0, len(ids) - 1, MOST).astype(int))
        if facts[row].ok
    ]
    paths, hashes = zip(*looked, strict=True)
    found = features_recomputed(folder, table.root, paths, hashes, gap=gap, cache=cache, sink=sink)
    return [] if found is None else [found]


def _rows(
    facts: dict[str, Any], final: Predictions, images: tuple[list[Facts], list[Facts]] | None, cache: Path
) -> tuple[np.ndarray, np.ndarray, str]:
    """What to tell the sets apart by: the run's features where the bank has them, else its probabilities."""
    if images is not None and facts.get("spaces"):
        bank = FeatureBank(cache)
        spaces = [space for space in bank.spaces() if space.name in facts["spaces"]]
        try:
            usable = [one.hash for one in images[1] if one.ok]
            x_ND, x_MD = (bank.rows(spaces, keys)[:] for keys in ([one.hash for one in images[0]], usable))
            if len(spaces) == len(set(facts["spaces"])):
                return x_ND, x_MD, f"{x_ND.shape[1]} features"
        except StoreError:
            pass  # collected or of another machine: the probabilities are always there
    # One fold's model answers like those behind the out-of-fold rows; a mean of all would be surer.
    log_NC, log_MC = (np.log(np.clip(prob, 1e-6, 1)) for prob in (final.oof_NC, final.test_KMC[0]))
    return log_NC, log_MC, "their probabilities"
