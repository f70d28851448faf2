"""A contact sheet of augmentation: what each image looks like in each epoch, and batches mixed, with their targets.

In: a dataset, a recipe for its layout and its backbone's preprocessing, a policy. Out: one picture, PNG.
Axes: B images of a batch, H W pixels, C classes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medalist.backbones import EMBEDDED
from medalist.data.decode import Preprocessing, decode, prepare
from medalist.data.table import ImageTable
from medalist.data.views import Draw, Policy
from medalist.errors import DataError, RecipeError
from medalist.pipeline.backbones import open_backbones
from medalist.pipeline.page import Cell, png, wrapped
from medalist.pipeline.way import read
from medalist.recipe import Recipe
from medalist.registry import Bound
from medalist.store import write_atomic
from medalist.training.heads.contract import targets

MAX_IMAGES = 100


@dataclass(frozen=True)
class Original:
    """An image of the dataset: its row in the table, its pixels, its classes."""

    row: int
    pixels_HWC: np.ndarray
    classes: str


def show(
    recipe: Recipe,
    root: Path,
    out: Path,
    *,
    augment: str,
    images: int = 6,
    copies: int = 5,
    mix: str | None = None,
    seed: int = 0,
) -> str:
    """Draw the sheet: a row an image, first as validation sees it, then as each epoch does; mixed batches below.

    Args:
        recipe: its `data` says how to read, its first backbone (embedded where it names none) how large images become.
        root: folder of the dataset; images are drawn from its labelled ones, of as many classes as can be.
        out: PNG file to write.
        augment: a policy, see docs/AUGMENTING.md.
        images, copies: rows of the sheet, and epochs beside each.
        mix: how a batch is mixed, such as `mixup(alpha=0.4)`; None: not.
        seed: of the choice of images and of all that is drawn.

    Returns:
        A sentence on what was written.

    Raises:
        RecipeError: a slip in the policy or the mix, numbers out of range, `out` inside the dataset or no PNG.
        DataError: no labelled image could be read.
    """
    _check(out, root, images, copies)
    policy = Policy.parse(augment)
    mixing = None if mix is None else _bound_mix(mix)
    named = recipe if recipe.backbones else recipe.model_copy(update={"backbones": (EMBEDDED,)})
    target = Preprocessing.from_dict(open_backbones(named)[0].preprocessing)
    table = read(recipe, root).labelled()
    originals = _originals(table, images, seed)
    rows = [_row(table, one, policy, target, copies=copies, seed=seed) for one in originals]
    sections = [(f"{policy.text or 'no augmentation'}   (first column: as validation sees it; then each epoch)", rows)]
    if mixing is not None:
        batch = [row[1].pixels_HWC for row in rows]
        mixed = _mixed(batch, table, [one.row for one in originals], mixing, seed)
        sections.append((f"{mixing.text}, on a batch of epoch 0", wrapped(mixed, copies + 1)))
    write_atomic(out, png(sections))
    return f"{out}: {len(originals)} images, {copies} epochs each, {target.width} x {target.height} pixels"


def _check(out: Path, root: Path, images: int, copies: int) -> None:
    if out.suffix.lower() != ".png":
        raise RecipeError(f"--out is a PNG file, got {out.name!r}; type --out sheet.png")
    if out.resolve().is_relative_to(root.resolve()):
        raise RecipeError(f"--out {out} lies inside the dataset, which is never written to; name a file elsewhere")
    for name, value in (("images", images), ("copies", copies)):
        if not 1 <= value <= MAX_IMAGES:
            raise RecipeError(f"--{name} is a number of 1 to {MAX_IMAGES}, got {value}")


def _originals(table: ImageTable, images: int, seed: int) -> list[Original]:
    """The first images that can be read, in an order that goes round the classes."""
    found: list[Original] = []
    for row in _round_the_classes(table, seed):
        try:
            pixels_HWC = decode((table.root / str(table.paths[row])).read_bytes())
        except (OSError, DataError):
            continue  # `medalist check` lists them; here another image serves as well
        found.append(Original(row, pixels_HWC, _classes_of(table, row)))
        if len(found) == images:
            break
    if not found:
        raise DataError(f"none of the {len(table)} labelled images in {table.root} could be read; try medalist check")
    return found


def _round_the_classes(table: ImageTable, seed: int) -> list[int]:
    """All rows: one of each class, then a second of each, and so on; drawn by the seed."""
    turns: dict[str, int] = defaultdict(int)
    order = []
    for row in np.random.default_rng(seed).permutation(len(table)).tolist():
        name = _classes_of(table, row)
        order.append((turns[name], row))
        turns[name] += 1
    return [row for _, row in sorted(order, key=lambda entry: entry[0])]


def _classes_of(table: ImageTable, row: int) -> str:
    """The image's class, or its tags."""
    return ", ".join(_names(table)[c] for c in targets(table.labels[[row]], len(table.classes))[0].nonzero()[0])


def _names(table: ImageTable) -> tuple[str, ...]:
    """What people call the classes."""
    return table.class_names or table.classes


def _row(
    table: ImageTable, one: Original, policy: Policy, target: Preprocessing, *, copies: int, seed: int
) -> list[Cell]:
    """The image as validation sees it, then as each epoch of a training does."""
    name = str(table.ids[one.row])
    cells = [Cell(prepare(one.pixels_HWC, target), one.classes)]
    for draw in (Draw(seed, epoch, name) for epoch in range(copies)):
        happened = ", ".join(step.bound.name for step, _ in policy.drawn(draw) if step)
        cells.append(Cell(policy(one.pixels_HWC, draw, target), f"{draw.epoch}: {happened or 'nothing'}"))
    return cells


def _bound_mix(mix: str) -> Bound[Any]:
    """The mix of that name; importing it imports torch."""
    from medalist.training.mixing import mixes

    return mixes.bind(mix)


def _mixed(
    batch: Sequence[np.ndarray], table: ImageTable, rows: Sequence[int], mix: Bound[Any], seed: int
) -> list[Cell]:
    """A batch after mixing, each image with the shares of its classes."""
    import torch

    image_B3HW = torch.from_numpy(np.stack(batch)).permute(0, 3, 1, 2).float()
    target_BC = torch.from_numpy(targets(table.labels[list(rows)], len(table.classes)))
    image_B3HW, target_BC = mix(image_B3HW, target_BC, np.random.default_rng(seed))
    pixels_BHWC = image_B3HW.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return [
        Cell(pixels_HWC, _shares(_names(table), target_C))
        for pixels_HWC, target_C in zip(pixels_BHWC, target_BC.numpy(), strict=True)
    ]


def _shares(classes: Sequence[str], target_C: np.ndarray) -> str:
    """`cat 0.62, dog 0.38`, the largest first."""
    order = np.argsort(-target_C, kind="stable")
    return ", ".join(f"{classes[c]} {target_C[c]:.2f}" for c in order[:6] if target_C[c] > 0.005)
