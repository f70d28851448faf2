"""What is wrong with the files of a dataset, from the facts that reading them once has told.

A finding points at one row. Nothing acts on it: a person looks, and half of what looks odd is right. Axes: N images.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from medalist.data.facts import NO_FILE, Facts
from medalist.data.groups import Duplicates, duplicates
from medalist.data.signatures import MEASURABLE
from medalist.data.table import TEST, ImageTable

# Kinds, the gravest first, and what each says to people; label, outlier and shift are `pipeline.deep`'s.
KINDS = {
    "missing": "no file for this id: answered by the class prior",
    "truncated": "files that end too soon: left out of training, answered by the class prior",
    "unreadable": "files that cannot be decoded: left out of training, answered by the class prior",
    "conflict": "files that show the same picture, mirrored or cut perhaps, under different labels",
    "leak": "files that show the same picture, mirrored or cut perhaps, in training and test",
    "placeholder": "pictures that seem to stand in for missing ones",
    "label": "labels that look wrong to models that never saw the image, the likeliest first; many of them are right",
    "blank": "pictures with hardly any variation",
    "duplicate": "files that show the same picture, mirrored or cut perhaps; twins by hash share a fold in runs",
    "outlier": "pictures that resemble no labelled one, or none of their class",
    "dark": "pictures whose bright parts are dark",
    "blurred": "pictures without sharp edges anywhere, at the size that networks see",
    "tiny": "pictures with a short side of less than 48 pixels",
    "extreme_aspect": "pictures more than 2.5 times as long as wide: a centre crop shows less than half",
    "animated": "animations: the first frame is taken",
    "wrong_extension": "files whose name claims another format than their bytes: read by their bytes",
    "odd_mode": "pictures with a palette, transparency, grey or more than 8 bits among colour ones: converted to RGB",
    "rotated": "pictures with an EXIF orientation: turned as a viewer shows them",
    "shift": "test images least like training ones, then training images least like test ones",
}

TINY, LONG = 48, 2.5  # pixels of the short side; long side over short side
BLANK = 0.02  # standard deviation of the liveliest channel, in [0, 1]
DARK = 0.3  # the 99th percentile of brightness, in [0, 1]
BLURRED = 8.0  # levels: of 250 images of each of five sets one lies below; blurred by 2 pixels at 256, 95 % do
MANY_LABELS = 3  # labels under which equal bytes or pixels stand, from which on they are taken for a placeholder
PLACEHOLDER = re.compile(
    r"(image|picture|photo|file|img|pic)[ _-]?(not|un)[ _-]?(found|available)"
    r"|(?<![a-z])no[ _-]?(image|picture|photo|img|pic)(?![a-z])|not[ _-]?found|placeholder|coming[ _-]?soon",
    re.IGNORECASE,
)
JPEG_NAMES = (".jpg", ".jpeg", ".jpe", ".jfif", ".jif")
EXTENSIONS = {
    "JPEG": JPEG_NAMES,
    "MPO": (*JPEG_NAMES, ".mpo"),  # a JPEG with further pictures behind it
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "TIFF": (".tif", ".tiff"),
}
GREY = ("L", "1", "LA", "La", "I;16", "I", "F")


@dataclass(frozen=True)
class Finding:
    """One thing about one image.

    Args:
        row: of the table.
        kind: one of KINDS.
        detail: what was seen, in words.
        cluster: number of the duplicates that it belongs to, from 1 on; 0: none.
    """

    row: int
    kind: str
    detail: str
    cluster: int = 0


def findings(table: ImageTable, facts: Sequence[Facts], group_N: np.ndarray | None = None) -> list[Finding]:
    """All findings, by kind in the order of KINDS, then by row.

    Args:
        table: the dataset.
        facts: of its N images, see `ingest.facts_of`.
        group_N: which are one picture; None: as hashes say.
    """
    common = _commonly_grey(facts)
    found = [one for row, fact in enumerate(facts) for one in of_file(row, str(table.paths[row]), fact, common)]
    found += _of_clusters(table, facts, group_N)
    order = {kind: place for place, kind in enumerate(KINDS)}
    return sorted(found, key=lambda one: (order[one.kind], one.cluster, one.row))


def labels_of(table: ImageTable, row: int) -> tuple[str, ...]:
    """What people call the class of a row, or its tags; empty where it has no label."""
    names = table.class_names or table.classes
    if isinstance(table.labels, np.ndarray):
        return (names[table.labels[row]],) if table.labels[row] >= 0 else ()
    return tuple(names[c] for c in table.labels[[row]].indices)


def _commonly_grey(facts: Sequence[Facts]) -> bool:
    """Whether most pictures that could be opened are stored in grey: then grey is nothing odd."""
    modes = [fact.mode in GREY for fact in facts if fact.ok]
    return bool(modes) and 2 * sum(modes) > len(modes)


def of_file(row: int, path: str, fact: Facts, commonly_grey: bool) -> Iterator[Finding]:
    """What a file's own facts tell."""
    if not fact.hash and fact.reason in (NO_FILE.reason, os.strerror(errno.ENOENT)):
        yield Finding(row, "missing", fact.reason)
        return
    if PLACEHOLDER.search(PurePosixPath(path).stem):
        yield Finding(row, "placeholder", "its name says so")
    if not fact.ok:
        cut = "truncated" in fact.reason or fact.reason == "the file is empty"
        yield Finding(row, "truncated" if cut else "unreadable", fact.reason)
        return
    suffix = PurePosixPath(path).suffix.lower()
    if suffix not in EXTENSIONS[fact.format]:
        yield Finding(row, "wrong_extension", f"{fact.format} bytes, {suffix or 'no extension'}")
    if fact.mode not in ("RGB", "YCbCr") and not (commonly_grey and fact.mode in GREY):
        yield Finding(row, "odd_mode", fact.mode)
    if fact.rotated:
        yield Finding(row, "rotated", f"shown as {fact.width} x {fact.height}")
    if fact.animated:
        yield Finding(row, "animated", fact.format)
    yield from _of_look(row, fact)


def _of_look(row: int, fact: Facts) -> Iterator[Finding]:
    """What the picture itself tells: one of blank, dark and blurred, and its size."""
    variances = (square - mean**2 for square, mean in zip(fact.mean_square, fact.mean, strict=True))
    spread = max(0.0, *variances) ** 0.5  # of a flat picture rounding leaves less than nothing
    if spread < BLANK:
        yield Finding(row, "blank", f"values differ by {spread:.3f} of 1 (standard deviation)")
    elif fact.brightness < DARK:
        yield Finding(row, "dark", f"99 % of its pixels are darker than {fact.brightness:.2f} of 1")
    elif fact.sharpness < BLURRED and min(fact.width, fact.height) >= MEASURABLE:
        yield Finding(row, "blurred", f"sharpness {fact.sharpness:.1f}, below {BLURRED:g}")
    short, long = sorted((fact.width, fact.height))
    if short < TINY:
        yield Finding(row, "tiny", f"{fact.width} x {fact.height} pixels")
    if long > LONG * short:
        yield Finding(row, "extreme_aspect", f"{fact.width} x {fact.height} pixels")


def _of_clusters(table: ImageTable, facts: Sequence[Facts], group_N: np.ndarray | None) -> Iterator[Finding]:
    """Duplicates: each row of a cluster once, under the gravest thing that the cluster is."""
    opened = [fact if fact.ok else Facts(False) for fact in facts]  # empty files show no picture
    for number, cluster in enumerate(duplicates(opened, group_N), start=1):
        kind = _kind(table, cluster)
        first = table.paths[cluster.rows[0]]
        for row in cluster.rows:
            other = table.paths[cluster.rows[1]] if row == cluster.rows[0] else first
            yield Finding(row, kind, f"{cluster.kind} as {other}, {len(cluster.rows)} in all", number)


def _kind(table: ImageTable, cluster: Duplicates) -> str:
    labelled = [row for row in cluster.rows if table.split[row] < TEST]
    labels = {_codes(table, row) for row in labelled}
    if len(labels) >= MANY_LABELS and isinstance(table.labels, np.ndarray) and cluster.kind in ("bytes", "pixels"):
        return "placeholder"
    if len(labels) > 1:
        return "conflict"
    return "leak" if labelled and any(table.split[row] == TEST for row in cluster.rows) else "duplicate"


def _codes(table: ImageTable, row: int) -> tuple[int, ...]:
    """Class indices of a row; two classes may bear one name."""
    if isinstance(table.labels, np.ndarray):
        return (int(table.labels[row]),)
    return tuple(table.labels[[row]].indices.tolist())
