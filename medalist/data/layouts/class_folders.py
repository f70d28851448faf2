"""Class folders: `train/CLASS/*.jpg` with optional `valid/` and `test/`, or `CLASS/*.jpg` right below the root."""

from __future__ import annotations

from medalist.data.layouts.contract import IMPLIED, Claim, DeclinedError, Options, Rows, layouts
from medalist.data.layouts.tree import Tree
from medalist.data.table import TRAIN, VALID, Rejected


@layouts(takes=("vocabulary",))
def class_folders(tree: Tree, options: Options) -> Claim:
    """The name of the folder below `train/` (or below the root) is the class."""
    bare = not tree.images[TRAIN]
    training = tree.images[None] if bare else tree.images[TRAIN]
    where = "the root" if bare else "train/"
    in_folders = [path for path in training if "/" in tree.below(path)]
    classes = {_label(tree, path) for path in in_folders}
    if len(classes) < 2:
        raise DeclinedError(f"{where} has {len(classes)} folders with images, at least two are needed")
    if 2 * len(in_folders) < len(training):
        raise DeclinedError(f"most images of {where} lie in no folder")
    return Claim(
        f"{len(classes)} class folders in {where}",
        lambda: _read(tree, {TRAIN: training, VALID: tree.images[VALID]}),
        IMPLIED,
    )


def _read(tree: Tree, training: dict[int, list[str]]) -> Rows:
    rows = Rows()
    deep = 0
    for split, paths in training.items():
        for path in paths:
            inner = tree.below(path)
            if "/" not in inner:
                rows.rejected.append(Rejected(path, "in no class folder"))
                continue
            deep += inner.count("/") > 1
            rows.paths.append(path)
            rows.split.append(split)
            rows.labels.append((_label(tree, path),))
    rows.ids = list(rows.paths)
    if deep:
        rows.notes.append(f"{deep} images lie in folders inside a class folder; the outer folder is the class")
    return rows


def _label(tree: Tree, path: str) -> str:
    return tree.below(path).partition("/")[0]
