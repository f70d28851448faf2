"""Which query finds more: shares with binomial errors, and "not distinguishable" where twenty finds do not tell."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from medalist.data.drawn import CLASSES
from medalist.errors import RecipeError
from medalist.expansion.expand import Asked, expand
from medalist.expansion.found import Found
from medalist.expansion.queries import TRIED, Tried, compared, spread, table_of, try_queries
from medalist.expansion.web import Web
from medalist.recipe import load_recipe

RECIPE = load_recipe(None, ["folds.k=3", "taps=pooled", "views=center"], metric="accuracy", backbones=("embedded",))
GOOD, BAD = "{class} drawn", "{class} next to it"


def test_twenty_finds_tell_large_differences_alone() -> None:
    told = compared([Tried("a {class}", 20, 6), Tried("{class}", 20, 18)])
    assert told.startswith("'{class}' is let in more often than 'a {class}' (20 finds tell")
    told = compared([Tried("a {class}", 20, 14), Tried("{class}", 20, 15), Tried("the {class}", 20, 2)])
    assert told.startswith(
        "'{class}' is let in more often than 'the {class}'; '{class}' and 'a {class}' are not distinguishable"
    )


def test_a_query_that_finds_nothing_is_last() -> None:
    tried = [Tried("x{class}", 0, 0), Tried("{class}", 20, 3)]
    assert [line.split()[0] for line in table_of(tried)] == ["query", "'{class}'", "'x{class}'"]
    assert "nothing was found" in table_of(tried)[-1]
    assert "not distinguishable" in compared(tried)


def test_finds_are_spread_over_more_classes_than_there_are_finds() -> None:
    wanted = spread([str(number) for number in range(100)], 20)
    assert set(wanted.values()) == {1} and len(wanted) == 20
    assert wanted != dict.fromkeys(map(str, range(20)), 1)  # not the first ones of the alphabet


@pytest.mark.parametrize("templates", [["{class}"], ["{class}", "{class}"], []])
def test_one_template_is_no_comparison(templates: list[str], tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="two or more different ones"):
        try_queries(RECIPE, tmp_path, tmp_path / "out", Asked(("openverse",), 5), templates, cache=tmp_path)


def test_the_better_query_is_found(drawn: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that answers one query with the class, the other with its neighbour."""
    images = {GOOD: drawn.more(tmp_path / "good", 3), BAD: drawn.more(tmp_path / "bad", 3, shift=3, seed=8)}

    def service(bound: Any, queries: Mapping[str, str], web: Web) -> dict[str, Iterator[Found]]:
        def stream(label: str, query: str) -> Iterator[Found]:
            folder = images[query.replace(label, "{class}")] / label
            return (Found(str(file), label, "folder", query) for file in sorted(folder.iterdir()))

        return {label: stream(label, query) for label, query in queries.items()}

    monkeypatch.setattr("medalist.expansion.gather.search", service)
    out, asked = tmp_path / "out", Asked(("openverse",), 5)
    text = try_queries(RECIPE, drawn.root, out, asked, [BAD, GOOD], cache=drawn.cache)
    assert f"'{GOOD}' is let in more often than '{BAD}'" in text
    tried = {one["template"]: one for one in json.loads((out / TRIED).read_bytes())}
    assert tried[GOOD]["found"] == tried[BAD]["found"] == 20
    # What was fetched for it is no hindrance to the expansion that follows.
    expand(RECIPE, drawn.root, out, Asked(("openverse",), 3, GOOD, skip=CLASSES[2:]), cache=drawn.cache)
    assert (out / "extra.csv").is_file()
