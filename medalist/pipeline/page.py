"""Pictures with captions, laid out on one page."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medalist.data.decode import decode
from medalist.errors import DataError

FONT = ImageFont.load_default(13)
LINE, GAP = 17, 6  # pixels: a line of text, the space around each image
PAPER, INK = "white", "#1c1c1c"
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


Section = tuple[str, list[list[Cell]]]  # a heading, and rows of pictures of one size


def picture(file: Path, side: int) -> np.ndarray | None:
    """A picture in the middle of a square of paper, uint8 (side, side, 3); None where its file cannot be decoded."""
    try:
        image = Image.fromarray(decode(file.read_bytes()))
    except (OSError, DataError):
        return None
    width, height = (max(1, round(length * side / max(image.size))) for length in image.size)
    paper = Image.new("RGB", (side, side), PAPER)
    paper.paste(image.resize((width, height)), ((side - width) // 2, (side - height) // 2))
    return np.asarray(paper)


def wrapped(cells: Sequence[Cell], columns: int) -> list[list[Cell]]:
    """Rows of so many cells, the last one shorter."""
    return [list(cells[start : start + columns]) for start in range(0, len(cells), columns)]


def png(sections: Sequence[Section]) -> bytes:
    """Sections below each other, on a page as high as they need, as a PNG file."""
    file = io.BytesIO()
    _page(sections).save(file, "PNG")
    return file.getvalue()


def _page(sections: Sequence[Section]) -> Image.Image:
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
