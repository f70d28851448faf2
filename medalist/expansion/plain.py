"""Text that strangers wrote -> one line of plain text, for CSV files, terminals and journals."""

from __future__ import annotations

import html
import re

MARKUP = re.compile(r"<[^<>]*>")
LONGEST = 300


def plain(text: object, longest: int = LONGEST) -> str:
    """`text` without mark-up, control characters and line breaks, cut to `longest` characters; empty for no text."""
    if not isinstance(text, str):
        return ""
    bare = html.unescape(MARKUP.sub(" ", text[: 20 * longest]))
    shown = "".join(char if char.isprintable() else " " for char in bare)
    return " ".join(shown.split())[:longest]


def printable(url: object) -> str:
    """An address without spaces around it; empty where it is none that can be shown, such as one with half a character.

    >>> printable(" https://a.example/1.jpg"), printable("https://a.example/" + chr(0xD800)), printable(3)
    ('https://a.example/1.jpg', '', '')
    """
    url = url.strip() if isinstance(url, str) else ""
    return url if url.isprintable() else ""
