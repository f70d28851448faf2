"""What strangers wrote becomes one line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.expansion.plain import LONGEST, plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('<a href="//x.example/User:A">Ann &amp; Bob</a>', "Ann & Bob"),
        ("two\r\nlines\tand\x00more", "two lines and more"),
        ("\x1b]0;title\x07red", "]0;title red"),
        ("a\u202eb\u200bc", "a b c"),
        ("1 < 2", "1 < 2"),
        ("<script>x</script>" * 3, "x x x"),
        (None, ""),
        (3, ""),
        ("é 漢字", "é 漢字"),
    ],
)
def test_text(text: object, shown: str) -> None:
    assert plain(text) == shown


@given(st.text())
def test_it_is_one_printable_line_of_bounded_length(text: str) -> None:
    shown = plain(text)
    assert shown.isprintable() and len(shown) <= LONGEST
