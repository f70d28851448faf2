"""Pieces of HTML, and anybody's text made safe to stand in them.

Names of classes and files are hostile until they went through `said` or `attribute`: escaped, what a reader could not
see or what turns the direction of the text written out, and no absolute path left in it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Where an absolute path begins: a root, drive, share or home, and a part right behind it; `https://`, `a/b`, `~50/60`
# are none. It goes on, over spaces too, to a quote, comma, semicolon, bracket, line end, or the next one.
START = r"(?:/|[A-Za-z]:(?:\\+|/(?!/))|\\\\|~(?:[A-Za-z_][\w.\-]*)?[/\\])(?=[^\s/\\])"
STOPS = r"\"'`,;()\[\]{}<>|\n\r\v\f\x1c-\x1e\x85\u2028\u2029"
PATH = re.compile(rf"(?<![\w.\-/…]){START}(?:(?!\s{START})[^{STOPS}]|(?<=\w)'(?=\w))+")
FILE = re.compile(r"\bfile://[^/\\\s]*(?=[/\\])", re.IGNORECASE)
TALL = 24  # rows from which on a table scrolls by itself
HOMES = re.compile(r"(?:[A-Za-z]:)?[/\\]+(?:home|Users|media)[/\\]+[^/\\]*|~[^/\\]*[/\\]*")


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Args:
        name: its anchor.
        title: heading.
        lead: HTML: one sentence on what it shows and on which rows.
        body: HTML.
    """

    name: str
    title: str
    lead: str
    body: str


def said(text: object, *, most: int | None = None) -> str:
    """Anybody's text as HTML; longer than `most` characters it is cut, and the whole stands in a title."""
    told = visible(str(text))
    if most is not None and len(told) > most:
        return tag("span", html.escape(f"{told[: most - 1]}…"), title=told)
    return html.escape(told)


def name(text: object, *, most: int | None = None) -> str:
    """The same of a name among other words: its direction is its own."""
    return f"<bdi>{said(text, most=most)}</bdi>"


def visible(text: str) -> str:
    """Line ends, marks that turn the direction, halves of surrogates and the like written out; no absolute path.

    >>> visible("cat\\u202egnp.exe\\n"), visible("see /srv/data/set/7.jpg, or a/b")
    ('cat\\\\u202egnp.exe\\\\n', 'see …/7.jpg, or a/b')
    """
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in without_paths(text))


def without_paths(text: str, known: Sequence[Path] = ()) -> str:
    """Absolute paths cut down to their last part, homes to nothing; of words behind a path some may go with it.

    Args:
        text: anybody's.
        known: paths of this machine, which are found whatever they hold.
    """
    text = FILE.sub("", text)
    home = Path.home()
    for folder in sorted({*known, home}, key=lambda path: -len(str(path))):
        if len(folder.parts) > 1:
            end = "" if folder == home else f"/{folder.name}"
            text = re.sub(rf"(?<![\w.\-]){re.escape(str(folder))}(?![\w\-])", lambda _, end=end: f"…{end}", text)  # type: ignore[misc]
    return PATH.sub(lambda found: _cut(found[0]), text)


def _cut(path: str) -> str:
    """The last part; one right below the root stays as it is."""
    if HOMES.fullmatch(path):
        return "…"
    parts = re.split(r"[/\\]+", path)
    return path if len(parts) < 3 and not path.startswith("~") else f"…/{parts[-1]}"


def paths_in(value: Any) -> list[Path]:
    """Absolute paths among the texts of JSON or YAML."""
    if isinstance(value, dict):
        return [path for one in value.values() for path in paths_in(one)]
    if isinstance(value, (list, tuple)):
        return [path for one in value for path in paths_in(one)]
    return [Path(value)] if isinstance(value, str) and Path(value).is_absolute() else []


def cleaned(value: Any, known: Sequence[Path]) -> Any:
    """JSON without absolute paths, in its keys too."""
    if isinstance(value, str):
        return without_paths(value, known)
    if isinstance(value, dict):
        return {cleaned(key, known): cleaned(one, known) for key, one in value.items()}
    return [cleaned(one, known) for one in value] if isinstance(value, list) else value


def tag(element: str, *inner: str, **attributes: object) -> str:
    """An element around HTML. Attributes are escaped; None and False leave one out, `_` in names becomes `-`."""
    told = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{attribute(value)}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return f"<{element}{told}>{''.join(inner)}</{element}>"


def attribute(value: object) -> str:
    """Anybody's text within the quotes of an attribute."""
    return html.escape(visible(str(value)), quote=True)


def paragraph(text: str, **attributes: object) -> str:
    """A paragraph of HTML."""
    return tag("p", text, **attributes)


def listing(items: Sequence[str]) -> str:
    """A list of HTML."""
    return tag("ul", *(tag("li", item) for item in items))


def folded(summary: str, inner: str) -> str:
    """Something to be opened; it needs no script."""
    return tag("details", tag("summary", summary), inner)


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str,
    look: str = "",
    sortable: bool = False,
) -> str:
    """A table that scrolls by itself, with the keyboard too.

    Args:
        head: HTML of the columns' heads.
        rows: HTML of the cells, the first of each row its head; a cell that begins with `<td` stands as it is.
        caption: what the table is, HTML.
        look: class of the table.
        sortable: a script may sort it by any column; without one it stays as it is.
    """
    top = tag("tr", *(tag("th", cell, scope="col") for cell in head))
    body = [
        tag(
            "tr",
            tag("th", row[0], scope="row"),
            *(cell if cell.startswith("<td") else tag("td", cell) for cell in row[1:]),
        )
        for row in rows
    ]
    look = f"{look} sortable".strip() if sortable else look
    inner = tag("table", tag("caption", caption), tag("thead", top), tag("tbody", *body), class_=look or None)
    return scroller(inner, re.sub(r"<[^>]*>", "", caption), tall=len(rows) > TALL)


def unseen(text: str) -> str:
    """Plain text for those who have the page read to them."""
    return tag("span", text, class_="unseen")


def scroller(inner: str, what: str, *, tall: bool = False) -> str:
    """Something wider, or taller, than a small screen; `what` is plain HTML text."""
    look = "scroll tall" if tall else "scroll"
    return f'<div class="{look}" role="region" tabindex="0" aria-label="{what}">{inner}</div>'


def cell(inner: str, *, key: float | str | None = None, look: str | None = None, style: str | None = None) -> str:
    """A cell with what it is sorted by."""
    return tag("td", inner, data_key=key, class_=look, style=style)


def figure(title: str, text: str, *inner: str, numbers: str = "") -> str:
    """A chart with its heading, what it shows in words, and the numbers behind it to be opened."""
    more = folded("Numbers", numbers) if numbers else ""
    return tag("figure", tag("figcaption", tag("strong", title), " ", tag("span", text)), *inner, more)


def share(value: float) -> str:
    """A share in per cent, `12.3 %`."""
    return f"{100 * value:.1f} %" if value == value else "–"


def number(value: float | None, digits: int = 4) -> str:
    """A score or an error; a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.{digits}f}"
