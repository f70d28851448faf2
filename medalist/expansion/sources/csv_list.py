"""A CSV of URLs and labels, with licence, author and page where the list knows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from medalist.data.textfiles import read_csv
from medalist.errors import DataError, near
from medalist.expansion.found import Found
from medalist.expansion.plain import plain, printable
from medalist.expansion.sources.contract import Streams, overlooked, sources, wanted
from medalist.expansion.web import Web

NEEDED = ("url", "label")
OPTIONAL = ("page", "licence", "licence_url", "author", "title")


def passed_over(queries: Mapping[str, str], *, path: str) -> str:
    """A sentence on the rows whose label is no class that is asked for; empty where there are none."""
    table = read_csv(Path(path), path)
    labels = Counter(row[table.header.index("label")] for row in table.rows)
    return overlooked(path, {label: n for label, n in labels.items() if not wanted(label, queries)}, queries)


@sources(passed_over=passed_over)
def csv(queries: Mapping[str, str], web: Web, *, path: str) -> Streams:
    """The rows of a CSV, in its order; a URL is http(s), never a file, and one that cannot be printed is skipped.

    Args:
        queries: classes that are wanted; what they would ask is not used.
        web: who will ask; must have a contact.
        path: of the CSV, with the columns `url` and `label` and perhaps `page`, `licence`, `licence_url`, `author`,
            `title`.

    Raises:
        DataError: the file cannot be read, lacks a column, or holds no row of a wanted class.
    """
    _ = web.agent
    table = read_csv(Path(path), path)
    for name in NEEDED:
        if name not in table.header:
            header = [plain(other) for other in table.header]
            raise DataError(f"{path} has no column {name!r}{near(name, header)}; it has {', '.join(header)}")
    found: dict[str, list[Found]] = {}
    for row in table.rows:
        image = _image(dict(zip(table.header, row, strict=True)))
        if image.url and wanted(image.label, queries):
            found.setdefault(image.label, []).append(image)
    if not found:
        labels = sorted({row[table.header.index("label")] for row in table.rows})
        raise DataError(
            f"no row of {path} is of a class that is wanted: its labels are {_some(labels)},"
            f" the classes {_some(sorted(queries))}"
        )
    return {label: iter(images) for label, images in found.items()}


def _image(cells: Mapping[str, str]) -> Found:
    told = {name: plain(cells.get(name, "")) for name in OPTIONAL}
    return Found(printable(cells["url"]), cells["label"], "csv", **told)


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(plain, names[:8])) or "none"
