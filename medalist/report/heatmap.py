"""A matrix of many classes as a picture: squares in few shades, one path a shade, so that 1,000 classes stay small."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from medalist.report.markup import said, tag, visible

ROOM = 830  # pixels for the cells of a picture with names
LEAST, LARGEST = 8, 16  # pixels of a cell with a name beside it
MOST = 250  # cells across: beyond it several classes share one
WIDE = 760  # pixels of a picture without names
NAME, LETTER = 20, 0.56  # characters of a name, and how wide one is of its height
SHADES = (0.12, 0.25, 0.4, 0.55, 0.75, 1.0)  # opacity, from a little to the whole row
POINTED = 3000  # mistakes that say what they are when pointed at


def heatmap(shown: Sequence[str], labels: Sequence[str], count_CC: np.ndarray) -> str:
    """The picture.

    Args:
        shown: C names to stand beside the rows and above the columns; empty: none.
        labels: C names, said when a mistake is pointed at.
        count_CC: how often a true class (row) was answered as another (column).
    """
    num_classes = len(count_CC)
    share_CC = count_CC / np.maximum(count_CC.sum(axis=1, keepdims=True), 1)
    step = -(-num_classes // MOST)
    if step > 1:
        share_CC = _blocks(share_CC, step)
    side = min(LARGEST, max(LEAST, ROOM // num_classes)) if shown else max(2, WIDE // len(share_CC))
    letters = min(10.0, side + 0.5)
    margin = round(letters * LETTER * min(NAME, max(map(len, shown)))) + 8 if shown else 2
    size = margin + side * len(share_CC) + 2
    cells = _paths(share_CC)
    points = _pointed(labels, count_CC) if step == 1 else ""
    moved = tag("g", cells, points, transform=f"translate({margin} {margin}) scale({side})")
    named = _names(shown, side, margin, letters) if shown else ""
    told = f"Confusion matrix of {num_classes} classes; the list of mistakes below tells the same in words"
    frame = f'<rect class="frame" x="{margin}" y="{margin}" width="{size - margin - 2}" height="{size - margin - 2}"/>'
    inner = tag("title", told), frame, moved, named
    sizes = {"viewBox": f"0 0 {size} {size}", "style": f"min-width:{size}px;max-width:{round(1.6 * size)}px"}
    return tag("svg", *inner, class_="heat", role="img", aria_label=told, width="100%", **sizes)


def _blocks(share_CC: np.ndarray, step: int) -> np.ndarray:
    """Means of squares of classes; a mistake among many stays visible by the root."""
    num = -(-len(share_CC) // step)
    padded = np.zeros((num * step, num * step))
    padded[: len(share_CC), : len(share_CC)] = share_CC
    return np.asarray(np.sqrt(padded.reshape(num, step, num, step).sum(axis=(1, 3)) / step))


def _paths(share_CC: np.ndarray) -> str:
    """A path a shade of right and of wrong answers."""
    shade_CC = np.searchsorted(SHADES, share_CC - 1e-9)
    diagonal = np.eye(len(share_CC), dtype=bool)
    parts = []
    for look, of in (("r", diagonal), ("e", ~diagonal)):
        for shade, opacity in enumerate(SHADES):
            rows, columns = np.nonzero(of & (share_CC > 0) & (shade_CC == shade))
            squares = "".join(f"M{x} {y}h1v1h-1z" for y, x in zip(rows.tolist(), columns.tolist(), strict=True))
            if squares:
                parts.append(f'<path class="{look}" fill-opacity="{opacity}" d="{squares}"/>')
    return "".join(parts)


def _pointed(labels: Sequence[str], count_CC: np.ndarray) -> str:
    """Invisible squares over mistakes, with a sentence each."""
    rows, columns = np.nonzero(count_CC - np.diag(np.diag(count_CC)))
    if len(rows) > POINTED:
        return ""
    return "".join(
        f'<rect class="point" x="{x}" y="{y}" width="1" height="1"><title>true {said(labels[y])}, answered'
        f" {said(labels[x])}: {count_CC[y, x]}</title></rect>"
        for y, x in zip(rows.tolist(), columns.tolist(), strict=True)
    )


def _names(shown: Sequence[str], side: int, margin: int, letters: float) -> str:
    parts = []
    for place, label in enumerate(shown):
        at = round(margin + side * (place + 0.5) + 0.36 * letters, 1)
        told = visible(label)
        short = said(told if len(told) <= NAME else f"{told[: NAME - 1]}…")
        parts.append(f'<text x="{margin - 5}" y="{at}" text-anchor="end">{short}</text>')
        parts.append(f'<text transform="translate({at} {margin - 5}) rotate(-90)">{short}</text>')
    return tag("g", *parts, class_="names", font_size=letters)
