"""Runtimes are measured where what the plan may come to is worth it."""

from __future__ import annotations

from pathlib import Path

import pytest

from medalist.data.drawn import draw_competition
from medalist.experiments.budget import asked
from medalist.experiments.budget.steps import Asked
from medalist.pipeline.way import read
from medalist.recipe import load_recipe


@pytest.fixture(scope="module")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "data"
    draw_competition(root, seed=1, num_train=20, num_test=5)
    return root


@pytest.mark.parametrize(
    ("overrides", "views", "runtime"),
    [((), 4, "measured"), (("views=[center]",), 1, "measured"), (("runtime=torch_f32",), 4, "torch_f32")],
)
def test_runtimes_are_measured_where_all_views_together_are_worth_it(
    competition: Path, monkeypatch: pytest.MonkeyPatch, overrides: tuple[str, ...], views: int, runtime: str
) -> None:
    wanted = load_recipe(None, overrides, metric="accuracy", backbones=["embedded"])
    plan = Asked(wanted, frozenset(wanted.model_fields_set), higher=True)
    images = len(read(wanted, competition))
    monkeypatch.setattr(asked, "WORTH_MEASURING", views * images)
    assert asked.with_runtimes(plan, competition).recipe.runtime == runtime
    monkeypatch.setattr(asked, "WORTH_MEASURING", views * images + 1)
    assert asked.with_runtimes(plan, competition) == plan
