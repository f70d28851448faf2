"""A run comes from the earlier one whose recipe is nearest, on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from medalist.evidence import Comparison
from medalist.pipeline.blend import blend
from medalist.pipeline.records.entries import Entry, read
from medalist.pipeline.records.lineage import changes, parent_of, steps

Import = Callable[..., Path]
KEYS = {"metric": '"accuracy"', "heads": '["ridge"]', "seed": "0", "(weights)": "a"}


def run(name: str, **keys: str) -> Entry:
    """A run that took two minutes."""
    held = {**KEYS, **{"(weights)" if key == "weights" else key: value for key, value in keys.items()}}
    return Entry(Path(name), "run", "accuracy", 0.5, 0.1, "rows", 100, 120.0, None, "2026-01-01", held)


def test_the_parent_is_the_nearest_and_of_two_the_latest() -> None:
    first, second = run("first"), run("second", heads='["lda"]')
    assert parent_of(first, []) is None
    assert parent_of(second, [first]) == first
    third = run("third", heads='["lda"]', seed="1")
    assert parent_of(third, [first, second]) == second
    assert parent_of(run("fourth", heads='["knn"]'), [first, second, third]) == second  # one key off, as the first


def test_other_rows_and_metrics_are_no_parents() -> None:
    first = run("first")
    assert parent_of(replace(run("second"), rows="others"), [first]) is None
    assert parent_of(replace(run("second"), metric="log_loss"), [first]) is None
    assert parent_of(replace(run("second"), kind="import"), [first]) is None


def test_changes_read_as_overrides() -> None:
    one = run("one")
    assert changes(one, run("two", heads='["lda"]')) == ('heads=["lda"]',)
    assert changes(one, replace(one, keys={key: value for key, value in KEYS.items() if key != "seed"})) == ("no seed",)
    other = run("two", backbones='["a"]', weights="b")
    assert changes(one, other) == ("(weights)=b", 'backbones=["a"]')[1:]  # other backbones have other weights
    assert changes(one, run("two", weights="b")) == ("(weights)=b",)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=12))
def test_no_earlier_run_is_nearer_than_the_parent(values: list[tuple[int, int, int]]) -> None:
    entries = [run(str(at), a=str(a), b=str(b), c=str(c)) for at, (a, b, c) in enumerate(values)]
    for place, entry in enumerate(entries[1:], 1):
        parent = parent_of(entry, entries[:place])
        assert parent is not None
        assert len(changes(parent, entry)) == min(len(changes(one, entry)) for one in entries[:place])


def test_gain_a_minute_is_of_the_minutes_that_the_run_took() -> None:
    first, second = run("first"), run("second", seed="1")
    one, two = steps([first, second], lambda *_: Comparison(0.1, 0.02, "better", 0.0))
    assert one.parent is None and one.gain_a_minute is None
    assert two.parent == first and two.gain_a_minute == 0.05
    assert (
        steps([first, replace(second, seconds=None)], lambda *_: Comparison(0.1, 0.02, "better", 0.0))[1].gain_a_minute
        is None
    )


def test_a_blend_comes_from_the_best_that_it_blends(bring: Import, tmp_path: Path) -> None:
    weak, strong, other = bring("weak", 0.5, seed=1), bring("strong", 2.0, seed=2), bring("other", 3.0, seed=3)
    blend([weak, strong], tmp_path / "both")
    entries = [read(folder) for folder in (weak, strong, other)]
    both = read(tmp_path / "both")
    parent = parent_of(both, entries)
    assert parent is not None and parent.folder == strong
    assert changes(parent, both) == ("blend of 2 members",)
