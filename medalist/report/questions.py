"""The record of an experiment, `experiment.json` -> its charts and tables, drawn for the page; one function a question.

Nothing of the experiments' own PNG files is used: the page's charts follow light and dark, and can be read aloud.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from medalist.report.arms import Arm, Z, arms_table, judged, legend, look_of
from medalist.report.axes import Axis
from medalist.report.markup import figure, said, tag
from medalist.report.scatter import Point, scatter, which_way
from medalist.report.timeline import budget

Result = dict[str, Any]


def drawn(question: str, result: Result) -> str:
    """Figures and tables of an experiment; nothing of a question that is not known, or of a record without rows."""
    return DRAW[question](result) if question in DRAW else ""


def _rank(result: Result) -> str:
    rows, metric = result.get("rows", []), str(result.get("metric", ""))
    if not rows:
        return ""
    first_fusion = next((place for place, row in enumerate(rows) if len(row["backbones"]) > 1), len(rows))
    shown = list(enumerate(rows[: first_fusion + 1], start=1))
    kinds = [
        ("mparams", "Score and size", "millions of parameters", "To the left is smaller."),
        (
            "images_s",
            "Score and pace",
            "images a second",
            "To the right is faster, measured on the machine that ranked.",
        ),
    ]
    charts = [_ranked(shown, metric, *kind) for kind in kinds if all(row[kind[0]] > 0 for _, row in shown)]
    arms = [
        Arm(f"{place} · {row['name']}", row["gain"], row["gain_stderr"], row["verdict"], _rank_cells(row))
        for place, row in enumerate(rows, start=1)
    ]
    columns = [metric, "images/s", "M parameters"]
    listed = arms_table(arms, columns, measure="gain over the best single", what="backbone", caption="All that ranked")
    return tag("div", *charts, class_="pair") + listed


def _rank_cells(row: Result) -> tuple[str, ...]:
    return f"{row['score']:.4f} ± {row['stderr']:.4f}", f"{row['images_s']:.0f}", f"{row['mparams']:.1f}"


def _ranked(shown: Sequence[tuple[int, Result]], metric: str, key: str, title: str, axis: str, text: str) -> str:
    """Scores over parameters or pace: every single backbone, and the best fusion."""
    x = Axis.log([row[key] for _, row in shown], axis)
    points = [
        Point(
            str(place),
            row["name"],
            float(np.log10(row[key])),
            row["score"],
            Z * row["stderr"],
            look_of(row["verdict"]),
            row["verdict"],
        )
        for place, row in shown
    ]
    told = f"{which_way(metric)} Numbers are those of the table; lines are 95 % intervals. {text}"
    key_of = legend([row["verdict"] for _, row in shown], "the best single")
    return figure(title, said(told), key_of, scatter(points, x, metric, title=title, text=text))


def _ablate(result: Result) -> str:
    """A table a key: its values against the recipe's own."""
    metric, parts = str(result.get("metric", "")), []
    for key, group in groupby(result.get("rows", []), key=lambda row: row["key"]):
        rows = list(group)
        timed = any(row["epochs"] for row in rows)
        arms = [judged(row["value"], row["gain"], "the recipe's own", _ablate_cells(row, timed)) for row in rows]
        columns = [*(["epochs"] if timed else []), metric, "cost", "seconds"]
        text = f"over the recipe's own value, {rows[0]['value']}, on the same rows; right of 0 is better."
        listed = arms_table(arms, columns, measure=f"gain in {metric}", what=key, caption=f"Values of {key}")
        parts.append(_figure(key, text, arms, "the recipe's own", listed))
    return "".join(parts)


def _ablate_cells(row: Result, timed: bool) -> tuple[str, ...]:
    epochs = (str(row["epochs"]),) if timed else ()
    return *epochs, f"{row['score']:.4f} ± {row['stderr']:.4f}", f"×{row['cost']:.2f}", f"{row['seconds']:.1f}"


def _augment(result: Result) -> str:
    """What each operation does by itself and among the others, and the policies that were confirmed."""
    metric, operations = str(result.get("metric", "")), result.get("operations", [])
    among = [judged(one["operation"], one["effect"], "") for one in operations if one["effect"] is not None]
    among.sort(key=lambda arm: -(arm.gain or 0.0))
    alone = [
        judged(one["operation"], one["probe"]["gain"], "", [_survival(one["probe"]["survival"]), _lost(one)])
        for one in operations
    ]
    policies = [
        judged(one["policy"] or one["name"], one["gain"], "no augmentation", [_score(one), one["holds_for"]])
        for one in result.get("policies", [])
    ]
    parts = [
        (
            "Among the others",
            f"What switching an operation on does to {metric}, averaged over the runs of the design.",
            among,
            "operation",
            (),
        ),
        (
            "By itself",
            "What a head gains that learns from one changed view of each image, and whether the label survives it.",
            alone,
            "operation",
            ("answers to changed views", ""),
        ),
        ("Policies", "Confirmed on fresh draws, over no augmentation.", policies, "policy", (metric, "holds for")),
    ]
    return "".join(
        _figure(
            title, text, arms, "no augmentation", arms_table(arms, columns, measure="gain", what=what, caption=title)
        )
        for title, text, arms, what, columns in parts
        if arms
    )


def _score(one: Result) -> str:
    return f"{one['score']:.4f} ± {one['stderr']:.4f}"


def _survival(gain: Result) -> str:
    return f"{gain['difference']:+.4f} ± {gain['stderr']:.4f} ({gain['verdict']})"


def _lost(one: Result) -> str:
    return "rejected: the label does not survive" if one["rejected_by"] else ""


def _search(result: Result) -> str:
    """A chart a dimension, of all trials on the cheapest rung; then the trials of each rung."""
    metric, rows = str(result.get("metric", "")), result.get("rows", [])
    rungs = [(rung, list(group)) for rung, group in groupby(rows, key=lambda row: row["rung"])]
    if not rungs:
        return ""
    rung, cheapest = rungs[0]
    tried = [row for row in cheapest if row["outcome"]["score"] is not None]
    parts = [_dimension(one, rung, tried, metric) for one in result.get("dimensions", []) if len(tried) > 1]
    names = list(rows[0]["values"])
    for rung, group in rungs:
        arms = [_trial(row, [row["values"].get(one, "") for one in names]) for row in group]
        caption = f"Trials on {rung}"
        listed = arms_table(arms, [*names, metric], measure=f"gain in {metric}", what="trial", caption=caption)
        parts.append(_figure(caption, "The recipe as given first, then the best.", arms, AS_GIVEN, listed))
    return "".join(parts)


AS_GIVEN = "the recipe as given"


def _called(row: Result) -> str:
    return f"trial {row['trial']}" if row["trial"] else "as given"


def _trial(row: Result, cells: Sequence[str], label: str = "") -> Arm:
    """A trial against the recipe as given on the same rung; one that failed has no gain."""
    outcome, told = row["outcome"], label or _called(row)
    if outcome["score"] is None:
        return Arm(told, None, 0.0, "failed", (*cells, "–"))
    return judged(told, row["gain"], AS_GIVEN, [*cells, _score(outcome)])


def _dimension(one: Result, rung: str, tried: Sequence[Result], metric: str) -> str:
    """What its values gained: a list's in their order below each other, a range's as points along it."""
    title, key = str(one["name"]), one["name"]
    text = f"gain over {AS_GIVEN} on {rung}; the other dimensions differ from trial to trial too."
    if one["choices"]:
        order = {choice: place for place, choice in enumerate(one["choices"])}
        rows = sorted(tried, key=lambda row: order.get(row["values"].get(key), -1))
        arms = [_trial(row, [_called(row)], str(row["values"].get(key, AS_GIVEN))) for row in rows]
        listed = arms_table(arms, ["trial", metric], measure=f"gain in {metric}", what=title, caption=f"By {title}")
        return _figure(title, text, arms, AS_GIVEN, listed)
    rows = [row for row in tried if _is_number(row["values"].get(key))]
    if len(rows) < 2:
        return ""
    return _along(one, rows, metric, title, text)


def _along(one: Result, rows: Sequence[Result], metric: str, title: str, text: str) -> str:
    """Points along a range; a number is the trial's, 0 the recipe as given."""
    values = [float(row["values"][one["name"]]) for row in rows]
    log = bool(one["log"]) and min(values) > 0
    x = Axis.log(values, title) if log else Axis.of(values, title, whole=bool(one["whole"]))
    arms = [_trial(row, ()) for row in rows]
    points = [
        Point(
            str(row["trial"]),
            arm.name,
            float(np.log10(value)) if log else value,
            arm.gain or 0.0,
            Z * arm.stderr,
            arm.look,
            arm.verdict,
        )
        for row, arm, value in zip(rows, arms, values, strict=True)
    ]
    told = f"{text} Numbers are trials; lines are 95 % intervals; up is better."
    key_of = legend([arm.verdict for arm in arms], AS_GIVEN)
    return figure(title, said(told), key_of, scatter(points, x, f"gain in {metric}", title=title, text=text))


def _is_number(text: str | None) -> bool:
    try:
        return bool(np.isfinite(float(text or "")))
    except ValueError:
        return False


def _figure(title: str, text: str, arms: Sequence[Arm], baseline: str, listed: str) -> str:
    return figure(title, said(text), legend([arm.verdict for arm in arms if arm.gain is not None], baseline), listed)


DRAW: dict[str, Callable[[Result], str]] = {
    "rank": _rank,
    "ablate": _ablate,
    "augment": _augment,
    "search": _search,
    "budget": budget,
}
