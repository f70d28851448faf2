"""What a ranking says: correlation with ImageNet, who was left out, and what to type next."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scipy.stats import spearmanr

from medalist.experiments.ranking.screen import Look
from medalist.experiments.ranking.table import _looks_text, command, correlation, correlation_text
from medalist.recipe import load_recipe


def ranking(scores: dict[str, float], top1: dict[str, float | None], metric: str = "accuracy", **more: Any) -> Any:
    return SimpleNamespace(
        recipe=load_recipe(metric=metric),
        candidates=[SimpleNamespace(name=name, top1=value) for name, value in top1.items()],
        singles=[
            SimpleNamespace(arm=SimpleNamespace(name=name), summary=SimpleNamespace(score=score))
            for name, score in scores.items()
        ],
        **more,
    )


def test_spearman_is_scipys_and_its_p_counts_all_orders() -> None:
    top1 = dict(zip("abcde", (70.0, 75.0, 71.0, 80.0, 79.0), strict=True))
    scores = dict(zip("abcde", (0.7, 0.8, 0.75, 0.9, 0.6), strict=True))
    rho, p, count = correlation(ranking(scores, top1)) or (0, 0, 0)
    assert rho == pytest.approx(spearmanr(list(top1.values()), list(scores.values())).statistic)
    assert count == 5 and 0.05 < p < 1
    perfect = dict(zip("abcde", top1.values(), strict=True))
    assert correlation(ranking(perfect, top1)) == (pytest.approx(1.0), pytest.approx(2 / 120), 5)


def test_lower_is_better_turns_the_sign() -> None:
    top1: dict[str, float | None] = {"a": 70.0, "b": 75.0, "c": 80.0, "d": None}
    loss = {"a": 0.3, "b": 0.2, "c": 0.1, "d": 0.0}
    rho, p, count = correlation(ranking(loss, top1, metric="log_loss")) or (0, 0, 0)
    assert (rho, count) == (pytest.approx(1.0), 3) and p == pytest.approx(2 / 6)
    told = correlation_text(ranking(loss, top1, metric="log_loss"))[0]
    assert told == (
        "ImageNet accuracy against the score here: Spearman +1.00 over 3 backbones, p 0.33; fewer than 5 can show"
        " nothing"
    )


def test_without_accuracies_or_without_spread_there_is_none() -> None:
    assert correlation(ranking({"a": 0.1, "b": 0.2, "c": 0.3}, {"a": 70.0, "b": None, "c": 71.0})) is None
    assert correlation(ranking({"a": 0.1, "b": 0.1, "c": 0.1}, {"a": 70.0, "b": 72.0, "c": 71.0})) is None


def test_who_was_left_out_is_listed_with_score_and_error() -> None:
    looks = (Look(("a",), 0.5, 0.02, 500, False), Look(("b",), 0.75, 0.01, 500), Look(("b",), 0.7, 0.01, 1000))
    fusions = SimpleNamespace(looks=(Look(("b", "c"), 0.625, 0.01, 2000, False),))
    told = _looks_text(ranking({}, {}, looks=looks, fusions=fusions))
    assert [line.split() for line in told[2:]] == [
        ["a", "0.5000", "+-", "0.0200", "on", "500", "images"],
        ["b", "+", "c", "0.6250", "+-", "0.0100", "on", "2000", "images"],
    ]


def test_the_next_command_gives_the_same_recipe() -> None:
    overrides = ["size=64", "folds.k=3", "heads=[ridge, 'mlp(hidden=8)']", "decide=argmax", "runtime=torch_f32"]
    names = ("embedded(pretrained=false)", "a b")
    recipe = load_recipe(None, overrides, metric="accuracy", backbones=["x"])
    options = ("--cache=my bank", "--allow-code=mine:score")
    text = command(SimpleNamespace(recipe=recipe, data=Path("my data"), options=options), names)  # type: ignore[arg-type]
    words = shlex.split(text)
    assert words[:5] == ["medalist", "run", "my data", "--metric", "accuracy"]
    assert words[5:9] == ["--backbone", names[0], "--backbone", names[1]]
    assert words[9:11] == list(options)
    assert load_recipe(None, words[11:], metric="accuracy", backbones=["x"]) == recipe
    assert "folds.k=3" in words and "null" not in text  # what differs, and nothing else
