"""What winners must tell: complete, on one line each, and names from the web are text and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.pipeline.ruling.disclosure import (
    disclosed_by,
    disclosure,
    load_disclosure,
    save_disclosure,
    shown,
)
from medalist.pipeline.ruling.used import Images, Used, Weights
from medalist.recipe import RulesSection

USED = Used(
    (Weights("net", "Apache-2.0", "2020-05-01", "hub/net", "ab12"), Weights("bare", "", "", "", "cd34")),
    (Images("commons", "CC BY 4.0", 3, ("Ann", "<script>")), Images("", "", 1, ())),
    True,
    False,
    (0, 3),
    ("script",),
)


def test_everything_is_told() -> None:
    lines = disclosure(USED).splitlines()
    for line in (
        "- net; origin hub/net; licence Apache-2.0; published 2020-05-01; SHA-256 ab12",
        "- bare; origin not stated; licence not stated; published on a day not stated; SHA-256 cd34",
        "- 3 images of commons; licence CC BY 4.0",
        "- by Ann, \\<script\\>",
        "- 1 images of a source that is not known; licence not stated",
        "- Models learnt from test images (pseudo-labels).",
        "- Test images were not answered by labelled copies of them (leaks).",
        "- 0, 3",
        "- What script used: its script made it; ask its author.",
    ):
        assert line in lines
    assert disclosure(Used(seeds=(0,))).count("None.") == 2


@given(st.text())
def test_a_hostile_name_stays_text_on_one_line(name: str) -> None:
    told = shown(f"x {name}")
    assert len(told.splitlines()) == 1 and len(told) <= 2 * 200
    # Without the escaped characters nothing is left that Markdown or HTML reads.
    assert not re.search(r"[`*_{}\[\]<>#!|~&$@:\\]", re.sub(r"\\[\\`*_{}\[\]<>#!|~&$@:.]", "", told))


@pytest.mark.parametrize("name", ["a\n# b", "a\u202eb", "a\x00b", "a\u2028b", "\ud800"])
def test_what_cannot_be_seen_is_gone(name: str) -> None:
    assert shown(name).replace("\\#", "").isprintable()
    assert "www\\.evil.org" in shown("see www.evil.org")


def test_files_are_read_back_and_folders_put_together(tmp_path: Path) -> None:
    one, two, script = (tmp_path / name for name in ("one", "two", "script"))
    for folder in (one, two, script):
        folder.mkdir()
    ruled = RulesSection(leaks=False)
    save_disclosure(USED, [ruled, RulesSection()], one)
    save_disclosure(Used(seeds=(9,)), [], two)
    found = load_disclosure(one)
    assert found is not None and (found.used, found.rules) == (USED, (ruled,))
    assert (one / "disclosure.md").read_text(encoding="utf-8") == disclosure(USED)
    assert load_disclosure(script) is None
    both = disclosed_by([one, two, script])
    assert both.rules == (ruled,) and both.used.seeds == (0, 3, 9)
    assert both.used.unknown == ("script",)
