"""What packaged recipes say of themselves, and a copy of one to change."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from medalist.errors import StoreError
from medalist.recipe.load import load_recipe, packaged_recipes, packaged_text, slips_of
from medalist.store import write_atomic


@dataclass(frozen=True)
class Header:
    """The comment that a recipe begins with, in parts.

    Args:
        what: its first sentence.
        command: how it is typed.
        measured: what it came to, and where that was measured.
    """

    what: str
    command: str
    measured: str


def header_of(text: str) -> Header:
    """The header of a recipe.

    Args:
        text: YAML that begins with a comment: sentences, a line `medalist run ...`, and `Measured: ...`.
    """
    comment = takewhile(lambda line: line.startswith("#"), text.splitlines())
    lines = [line.removeprefix("#").strip() for line in comment]
    at = next((place for place, line in enumerate(lines) if line.startswith("medalist run ")), len(lines))
    told = " ".join(lines[at + 1 :]).partition("Measured: ")[2]
    first = re.split(r"(?<=[.:]) ", " ".join(lines[:at]), maxsplit=1)[0]
    return Header(first.rstrip(".:"), lines[at] if at < len(lines) else "", told)


def listed() -> str:
    """All packaged recipes, as plain text."""
    blocks = []
    for name in packaged_recipes():
        header, recipe = header_of(packaged_text(name)), load_recipe(name)
        blocks += [
            f"{name} ({recipe.metric}): {header.what}",
            f"    {header.command}",
            f"    measured: {header.measured}",
        ]
        if slips := slips_of(packaged_text(name)):
            blocks.append(f"    slips=true, as its code did it: {', '.join(slips)}")
    return "\n".join([*blocks, "medalist new NAME my.yaml: a copy to change; medalist run DATA --recipe my.yaml"])


def new(name: str, file: Path) -> str:
    """Write a packaged recipe under a name of the user's own, and say how it is typed.

    Raises:
        RecipeError: there is no recipe of that name.
        StoreError: the file is there already, is no YAML file by its name, or cannot be written.
    """
    text = packaged_text(name)
    if file.suffix not in (".yaml", ".yml"):
        raise StoreError(f"{file} does not end in .yaml, by which a recipe's file is known; name another")
    if file.exists():
        raise StoreError(f"{file} is there already and is not written over; name another")
    try:
        write_atomic(file, text.replace(f"--recipe {name} ", f"--recipe {file.name} ").encode())
    except OSError as error:
        raise StoreError(f"cannot write {file}: {error.strerror}; name another") from error
    return f"{file}: a copy of {name}; type: medalist run DATA --recipe {file}"
