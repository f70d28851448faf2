"""A folder of this machine: class folders, or one flat folder whose images are all of one class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from medalist.data.layouts.tree import is_document, list_tree
from medalist.errors import DataError, RecipeError, near
from medalist.expansion.found import Found
from medalist.expansion.plain import plain
from medalist.expansion.sources.contract import MOST, Streams, overlooked, sources
from medalist.expansion.web import Web


def passed_over(queries: Mapping[str, str], *, path: str, label: str = "", **_: str) -> str:
    """A sentence on the folders whose name is no class that is asked for; empty where there are none."""
    by_label = {} if label else _by_label(path, "")
    return overlooked(path, {name: len(files) for name, files in by_label.items() if name not in queries}, queries)


@sources(passed_over=passed_over)
def folder(
    queries: Mapping[str, str], web: Web, *, path: str, label: str = "", licence: str = "", author: str = ""
) -> Streams:
    """Images below `path`: in `PATH/CLASS/`, or with `label` all of them.

    Args:
        queries: classes that are wanted; what they would ask is not used.
        web: not used.
        path: of the folder.
        label: class of all its images.
        licence, author: of all its images.

    Raises:
        DataError: no such folder, or none of its folders is a class. RecipeError: `label` is no class.
    """
    if label and label not in queries:
        raise RecipeError(f"folder(label={label!r}) is no class{near(label, queries)}; there are: {', '.join(queries)}")
    by_label = _by_label(path, label)
    found = {name: by_label[name] for name in queries if name in by_label}
    if not found:
        there = ", ".join(f"{plain(name)}{near(name, queries)}" for name in sorted(by_label)[:MOST]) or "no images"
        raise DataError(
            f"{path} has no folder that is named for a class: it has {there};"
            f" the classes are {', '.join(sorted(queries)[:8])}; for a flat folder type folder(path=..., label='CLASS')"
        )
    return {name: _images(name, files, licence, author) for name, files in found.items()}


def _by_label(path: str, label: str) -> dict[str, list[str]]:
    """Image files by the first folder that they lie in, or all under `label`."""
    tree = list_tree(Path(path))
    by_label: dict[str, list[str]] = {}
    for file in sorted(file for file in tree.files if not is_document(file)):
        by_label.setdefault(label or file.partition("/")[0], []).append(str(tree.root / file))
    return by_label


def _images(label: str, files: list[str], licence: str, author: str) -> Iterator[Found]:
    for file in files:
        yield Found(file, label, "folder", licence=licence, author=author)
