"""The quick look and halving: nested, stratified subsets, groups whole; the better half goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.data.table import ImageTable
from medalist.experiments.ranking import screen
from medalist.experiments.ranking.candidates import Candidate
from medalist.experiments.ranking.screen import ENOUGH, PARTS, Look, best, halve, parts_of
from medalist.recipe import load_recipe

RECIPE = load_recipe(metric="accuracy")


def table_of(num_rows: int, groups: np.ndarray | None = None) -> ImageTable:
    names = np.array([str(i) for i in range(num_rows)], dtype=object)
    return ImageTable(
        root=Path("nowhere"),
        ids=names,
        paths=names,
        split=np.zeros(num_rows, np.uint8),
        classes=("a", "b"),
        labels=(np.arange(num_rows) % 4 == 0).astype(np.int32),
        groups=groups,
    )


def test_parts_are_stratified_and_keep_groups_whole() -> None:
    groups = np.array([f"g{i // 3}" for i in range(960)], dtype=object)
    table = table_of(960, groups)
    part_N = parts_of(table, 0)
    assert set(part_N) == set(range(PARTS))
    assert all(len(set(part_N[groups == name])) == 1 for name in set(groups))
    plain = parts_of(table_of(960), 0)
    for part in range(PARTS):
        assert np.bincount(table.labels[plain == part]).tolist() == [90, 30]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.integers(1, 12))
def test_the_best_come_first_whichever_way_the_metric_goes(scores: list[float], count: int) -> None:
    for metric, order in (("accuracy", sorted(scores, reverse=True)), ("log_loss", sorted(scores))):
        places = best(scores, metric, count)
        assert [scores[place] for place in places] == order[:count]


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Halving with a score that is the candidate's number; what was asked: images and backbones at a time."""
    asked = list[tuple[int, int]]()

    def embed(recipe: Any, subset: ImageTable, **_: Any) -> Any:
        asked.append((len(subset), len(recipe.backbones)))
        return subset

    def quick_looks(recipe: Any, features: Any, sights: Any, **_: Any) -> list[Look]:
        return [Look((one.name,), float(one.name), 0.1, len(features)) for (one,) in sights]

    monkeypatch.setattr(screen, "embed", embed)
    monkeypatch.setattr(screen, "quick_looks", quick_looks)
    return asked


def candidates(count: int) -> tuple[Candidate, ...]:
    return tuple(Candidate(str(i), ()) for i in range(count))


def test_a_long_list_is_halved_on_twice_the_images_each_time(rounds: list[tuple[int, int]]) -> None:
    kept, looks = halve(RECIPE, table_of(8000), candidates(40), cache=Path("cache"))
    # 40 on an eighth, 20 on a quarter, 10 on a half; at most ENOUGH networks at a time share a pass.
    images = [1000, 2000, 4000]
    per_round = [[count for size, count in rounds if size == image] for image in images]
    assert [sum(counts) for counts in per_round] == [40, 20, 10]
    assert max(count for counts in per_round for count in counts) == ENOUGH
    assert [one.name for one in kept] == [str(i) for i in range(32, 40)]
    left = [look for look in looks if not look.kept]
    assert [(look.images, look.names[0]) for look in left if look.images == 4000] == [(4000, "30"), (4000, "31")]
    assert len(left) == 32


def test_a_very_long_list_ends_at_the_last_subset(rounds: list[tuple[int, int]]) -> None:
    kept, _ = halve(RECIPE, table_of(8000), candidates(200), cache=Path("cache"))
    assert len(kept) == ENOUGH


@pytest.mark.parametrize(("num_rows", "first"), [(4000, 500), (3000, 750), (1500, 750), (900, None)])
def test_no_subset_is_smaller_than_it_may_be(rounds: list[tuple[int, int]], num_rows: int, first: int | None) -> None:
    kept, looks = halve(RECIPE, table_of(num_rows), candidates(12), cache=Path("cache"))
    assert (rounds[0][0] if rounds else None) == first
    assert len(kept) == (12 if first is None else ENOUGH) and bool(looks) == (first is not None)


def test_a_short_list_is_not_halved(rounds: list[tuple[int, int]]) -> None:
    asked = candidates(ENOUGH)
    assert halve(RECIPE, table_of(8000), asked, cache=Path("cache")) == (asked, [])
    assert rounds == []


def test_a_subset_holds_no_test_rows(rounds: list[tuple[int, int]]) -> None:
    table = table_of(8000)
    split = np.where(np.arange(8000) < 4000, 0, 2).astype(np.uint8)
    halve(RECIPE, replace(table, split=split), candidates(10), cache=Path("cache"))
    assert rounds[0][0] == 500
