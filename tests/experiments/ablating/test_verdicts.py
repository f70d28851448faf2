"""What people are told of judged rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from medalist.evidence import Comparison, verdict
from medalist.experiments.ablating.judging import Row
from medalist.experiments.ablating.verdicts import draw, recommended, sentence_of, table_of


def row(value: str, gain: float | None = None, *, budget: int = 1, cost: float = 1.0, key: str = "finetune.sam") -> Row:
    """A row whose gain has an error of 0.01."""
    judged = None if gain is None else Comparison(gain, 0.01, verdict(gain, 0.01), 0.5 if abs(gain) < 0.02 else 0.0004)
    return Row(key, value, budget, 4 * budget, 0.8 + (gain or 0), 0.02, judged, 12.5, 2.0, cost, ("arms/x",))


def test_the_table_cuts_nothing_and_holds_every_number() -> None:
    long = "random_resized_crop(scale=(0.5, 1.0)) | " * 4 + "flip"
    lines = table_of([row("null"), row(long, 0.03, cost=1.9), row("0.1", -0.015)]).splitlines()
    assert lines[0].split() == ["finetune.sam", "epochs", "score", "gain", "p", "verdict", "seconds", "cost"]
    assert "0.8000 +- 0.0200" in lines[1] and "(the recipe's own)" in lines[1]
    assert long in lines[2]
    for cell in ("0.8300 +- 0.0200", "+0.0300 +- 0.0100", "<0.001", "better", "12.5", "x1.90"):
        assert cell in lines[2]
    assert "-0.0150 +- 0.0100" in lines[3] and "not distinguishable" in lines[3]


def test_heads_have_no_epochs() -> None:
    frozen = [replace(one, epochs=0) for one in (row("none"), row("l2", 0.0))]
    assert "epochs" not in table_of(frozen)


@pytest.mark.parametrize(
    ("rows", "told", "take"),
    [
        ([row("a"), row("b", 0.005), row("c", -0.01)], "no difference, each within 1 standard error; keep a", None),
        ([row("a"), row("b", 0.005, cost=0.5)], "keep a, or take b: equal at 0.50 times the cost", None),
        ([row("a"), row("b", 0.005), row("c", 0.015)], "not distinguishable, any of these may be best; keep a", None),
        ([row("a"), row("b", -0.03), row("c", 0.0)], "no value is better; keep a; worse: b", None),
        ([row("a"), row("b", 0.03), row("c", 0.04)], "c is better than a by +0.0400 +- 0.0100 (p <0.001)", "c"),
        ([row("a"), row("b", 0.03), row("c", 0.04)], "better too: b", "c"),
        ([row("a"), row("b", 0.03), row("c", 0.0)], "(a gain below about 0.0200 does not show here)", "b"),
    ],
)
def test_a_value_is_taken_only_where_it_is_better(rows: list[Row], told: str, take: str | None) -> None:
    assert told in sentence_of(rows)
    best = recommended(rows)
    assert (best.value if best else None) == take


def test_what_is_decided_needs_no_resolution() -> None:
    assert "does not show" not in sentence_of([row("a"), row("b", 0.03), row("c", -0.03)])


def test_the_same_answers_are_no_difference_at_all() -> None:
    same = replace(row("b"), gain=Comparison(0.0, 0.0, "equal", 1.0))
    assert "the answers are the same" in sentence_of([row("a"), same])


@pytest.mark.parametrize(
    ("gains", "told", "take"),
    [
        ((0.03, 0.005), "at 4 epochs: b is better than a by +0.0300", "b"),
        ((0.03, 0.005), "; at 8 epochs equal", "b"),
        ((0.005, 0.03), "; at 8 epochs b is better by +0.0300", None),
        ((0.005, -0.03), "; at 8 epochs none is better either", None),
    ],
)
def test_both_budgets_are_told_and_the_recipes_own_decides(
    gains: tuple[float, float], told: str, take: str | None
) -> None:
    rows = [row("a"), row("b", gains[0]), row("a", budget=2), row("b", gains[1], budget=2)]
    assert told in sentence_of(rows)
    best = recommended(rows)
    assert (best.value if best else None) == take


def test_one_epoch_is_not_epochs() -> None:
    rows = [replace(one, epochs=one.budget) for one in (row("a"), row("b", 0.0), row("a", budget=2))]
    assert "finetune.sam at 1 epoch: " in sentence_of(rows)
    assert "; at 2 epochs none" in sentence_of(rows)


def test_what_was_picked_among_many_is_told_corrected() -> None:
    rows = [row("a"), row("b", 0.03), row("c", 0.0)]
    assert "picked among 3, it is worth 0.8210" in sentence_of(rows, corrected=0.821)
    assert "picked" not in sentence_of(rows)
    assert "picked" not in sentence_of([row("a"), row("b", 0.0)], corrected=0.8)


def test_bars_stand_in_the_order_of_the_one_number_that_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(
        "medalist.experiments.ablating.verdicts.bars",
        lambda marks, file, **rest: seen.append([mark.name for mark in marks]),
    )
    draw([row("last 60 %"), row("last 100 %", 0.0), row("last 5 %", 0.0)], tmp_path / "a.png", metric="accuracy")
    draw([row("0.1"), row("null", 0.0), row("0.05", 0.0)], tmp_path / "b.png", metric="accuracy")
    draw([row("2"), row("1", 0.0), row("2", budget=2), row("1", 0.0, budget=2)], tmp_path / "c.png", metric="accuracy")
    assert seen == [
        ["last 5 %", "last 60 %", "last 100 %"],
        ["0.1", "null", "0.05"],
        ["1, 4 epochs", "2, 4 epochs", "1, 8 epochs", "2, 8 epochs"],
    ]


def test_a_chart_is_a_picture(tmp_path: Path) -> None:
    draw([row("null"), row("0.05", 0.03), row("0.1", -0.03)], tmp_path / "chart.png", metric="accuracy")
    with Image.open(tmp_path / "chart.png") as picture:
        assert picture.width > 500 and len(set(picture.convert("RGB").get_flattened_data())) > 5
