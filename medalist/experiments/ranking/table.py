"""A ranking as text for people, as JSON for machines, and as two charts: score against parameters and against pace.

Axes: A arms.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from medalist.backbones import EMBEDDED, STAND_IN
from medalist.engines.local import usable_cores
from medalist.evidence import BestOfMany, Comparison, best_of_many
from medalist.evidence.draws import bind, sign
from medalist.experiments.arms import Done, against
from medalist.experiments.charts import Mark, scatter
from medalist.experiments.ranking.columns import Row, aligned, table_of
from medalist.experiments.ranking.fusions import against_single, gain_of_fusing
from medalist.experiments.ranking.screen import best as best_first
from medalist.experiments.ranking.seen import Ranking
from medalist.recipe import Recipe

BASELINE = "best single"
CHARTS = ("score-parameters.png", "score-pace.png")


def rows_of(ranking: Ranking) -> list[Row]:
    """Singles, the best first; then fusions, the best first."""
    best, *others = ranking.singles
    found = {**against(best, others), **against_single(best, ranking.fusions)}
    scores = [done.summary.score for done in ranking.fusions.done]
    fused = [ranking.fusions.done[place] for place in best_first(scores, ranking.recipe.metric)]
    nothing = Comparison(0.0, 0.0, BASELINE, 1.0)
    return [_row(ranking, done, found.get(done.arm.name, nothing)) for done in [*ranking.singles, *fused]]


def _row(ranking: Ranking, done: Done, gain: Comparison) -> Row:
    mine = [one for name in done.arm.recipe.backbones for one in ranking.candidates if one.name == name]
    return Row(
        name=done.arm.name,
        backbones=done.arm.recipe.backbones,
        score=done.summary.score,
        stderr=done.summary.score_stderr,
        gain=gain.difference,
        gain_stderr=gain.stderr,
        p=gain.p,
        verdict=gain.verdict,
        images_s=1 / sum(1 / ranking.paces[one.name].images_s for one in mine),
        mparams=sum(one.mparams for one in mine),
        top1=mine[0].top1 if len(mine) == 1 else None,
        licence="; ".join(dict.fromkeys(one.licence for one in mine)),
        seconds=done.summary.seconds["total"],
    )


def text_of(ranking: Ranking, out: Path, charts: Sequence[str]) -> str:
    """The table, the verdict, what to type next, notes, and where the files are."""
    rows = rows_of(ranking)
    recipe, best = ranking.recipe, ranking.singles[0]
    better = bind(recipe.metric).facts["better"]
    lines = [
        f"{len(ranking.candidates)} backbones on frozen features: {recipe.metric} ({better} is better) of"
        f" {len(best.answers_N)} rows, each answered by a model that never saw it",
        "",
        *table_of(rows, BASELINE),
        *_looks_text(ranking),
        "",
        *verdict_of(ranking, rows),
        "",
        *_notes(ranking),
        f"{out}: table.txt, experiment.json, {', '.join(charts)}; each arm is a run below {out / 'arms'}",
    ]
    return "\n".join(lines)


def _looks_text(ranking: Ranking) -> list[str]:
    """Who was left out, where, with score and error; of fusions and of singles."""
    left = [one for one in [*ranking.looks, *ranking.fusions.looks] if not one.kept]
    if not left:
        return []
    cells = [(" + ".join(one.names), f"{one.score:.4f} +- {one.stderr:.4f}", f"on {one.images} images") for one in left]
    return ["", "looked at by a ridge head alone and left out by that score:", *aligned(cells)]


def verdict_of(ranking: Ranking, rows: Sequence[Row]) -> list[str]:
    """Sentences: who is best and how sure that is, whether fusing gains, and what to type."""
    best = next(row for row in rows if row.verdict == BASELINE)
    near = [row.name for row in rows if len(row.backbones) == 1 and row.verdict in ("equal", "not distinguishable")]
    corrected = singles_corrected(ranking)
    lines = [
        f"best single: {best.name}, {best.score:.4f} +- {best.stderr:.4f}; picked as the best of {len(ranking.singles)}"
        f" it is worth {corrected.score:.4f} +- {corrected.stderr:.4f}",
    ]
    if near:
        lines.append(f"not told apart from it on these images: {', '.join(near)}")
    fused = [row for row in rows if len(row.backbones) > 1]
    pick = best
    if fused:
        gain = gain_of_fusing(ranking.singles, ranking.fusions.done)
        amount = f"{gain.difference:+.4f} +- {gain.stderr:.4f}"
        tried = ranking.fusions.tried
        how = "each picked on drawn rows and judged on the others"
        if gain.verdict == "better":
            pick = fused[0]
            alone = "" if pick.verdict == "better" else f", by itself {pick.verdict} as one of {tried} that were tried"
            lines.append(f"fusing is better: {amount} over the best single ({how}); the best is {pick.name}{alone}")
        else:
            lines.append(
                f"fusing: {gain.verdict}, {amount} over the best single ({how}); the best fusion is"
                f" {fused[0].name}, {fused[0].score:.4f}"
            )
    return [*lines, f"next: {command(ranking, pick.backbones)}", *_stand_in(pick.backbones)]


def _stand_in(backbones: Sequence[str]) -> list[str]:
    """A warning where what is recommended holds the embedded backbone."""
    if EMBEDDED not in backbones:
        return []
    return [f"  mind: {EMBEDDED}, in this command, is {STAND_IN}; with one more real backbone, rank again"]


def singles_corrected(ranking: Ranking) -> BestOfMany:
    """What the best single is worth on rows that it was not picked on."""
    truth = ranking.singles[0].truth
    answers = [done.answers_N for done in ranking.singles]
    return best_of_many(ranking.recipe.metric, truth.labels, answers, groups=truth.group_N)


def command(ranking: Ranking, backbones: Sequence[str]) -> str:
    """What to type to run one of the arms: with every key that differs from its default."""
    recipe = ranking.recipe
    keys, usual = recipe.model_dump(mode="json"), Recipe(metric=recipe.metric).model_dump(mode="json")
    words = ["medalist", "run", str(ranking.data), "--metric", recipe.metric]
    words += [word for name in backbones for word in ("--backbone", name)]
    words += ["--cards", recipe.cards] if recipe.cards else []
    words += ranking.options
    words += [
        f"{key}={json.dumps(value)}"
        for key, value in _leaves(keys).items()
        if value != _leaves(usual)[key] and key not in ("backbones", "cards")
    ]
    return shlex.join(words)


def _leaves(keys: dict[str, Any]) -> dict[str, Any]:
    """Keys of sections with dots, as they are typed."""
    return {
        f"{key}.{inner}" if inner else key: value
        for key, held in keys.items()
        for inner, value in (held.items() if isinstance(held, dict) else [("", held)])
    }


def _notes(ranking: Ranking) -> list[str]:
    """What the numbers are of."""
    paces = ranking.paces.values()
    runtimes = ", ".join(dict.fromkeys(name for one in paces for name in one.runtimes))
    busy = f"{max(one.load for one in paces):.1f} processes on {usable_cores()} cores before"
    notes = [
        "a gain is over the best single, paired on the same rows, positive: better; verdicts count how many were tried",
        f"img/s: forward passes alone in one view, {runtimes}, on this machine as busy as it was ({busy}); features of"
        f" all took {ranking.seconds:.0f} s in one pass over the images (what the bank held was not computed again)",
    ]
    return [*notes, *correlation_text(ranking), *ranking.notes]


def correlation(ranking: Ranking) -> tuple[float, float, int] | None:
    """Spearman's rank correlation of ImageNet accuracy and own score, its two-sided permutation p, and of how many."""
    from scipy.stats import permutation_test, rankdata

    names = {one.name: one.top1 for one in ranking.candidates}
    way = sign(bind(ranking.recipe.metric))
    pairs = [(names[one.arm.name], way * one.summary.score) for one in ranking.singles if names[one.arm.name]]
    if len(pairs) < 3 or min(len(set(column)) for column in zip(*pairs, strict=True)) < 2:
        return None
    top1_A, score_A = (rankdata(column) for column in zip(*pairs, strict=True))

    def spearman(order_A: np.ndarray) -> float:
        return float(np.corrcoef(order_A, score_A)[0, 1])

    # Exact up to 7 backbones: all their orders are fewer than the draws asked for.
    found = permutation_test((top1_A,), spearman, permutation_type="pairings", n_resamples=9999, rng=0)
    return float(found.statistic), float(found.pvalue), len(pairs)


def correlation_text(ranking: Ranking) -> list[str]:
    """A sentence on whether ImageNet accuracy tells anything here."""
    found = correlation(ranking)
    if found is None:
        return ["ImageNet accuracy is known of fewer than 3 of them (or alike): no rank correlation with it"]
    rho, p, count = found
    few = "; fewer than 5 can show nothing" if count < 5 else ""
    return [f"ImageNet accuracy against the score here: Spearman {rho:+.2f} over {count} backbones, p {p:.2f}{few}"]


def result_of(ranking: Ranking) -> dict[str, Any]:
    """The same as JSON."""
    rows = rows_of(ranking)
    found = correlation(ranking)
    fused = ranking.fusions.done
    return {
        "question": "rank",
        "metric": ranking.recipe.metric,
        "rows": [asdict(row) for row in rows],
        "looks": [asdict(one) for one in ranking.looks],
        "fusion_looks": [asdict(one) for one in ranking.fusions.looks],
        "fusions_tried": ranking.fusions.tried,
        "best_single": asdict(singles_corrected(ranking)),
        "gain_of_fusing": asdict(gain_of_fusing(ranking.singles, fused)) if fused else None,
        "imagenet": None if found is None else dict(zip(("spearman", "p", "backbones"), found, strict=True)),
        "paces": {name: asdict(pace) for name, pace in ranking.paces.items()},
        "features_s": ranking.seconds,
        "verdict": verdict_of(ranking, rows),
        "notes": list(ranking.notes),
    }


def draw_charts(ranking: Ranking, out: Path) -> list[str]:
    """Score against parameters and against pace, singles and the best fusion; the names of the files."""
    rows = rows_of(ranking)
    shown = [row for row in rows if len(row.backbones) == 1] + [row for row in rows if len(row.backbones) > 1][:1]
    metric, better = ranking.recipe.metric, bind(ranking.recipe.metric).facts["better"]
    axes = {
        "millions of parameters": [row.mparams for row in shown],
        "images a second": [row.images_s for row in shown],
    }
    for name, (axis, places) in zip(CHARTS, axes.items(), strict=True):
        marks = [
            Mark(row.name, row.score, row.stderr, place, "" if row.verdict == BASELINE else row.verdict)
            for row, place in zip(shown, places, strict=True)
        ]
        count = len(ranking.singles[0].answers_N)
        title = f"{metric} ({better} is better) of {count} rows, colours and shapes against the best single"
        scatter(marks, out / name, title=title, x=axis, y=f"{metric}, out of fold", log=True, baseline=BASELINE)
    return list(CHARTS)
