"""What a source finds, and what became of it once it was fetched. Plain data; most of it is text that others wrote."""

from __future__ import annotations

from dataclasses import dataclass

from medalist.quality.findings import EXTENSIONS

IMAGES = "images"


def image_path(name: str, kind: str) -> str:
    """Where the file of a hash and format lies in the folder of an expansion: `images/HH/HASH.ext`."""
    return f"{IMAGES}/{name[:2]}/{name}{EXTENSIONS[kind][0]}"


@dataclass(frozen=True)
class Found:
    """An image that a source points to; nothing of it has been fetched yet.

    Args:
        url: http(s) address of the file, or the absolute path of a local one.
        label: class that the image is wanted for, as the organisers write it; tags joined by `|`.
        source: the source's name, such as `openverse`.
        query: what the source was asked; empty where it was asked nothing.
        page: address of the page that shows the image to people.
        licence, licence_url: as the source tells them; empty: not known.
        author, title: as the source tells them, without mark-up.
    """

    url: str
    label: str
    source: str
    query: str = ""
    page: str = ""
    licence: str = ""
    licence_url: str = ""
    author: str = ""
    title: str = ""

    @property
    def local(self) -> bool:
        """Whether `url` is a path; no service and no list can make it one."""
        return self.source == "folder"


@dataclass(frozen=True)
class Fetched:
    """An image file that lies in the folder of an expansion.

    Args:
        found: what pointed to it.
        path: relative to that folder, `images/HH/HASH.ext`.
        hash: SHA-256 of the bytes, 64 hex digits.
        bytes: size of the file.
        format: told by the bytes: `JPEG`, `PNG`, `WEBP`, `GIF`, `BMP`, `TIFF` or `MPO`.
    """

    found: Found
    path: str
    hash: str
    bytes: int
    format: str


@dataclass(frozen=True)
class Refused:
    """An image that was not let in.

    Args:
        found: what pointed to it.
        reason: why not, a phrase.
    """

    found: Found
    reason: str


Outcome = Fetched | Refused
