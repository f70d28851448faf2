"""Small pictures of a dataset's images, found by id, drawn anew (so without EXIF), each named for its bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from medalist.data.decode import decode
from medalist.data.table import TEST, ImageTable
from medalist.errors import DataError
from medalist.report.markup import tag
from medalist.store import hash_bytes

FOLDER = "thumbnails"
SIDE = 240  # pixels of the long side
QUALITY = 82
DIGITS = 20  # of a hash


@dataclass
class Thumbnails:
    """Pictures that the page shows.

    Args:
        root: folder of the dataset.
        path_of: file of each labelled image, by id, relative to `root`.
        made: JPEG files by name.
    """

    root: Path
    path_of: dict[str, str]
    made: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, table: ImageTable) -> Thumbnails:
        """Of a dataset's labelled images."""
        pairs = zip(table.ids, table.paths, table.split, strict=True)
        return cls(table.root, {str(name): str(path) for name, path, split in pairs if split != TEST and path})

    def by_id(self, image_id: str) -> str:
        """An image as HTML; empty where it is not there or cannot be decoded."""
        return self.by_path(self.path_of[image_id]) if image_id in self.path_of else ""

    def by_path(self, path: str) -> str:
        """The same by its file, relative to the dataset's folder and inside it."""
        file = self.root / path
        try:
            if not file.resolve().is_relative_to(self.root.resolve()):
                return ""
            image = Image.fromarray(decode(file.read_bytes()))
        except (OSError, ValueError, DataError):
            return ""
        image.thumbnail((SIDE, SIDE))
        return self._shown(jpeg(np.asarray(image)), image.size)

    def _shown(self, data: bytes, size: tuple[int, int]) -> str:
        file = f"{hash_bytes(data)[:DIGITS]}.jpg"
        self.made[file] = data
        # What it shows stands beside it in words.
        return tag("img", src=f"{FOLDER}/{file}", alt="", width=size[0], height=size[1], loading="lazy").removesuffix(
            "</img>"
        )


def jpeg(pixels_HWC: np.ndarray) -> bytes:
    """A JPEG of pixels; nothing else is in it."""
    file = io.BytesIO()
    Image.fromarray(pixels_HWC).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()
