"""Charts of experiments are drawn from their records: each number in its place, each verdict as shape and word."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from medalist.evidence import Comparison
from medalist.experiments.ablating.judging import Row as Value
from medalist.experiments.ranking.table import Row as Ranked
from medalist.experiments.searching.judged import Row as Trial
from medalist.experiments.searching.record import Outcome
from medalist.experiments.searching.space import Dimension
from medalist.report.axes import LEFT, RIGHT, Axis, Scale
from medalist.report.questions import drawn
from medalist.report.strips import SHAPES

BETTER = Comparison(0.04, 0.01, "better", 0.001)
WORSE = Comparison(-0.05, 0.01, "worse", 0.001)
UNKNOWN = Comparison(0.01, 0.008, "not distinguishable", 0.2)


def places(body: str, look: str) -> list[float]:
    """Where shapes of a verdict stand in a scatter or on strips, in per cent."""
    found = re.findall(rf'class="mark {look}" x="([\d.]+)%"', body)
    return [float(one) for one in found]


def ranked(name: str, mparams: float, pace: float, score: float, verdict: str) -> dict[str, Any]:
    parts = tuple(name.split(" + "))
    return asdict(Ranked(name, parts, score, 0.01, score - 0.9, 0.01, 0.5, verdict, pace, mparams, None, "MIT", 1.0))


def test_a_ranking_stands_over_size_and_pace(lab: Any) -> None:
    rows = [
        ranked("<b>big", 10.0, 100.0, 0.9, "best single"),
        ranked("small", 1.0, 1000.0, 0.8, "worse"),
        ranked("<b>big + small", 11.0, 90.0, 0.93, "not distinguishable"),
        ranked("small + big", 11.0, 90.0, 0.91, "equal"),
    ]
    body = drawn("rank", {"metric": "accuracy", "rows": rows})
    lab.check_part(body)
    x = Scale(np.log10(1) - 0.05, np.log10(11) + 0.05, LEFT, RIGHT)
    assert places(body, "base")[0] == pytest.approx(x(1.0), abs=0.02)
    assert places(body, "worse")[0] == pytest.approx(x(0.0), abs=0.02)
    # The best fusion is in the charts, the other in the table alone.
    assert len(places(body, "undecided")) == 3 and len(places(body, "equal")) == 1
    assert "&lt;b&gt;big" in body and "<b>big" not in body and "Higher is better" in body


def test_values_of_a_key_stand_in_a_table_with_their_verdicts(lab: Any) -> None:
    rows = [
        asdict(Value("lr", value, 1, 8, 0.8, 0.01, gain, 3.0, 1.0, 1.5, ("arms/a",)))
        for value, gain in (("0.1", None), ("0.2", BETTER), ("0.3", WORSE), ("0.4", UNKNOWN))
    ]
    body = drawn("ablate", {"metric": "accuracy", "rows": [*rows, {**rows[0], "key": "mix"}]})
    lab.check_part(body)
    assert body.count("<figure>") == 2 and "+0.0400 ± 0.0100<small>better</small>" in body
    (better,), (worse,), (unknown,) = (places(body, look) for look in ("better", "worse", "undecided"))
    assert worse < places(body, "base")[0] < unknown < better
    assert len(set(SHAPES.values())) == 4 and SHAPES["equal"] == SHAPES["undecided"]  # hollow or filled


def test_a_search_shows_lists_in_order_and_ranges_along(lab: Any) -> None:
    values = [("all", "0.1"), ("head", "0.01"), ("last 30 %", "0.001")]
    gains = [None, BETTER, WORSE]
    rows = [
        asdict(Trial("one holdout", n, {"depth": d, "lr": lr}, Outcome(0.8, 0.01, 1.0, 1), gain))
        for n, ((d, lr), gain) in enumerate(zip(values, gains, strict=True))
    ]
    failed = asdict(Trial("one holdout", 3, {"depth": "all", "lr": "9"}, Outcome(None, None, 1.0, 1, "why"), None))
    spanned = [
        Dimension("depth", "finetune.phases", choices=("head", "last 30 %", "all")),
        Dimension("lr", "finetune.lr", low=0.001, high=0.1, log=True),
    ]
    result = {"metric": "accuracy", "rows": [*rows, failed], "dimensions": [asdict(one) for one in spanned]}
    body = drawn("search", result)
    lab.check_part(body)
    by_depth = body[: body.index("By depth") + 4000]
    assert by_depth.index("<bdi>head") < by_depth.index("<bdi>last 30 %") < by_depth.index("<bdi>all")
    along = body[body.index("<strong>lr") : body.index("Trials on")]
    assert places(along, "worse") < places(along, "better") < places(along, "base")
    assert "failed" in body and "– <" not in body
    del result["dimensions"]  # a record of before they were kept
    assert "Trials on one holdout" in drawn("search", result)


def test_augmentations_are_told_by_themselves_and_among_others(lab: Any) -> None:
    gain, loss = asdict(BETTER), asdict(WORSE)
    operations = [
        {"operation": "flip", "rejected_by": "", "probe": {"gain": gain, "survival": gain}, "effect": gain},
        {"operation": "invert", "rejected_by": "probe", "probe": {"gain": loss, "survival": loss}, "effect": None},
    ]
    policies = [
        {"name": "none", "policy": "", "score": 0.8, "stderr": 0.01, "gain": None, "holds_for": "ridge"},
        {"name": "better", "policy": "flip", "score": 0.84, "stderr": 0.01, "gain": gain, "holds_for": "ridge"},
    ]
    body = drawn("augment", {"metric": "accuracy", "operations": operations, "policies": policies})
    lab.check_part(body)
    assert body.count("<figure>") == 3 and "the label does not survive" in body
    assert len(places(body, "better")) == 3 and len(places(body, "worse")) == 1


def test_a_budget_is_a_staircase_over_the_time(lab: Any) -> None:
    step = {"kind": "rank", "stderr": 0.01, "seconds": 5.0, "reason": "", "gain": None, "verdict": ""}
    steps = [
        {**step, "step": "one", "outcome": "first", "challenger": 0.7, "used_s": 10.0},
        {**step, "step": "two", "outcome": "failed", "challenger": None, "used_s": 20.0, "reason": "memory"},
        {
            **step,
            "step": "three",
            "outcome": "replaces",
            "challenger": 0.8,
            "used_s": 50.0,
            "gain": 0.1,
            "gain_stderr": 0.01,
            "verdict": "better",
        },
    ]
    body = drawn("budget", {"metric": "accuracy", "budget_s": 100, "steps": steps})
    lab.check_part(body)
    x = Scale(0, 100, LEFT, RIGHT)
    assert places(body, "base")[0] == x(10) and places(body, "better")[0] == x(50)
    stairs = re.search(r'<path class="c1" d="M([^"]*)"', body)
    assert stairs is not None
    at = [float(point.split()[0]) for point in stairs[1].split("L")]
    assert at == [10 * x(one) for one in (10, 50, 50, 100)]
    assert "failed, memory" in body


def test_a_blend_has_no_interval_of_its_arms_score(lab: Any) -> None:
    step = {"kind": "tune", "stderr": 0.01, "seconds": 5.0, "reason": "", "gain": None, "verdict": "", "score": 0.7}
    first = {**step, "step": "one", "outcome": "first", "challenger": 0.7, "used_s": 10.0}
    blend = {**step, "step": "two", "outcome": "not taken", "challenger": 0.8, "used_s": 50.0}
    alone, both = (
        drawn("budget", {"metric": "accuracy", "budget_s": 100, "steps": one}) for one in ([first], [first, blend])
    )
    lab.check_part(both)
    assert alone.count('class="whisker') == both.count('class="whisker') == alone.count("0.7000 ± 0.0196") // 2 == 1
    assert "Blends with" in both and "Blends with" not in alone and "0.8000 ±" not in both


def test_of_what_is_not_known_nothing_is_drawn() -> None:
    assert drawn("rank", {}) == drawn("budget", {}) == drawn("search", {}) == drawn("who", {"rows": [1]}) == ""


def test_a_logarithmic_axis_is_numbered_by_its_values() -> None:
    assert [Axis.log([0.7, 30], "x").text(mark) for mark in Axis.log([0.7, 30], "x").ticks] == [
        *("1", "2", "5"),
        *("10", "20"),
    ]
    assert [Axis.log([1, 1e4], "x").text(mark) for mark in Axis.log([1, 1e4], "x").ticks][1] == "10"
    narrow = Axis.log([71, 79], "x")
    assert len(narrow.ticks) >= 2 and all(narrow.low <= mark <= narrow.high for mark in narrow.ticks)
