"""Signatures and docstrings of the code -> Markdown, for `pages_from_code`."""

from __future__ import annotations

import inspect
import re
import textwrap
from typing import Any

SECTION = re.compile(r"(Args|Attributes|Returns|Raises):\n")
WIDE = 100


class Bare(str):
    """An annotation that `inspect` prints without quotes."""

    __repr__ = str.__str__


def signature(documented: Any) -> str:
    """A fenced block of Python; one parameter a line where it is long.

    Args:
        documented: a function, or a class whose constructor is shown.
    """
    found = inspect.signature(documented)
    bare = [one.replace(annotation=_bare(one.annotation)) for one in found.parameters.values()]
    kept = [one for one in bare if one.name not in ("self", "cls")]
    returns = found.empty if isinstance(documented, type) else _bare(found.return_annotation)
    text = documented.__name__ + str(inspect.Signature(kept, return_annotation=returns))
    if len(text) > WIDE:
        inside = [str(inspect.Signature([one]))[1:-1] for one in kept]
        several = [one.removeprefix("*, ") for one in inside]
        if first := next((i for i, one in enumerate(inside) if one.startswith("*, ")), None):
            several.insert(first, "*")
        end = "" if returns is found.empty else f" -> {returns}"
        text = f"{documented.__name__}(\n" + "".join(f"    {one},\n" for one in several) + f"){end}"
    return f"```python\n{text}\n```"


def _bare(annotation: Any) -> Any:
    return Bare(annotation) if isinstance(annotation, str) and annotation else annotation


def docstring(documented: Any) -> str:
    """A docstring as Markdown: sections become lists, examples and what is indented become code."""
    blocks = re.split(r"\n\n+", inspect.getdoc(documented) or "")
    return "\n\n".join(_section(block) if SECTION.match(block) else _block(block) for block in blocks)


def _block(block: str) -> str:
    if block.startswith((">>>", "    ")):
        return f"```python\n{textwrap.dedent(block)}\n```"
    return plain(block)


def _section(block: str) -> str:
    """`Args:` and its likes: an item a line of the first depth, deeper lines belong to the one above."""
    title, _, body = block.partition(":\n")
    lines = re.sub(r"\n\s+", " ", textwrap.dedent(body).replace("\n ", "\n ")).split("\n")
    return f"**{title}**\n\n" + "\n".join(f"- {_item(line)}" for line in lines)


def _item(line: str) -> str:
    """`name: what it is`, the name as code; a sentence stays one."""
    found = re.fullmatch(r"`?([\w*, \[\]]+)`?: (.+)", line)
    return f"`{found[1]}`: {plain(found[2])}" if found else plain(line)


def plain(text: str) -> str:
    """Text whose stars, angles and brackets are no Markdown, outside of code."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(one if one.startswith("`") else re.sub(r"([*<\[\]])", r"\\\1", one) for one in pieces)


def cell(text: str) -> str:
    """Text that stands in one cell of a table."""
    return text.replace("|", r"\|").replace("\n", " ")
