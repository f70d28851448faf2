"""A dataset folder in any known layout -> ImageTable: `read(root)`.

A layout is one file here: a function `(tree, options) -> Claim` under `@layouts(takes=...)`; see `contract`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medalist.data.layouts import class_folders, coco, csv_labels, csv_tags, flat_names
from medalist.data.layouts.assemble import assemble
from medalist.data.layouts.contract import COMMON_OPTIONS, Claim, DeclinedError, Options, layouts
from medalist.data.layouts.tree import Tree, list_tree
from medalist.data.table import ImageTable
from medalist.errors import DataError

__all__ = ["class_folders", "coco", "csv_labels", "csv_tags", "flat_names", "layouts", "read"]


def read(root: str | Path, *, layout: str | None = None, options: Mapping[str, Any] | None = None) -> ImageTable:
    """Read a dataset.

    Args:
        root: its folder.
        layout: name of the layout; by default the one that fits.
        options: the recipe's `data.*` keys, see `contract.Options`; each overrides one inference.

    Returns:
        Training and validation rows with labels, then test rows in the order of the sample submission.

    Raises:
        DataError: no layout fits, or several do, or the data cannot be used, or has no columns of its own where
            `auxiliary` names some; the message says what was seen.
        RecipeError: an option is wrong.
    """
    chosen = Options.of({**(options or {}), **({"layout": layout} if layout else {})})
    tree = list_tree(Path(root), allow_outside=chosen.allow_outside)
    name, claim = _identify(tree, chosen)
    if chosen.auxiliary and "auxiliary" not in layouts.bind(name).facts["takes"]:
        raise DataError(
            f"finetune.auxiliary={chosen.auxiliary[0]!r}: auxiliary targets are columns of a CSV of labels, and {root} "
            f"is read as {name} ({claim.evidence}); leave finetune.auxiliary out"
        )
    rows = claim.read()
    rows.notes.insert(0, f"layout {name}: {claim.evidence}")
    return assemble(tree, rows, chosen, name)


def _identify(tree: Tree, options: Options) -> tuple[str, Claim]:
    """The one layout that fits; where a file holds labels, it goes before names of folders and files."""
    claims: dict[str, Claim] = {}
    reasons: list[str] = []
    for name in [options.layout] if options.layout else layouts:
        try:
            claims[name] = _claim(name, tree, options)
        except DeclinedError as reason:
            reasons.append(f"{name}: {reason}")
    strongest = max((claim.strength for claim in claims.values()), default=0)
    fitting = {name: claim for name, claim in claims.items() if claim.strength == strongest}
    if len(fitting) == 1:
        return next(iter(fitting.items()))
    seen = [f"{name}: {claim.evidence}" for name, claim in fitting.items()] or reasons
    what = f"{len(fitting)} layouts fit" if fitting else f"{options.layout or 'no layout'} does not fit"
    raise DataError(
        f"{tree.root}: {what if options.layout or fitting else 'no layout fits'}; type data.layout=NAME with one of "
        f"{', '.join(layouts)}\nseen: {tree.summary()}\n" + "\n".join(f"  {line}" for line in seen)
    )


def _claim(name: str, tree: Tree, options: Options) -> Claim:
    layout = layouts.bind(name)
    alien = options.given() - COMMON_OPTIONS - set(layout.facts["takes"])
    if alien:
        raise DeclinedError(f"it does not take {', '.join(f'data.{key}' for key in sorted(alien))}")
    claim: Claim = layout(tree, options)
    return claim
