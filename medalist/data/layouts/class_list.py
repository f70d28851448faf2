"""The order of the classes: from a class list file (`classes.txt`, `valid_tags.txt`), else sorted."""

from __future__ import annotations

import re
from collections.abc import Iterable
from os.path import basename

from medalist.data.layouts.contract import Options
from medalist.data.layouts.finder import compose
from medalist.data.layouts.tree import Tree
from medalist.data.textfiles import read_names

LIST_NAMES = re.compile(
    r"(valid_?)?(class(es|_?names)?|labels?|label_?names|tags?|categories|vocab(ulary)?)\.txt", re.I
)


def class_lists(tree: Tree, options: Options) -> dict[str, tuple[str, ...]]:
    """Names in each file that may be a class list: the one of `data.vocabulary`, else the text files named for it."""
    if options.vocabulary:
        return {options.vocabulary: read_names(tree.root / options.vocabulary, options.vocabulary)}
    names = [path for path in tree.documents(".txt") if "/" not in path and LIST_NAMES.fullmatch(basename(path))]
    return {name: read_names(tree.root / name, name) for name in names}


def class_order(
    labels: Iterable[str], lists: dict[str, tuple[str, ...]], *, chosen: bool
) -> tuple[tuple[str, ...], str]:
    """The classes in order, and the name of the file that orders them (empty: sorted, numbers as numbers).

    Args:
        labels: every label that was found.
        lists: candidate files; the one that names most labels is taken where it names at least half of them.
        chosen: the user named the file, so that it is taken anyhow.
    """
    spellings: dict[str, str] = {}
    for label in labels:
        spellings.setdefault(compose(label), label)
    cover = {name: len(spellings.keys() & set(map(compose, names))) for name, names in lists.items()}
    best = max(cover, key=lambda name: cover[name], default="")
    if best and (chosen or 2 * cover[best] >= len(spellings)):
        return lists[best], best
    return tuple(sort_classes(spellings.values())), ""


def sort_classes(names: Iterable[str]) -> list[str]:
    """Sorted as numbers where all names are whole numbers, else as text."""
    listed = list(names)
    if all(name.isascii() and name.isdigit() and len(name) < 20 for name in listed):
        return sorted(listed, key=lambda name: (int(name), name))
    return sorted(listed)
