"""A contact sheet of augmentation: what each image looks like in each epoch, and batches mixed, with their targets.

In: a dataset, a recipe for its layout and its backbone's preprocessing, a policy. Out: one picture, PNG.
Axes: B images of a batch, H W pixels, C classes.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medalist.backbones import EMBEDDED
from medalist.data.decode import Preprocessing, decode, prepare
from medalist.data.table import ImageTable
from medalist.data.views import Draw, Policy
from medalist.errors import DataError, RecipeError
from medalist.pipeline.backbones import open_backbones
from medalist.pipeline.way import read
from medalist.recipe import Recipe
from medalist.registry import Bound
from medalist.store import write_atomic
from medalist.training.heads.contract import targets

FONT = ImageFont.load_default(13)
LINE, GAP = 17, 6  # pixels: a line of text, the space around each image
PAPER, INK = "white", "#1c1c1c"
MAX_IMAGES = 100
MAX_LINES = 3  # of a caption


@dataclass(frozen=True)
class Cell:
    """One picture on the sheet, and what is written below it."""

    pixels_HWC: np.ndarray
    caption: str

    @property
    def lines(self) -> list[str]:
        """The caption as lines of the picture's width, the last one cut."""
        lines = _lines(self.caption, self.pixels_HWC.shape[1])
        return [*lines[: MAX_LINES - 1], " ".join(lines[MAX_LINES - 1 :])]


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
        sections.append((f"{mixing.text}, on a batch of epoch 0", _wrapped(mixed, copies + 1)))
    write_atomic(out, _png(_page(sections)))
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


def _wrapped(cells: Sequence[Cell], columns: int) -> list[list[Cell]]:
    return [list(cells[start : start + columns]) for start in range(0, len(cells), columns)]


def _page(sections: Sequence[tuple[str, list[list[Cell]]]]) -> Image.Image:
    """Sections below each other, each a heading and rows of cells, on a page as high as they need."""
    high, wide = sections[0][1][0][0].pixels_HWC.shape[:2]
    width = GAP + max(len(row) for _, rows in sections for row in rows) * (wide + GAP)
    headings = [_lines(text, width - 2 * GAP) for text, _ in sections]
    cells = sum(high + _text_height(row) for _, rows in sections for row in rows)
    page = Image.new("RGB", (width, GAP + sum(len(lines) * LINE + GAP for lines in headings) + cells), PAPER)
    pen, top = ImageDraw.Draw(page), GAP
    for lines, (_, rows) in zip(headings, sections, strict=True):
        pen.multiline_text((GAP, top), "\n".join(lines), INK, FONT)
        top += len(lines) * LINE + GAP
        for row in rows:
            _lay(page, pen, row, top)
            top += high + _text_height(row)
    return page


def _text_height(row: Sequence[Cell]) -> int:
    """Pixels below the row's pictures."""
    return max(len(cell.lines) for cell in row) * LINE + GAP


def _lay(page: Image.Image, pen: ImageDraw.ImageDraw, row: Sequence[Cell], top: int) -> None:
    """One row of pictures with their captions."""
    for column, cell in enumerate(row):
        high, wide = cell.pixels_HWC.shape[:2]
        left = GAP + column * (wide + GAP)
        page.paste(Image.fromarray(cell.pixels_HWC), (left, top))
        for number, line in enumerate(cell.lines):
            pen.text((left, top + high + 1 + number * LINE), _cut(line, wide), INK, FONT)


def _lines(text: str, width: int) -> list[str]:
    """A text broken at spaces into lines of at most so many pixels; a longer word has a line of its own."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and FONT.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _cut(line: str, width: int) -> str:
    """As much of the line as fits into so many pixels."""
    if FONT.getlength(line) <= width:
        return line
    return next((f"{line[:n]}…" for n in range(len(line), 0, -1) if FONT.getlength(f"{line[:n]}…") <= width), "")


def _png(page: Image.Image) -> bytes:
    file = io.BytesIO()
    page.save(file, "PNG")
    return file.getvalue()
