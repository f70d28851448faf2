"""Anybody's text stays text: nothing of it becomes an element, turns the direction, or names a machine."""

from __future__ import annotations

import html
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from medalist.report.markup import attribute, cleaned, name, said, table, tag, visible, without_paths

HOMES = "/" + "home"  # in pieces: no tracked file names a machine's home


@given(st.text())
@example("\u202e<script>\n\x00\ud800\udc80\u2028&amp;")
def test_text_comes_back_as_what_is_visible(text: str) -> None:
    told = said(text)
    assert html.unescape(told) == visible(text)
    assert "<" not in told and ">" not in told
    assert all(mark.isprintable() for mark in told)
    told.encode()  # no half of a surrogate is left


@given(st.text())
def test_an_attribute_cannot_end_itself(text: str) -> None:
    assert not set(attribute(text)) & set("\"'<>")


def test_a_long_name_is_cut_and_whole_in_its_title() -> None:
    assert name("x" * 50 + '"', most=10) == f'<bdi><span title="{"x" * 50}&quot;">{"x" * 9}…</span></bdi>'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cards in /srv/alice/cards: none", "cards in …/cards: none"),
        ("(/srv/alice/set/cat.jpg)", "(…/cat.jpg)"),
        ("~/alice/set/cat.jpg", "…/cat.jpg"),
        (r"C:\Users\alice\set", "…/set"),
        ("/Users/alice", "…"),
        (f"{HOMES}/bob jones/set/1.jpg", "…/1.jpg"),
        (f"{HOMES}/bob jones", "…"),
        (f"{HOMES}/o'brien/set/1.jpg", "…/1.jpg"),
        ("/mnt/alice smith/cards", "…/cards"),
        ("/media/alice smith/disk/set", "…/set"),
        ("C:\\Users\\alice b\\x\\y.jpg", "…/y.jpg"),
        ("C:\\\\Users\\\\alice b\\\\y.jpg", "…/y.jpg"),
        (f"file://{HOMES}/alice/x/y.png", "…/y.png"),
        (f"file://localhost{HOMES}/alice b/y.png", "…/y.png"),
        ("~alice/data/x", "…/x"),
        (f"in ~alice/x and {HOMES}/alice b", "in …/x and …"),
        (f"'{HOMES}/bob jones/a.csv', \"{HOMES}/bob jones/b.csv\"; c", "'…/a.csv', \"…/b.csv\"; c"),
        ("/srv/a b/c.csv\nand x/y", "…/c.csv\nand x/y"),
        ("about ~50/60, 3 /s, \\*b\\* \\u202ea", "about ~50/60, 3 /s, \\*b\\* \\u202ea"),
        ("train/cat/7.jpg", "train/cat/7.jpg"),
        ("170 / 525, either/or", "170 / 525, either/or"),
        ("https://example.org/a/b", "https://example.org/a/b"),
    ],
)
def test_absolute_paths_keep_their_last_part(text: str, told: str) -> None:
    assert without_paths(text) == told


def test_known_folders_may_hold_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/users/Alice Example"))
    known = [Path("/users/Alice Example/my data")]
    assert (
        without_paths("in /users/Alice Example/my data/a.csv and /users/Alice Example", known)
        == "in …/my data/a.csv and …"
    )
    assert without_paths("in /users/Alice Example/my data/a/b.csv", known) == "in …/my data/a/b.csv"
    assert cleaned({"/users/Alice Example/my data": ["/users/Alice Example"]}, known) == {"…/my data": ["…"]}


def test_a_table_is_reached_by_the_keyboard_and_says_what_it_is() -> None:
    told = table(["a"], [["b", "c"]], caption="<code>what</code>")
    assert 'tabindex="0" aria-label="what"' in told
    assert '<th scope="row">b</th><td>c</td>' in told


def test_attributes_that_are_off_are_left_out() -> None:
    assert tag("a", "b", href="#c", class_=None, hidden=False, checked=True) == '<a href="#c" checked>b</a>'
