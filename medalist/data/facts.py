"""Facts of an image file, told by its bytes, and the SQLite file that remembers them.

The cache is keyed by path, size and modification time -> hash of the bytes, and by hash and decoder -> facts. It may be
deleted at any time; several processes may use it at once.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medalist.data.decode import decoder_version

VERSION = 5
TABLES = """
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, size INTEGER, mtime_ns INTEGER, hash TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (hash TEXT, maker TEXT, facts TEXT, PRIMARY KEY (hash, maker)) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Facts:
    """What is known of one file.

    Args:
        ok: the image could be decoded.
        reason: why not, where it could not.
        hash: SHA-256 of the bytes; empty where the file could not be read.
        bytes: size of the file.
        format, mode: as `decode.Picture` tells them.
        width, height: as displayed, in pixels.
        rotated, animated: an EXIF orientation was applied; only the first of several frames was taken.
        pixel_hash: SHA-256 of the shape, of each decoded pixel's grey and of the colours at 64 x 64.
        phash, mirrored: perceptual hashes of the picture and its mirror image, 16 hex digits each.
        crops: those of nine crops, one after the other.
        colour: mean colour of a 4 x 4 grid of cells, 96 hex digits (16 cells, RGB).
        sharpness, brightness: as `signatures` measures them; in levels of 255, and in [0, 1].
        mean, mean_square: of each channel's values in [0, 1], red, green, blue, over the pixels behind `pixel_hash`
            (a JPEG of twice 256 pixels or more: decoded at 1/2, 1/4 or 1/8; its means stay, its finest detail goes).
    """

    ok: bool
    reason: str = ""
    hash: str = ""
    bytes: int = 0
    format: str = ""
    mode: str = ""
    width: int = 0
    height: int = 0
    rotated: bool = False
    animated: bool = False
    pixel_hash: str = ""
    phash: str = ""
    mirrored: str = ""
    crops: str = ""
    colour: str = ""
    sharpness: float = 0.0
    brightness: float = 0.0
    mean: tuple[float, ...] = ()
    mean_square: tuple[float, ...] = ()

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """The inverse of `json.dumps(vars(facts))`."""
        value = json.loads(text)
        return cls(**{**value, "mean": tuple(value["mean"]), "mean_square": tuple(value["mean_square"])})


NO_FILE = Facts(False, "there is no file for this id")


def absolute(root: Path, paths: Sequence[str]) -> list[str]:
    """Absolute paths of files below `root`; an empty path stays empty."""
    folder = os.path.abspath(root)
    return [os.path.join(folder, path) if path else "" for path in paths]


def known_facts(root: Path, paths: Sequence[str], *, cache: Path) -> list[Facts | None]:
    """What the cache knows of N files, None where a file must be looked at; an empty path is a row without a file."""
    full = absolute(root, paths)
    database = FactsCache(cache)
    known = database.recall([path for path in full if path])
    database.close()
    return [known.get(path) if path else NO_FILE for path in full]


class FactsCache:
    """The file `facts.sqlite` in the cache folder."""

    def __init__(self, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(cache / "facts.sqlite", timeout=60)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")  # a power cut may take the last facts, never the file
        self._database.executescript(TABLES)
        self._maker = f"{VERSION} {decoder_version()}"

    def recall(self, paths: Sequence[str]) -> dict[str, Facts]:
        """Facts of those absolute paths whose file is as it was when they were found out."""
        known = {}
        for path in paths:
            stamp = stamp_of(path)
            if stamp is None:
                continue
            row = self._database.execute(
                "SELECT facts FROM files JOIN facts USING (hash)"
                " WHERE path = ? AND size = ? AND mtime_ns = ? AND maker = ?",
                (path, *stamp, self._maker),
            ).fetchone()
            if row is not None:
                known[path] = Facts.from_json(row[0])
        return known

    def remember(self, found: Iterable[tuple[str, tuple[int, int], Facts]]) -> None:
        """Keep facts: (absolute path, its stamp before it was read, facts); those without a hash are not kept."""
        kept = [entry for entry in found if entry[2].hash]
        with self._database:
            self._database.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)",
                [(path, *stamp, facts.hash) for path, stamp, facts in kept],
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)",
                [(facts.hash, self._maker, json.dumps(vars(facts))) for _, _, facts in kept],
            )

    def close(self) -> None:
        """Close the file; what was remembered is on disk."""
        self._database.close()


def stamp_of(path: str) -> tuple[int, int] | None:
    """Size and modification time in nanoseconds; None where there is no such file."""
    try:
        stat = os.stat(path)
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns
