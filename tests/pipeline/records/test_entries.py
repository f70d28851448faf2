"""Run folders are found and read as they are; what a run was made with names neither user nor host."""

from __future__ import annotations

import getpass
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medalist.errors import StoreError
from medalist.pipeline.records.entries import find, read, with_public
from medalist.pipeline.records.made import made
from medalist.pipeline.submit import submit

Import = Callable[..., Path]


def test_runs_are_found_and_those_of_experiments_where_asked(bring: Import, tmp_path: Path) -> None:
    one, two = bring("one", seed=1), bring("two", seed=2)
    (tmp_path / "asked" / "arms").mkdir(parents=True)
    (tmp_path / "asked" / "question.json").write_text("{}")
    two = two.rename(tmp_path / "asked" / "arms" / "two")
    (tmp_path / ".hidden").mkdir()
    bring("three", seed=3).rename(tmp_path / ".hidden" / "three")
    (tmp_path / "link").symlink_to(one)
    (tmp_path / "shown").mkdir()
    for name in ("summary.json", "run.json"):
        (tmp_path / "shown" / name).symlink_to(one / name)
    assert find([tmp_path]) == [one]
    assert find([tmp_path, one], arms=True) == [two, one]
    (tmp_path / "shown" / "budget.json").write_text('{"steps": [], "used_s": 90.0}')  # as `run --budget` leaves it
    assert find([tmp_path]) == [one, tmp_path / "shown"] and read(tmp_path / "shown").minutes == 1.5
    assert find([tmp_path], arms=True) == [two, one]
    with pytest.raises(StoreError, match="nowhere is no folder"):
        find([tmp_path / "nowhere"])


def test_what_is_read_is_what_the_folder_says(bring: Import, contest: Any) -> None:
    folder = bring("one", seed=1)
    entry, summary = read(folder), json.loads((folder / "summary.json").read_bytes())
    assert (entry.kind, entry.metric, entry.num_rows, entry.submission) == ("import", "log_loss", 160, True)
    assert (entry.score, entry.stderr) == (summary["score"], summary["score_stderr"])
    assert entry.keys["(name)"] == '"one"' and entry.seconds is None and entry.images_s is None
    assert entry.ended == json.loads((folder / "made.json").read_bytes())["ended"]
    assert entry.rows == read(bring("two", seed=2)).rows
    assert entry.rows != read(bring("three", seed=1, folds=contest.folds(5))).rows  # the same images in other folds


def test_a_public_score_comes_later(bring: Import) -> None:
    entry = read(bring("one", seed=1))
    assert with_public(entry).public is None
    submit(entry.folder)
    submit(entry.folder, public=0.75)
    assert with_public(entry).public == 0.75


def test_a_damaged_folder_says_so(bring: Import) -> None:
    folder = bring("one", seed=1)
    (folder / "table.json").write_text("{}")
    with pytest.raises(StoreError, match=r"one is damaged \(KeyError: 'ids'\); run it again"):
        read(folder)


def test_made_tells_versions_and_machine_and_nothing_private() -> None:
    facts = made()
    assert facts["python"] == platform.python_version() and facts["packages"]["numpy"]
    assert facts["machine"]["cores"] >= 1 and facts["machine"]["memory_gib"] > 0
    told = json.dumps(facts)
    assert str(Path.home()) not in told and platform.node() not in told
    assert getpass.getuser() not in told.split('"')
