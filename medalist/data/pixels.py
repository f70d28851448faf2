"""A cache of decoded images for training: each image decoded once, made small, read again from a memory-mapped file.

In: files and the hashes of their bytes. Out: (h, w, 3) uint8 RGB with a short side of `side`, whenever asked. The cache
is bounded and may be deleted at any time, also during a training: what does not lie there is decoded from its file, to
the same pixels. Validation and prediction read originals (`data/loader.py`), never this. Axes: H W pixels.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from medalist.data.decode import Picture, decoder_version
from medalist.data.facts import absolute
from medalist.engines import Stage, map
from medalist.engines.ahead import ahead
from medalist.errors import DataError, StoreError
from medalist.progress import Sink, ignore, track
from medalist.store import Shard, hash_bytes, hash_json, open_shard, set_aside, verify_shard, write_shard

FOLDER = "pixels"
VERSION = 1
LONGEST = 4  # a panorama's long side, in short sides asked for; bounds what one image may take
SHARD_BYTES = 32 << 20
MAX_BYTES = 4 << 30
SHARE_OF_FREE = 10
IN_USE_S = 3600.0
AHEAD = 64


@dataclass(frozen=True)
class Place:
    """Where an image's pixels are: `height * width * 3` bytes from `offset` of a shard; no `shard`: only in its file.

    Small enough to travel to a worker with each image.
    """

    path: str
    hash: str
    shard: str = ""
    offset: int = 0
    height: int = 0
    width: int = 0


@dataclass(frozen=True)
class Pixels:
    """N images, small, by position; made by `build`.

    Args:
        side: short side in pixels, at most.
        places: N places.
        damaged: sidecars of shards that were found damaged, set aside and made anew.
    """

    side: int
    places: tuple[Place, ...]
    damaged: tuple[Path, ...] = ()

    @classmethod
    def build(
        cls,
        root: Path,
        paths: Sequence[str],
        hashes: Sequence[str],
        *,
        side: int,
        cache: Path,
        max_bytes: int | None = None,
        workers: int | None = None,
        sink: Sink = ignore,
    ) -> Pixels:
        """Decode what the cache lacks, as far as it may grow.

        Args:
            root: folder that the paths are relative to.
            paths: N files that can be decoded.
            hashes: SHA-256 of each file's bytes, from its facts.
            side: short side to keep, in pixels; smaller images stay as they are. A long side is at most 4 times it.
            cache: folder of `pixels/`.
            max_bytes: of all of `pixels/`; None: 4 GiB, or a tenth of the free disk if that is less.
            workers: processes; None: one a core.
            sink: told of progress as stage `pixels`.

        Raises:
            DataError: a file is gone, has changed since its hash was taken, or cannot be decoded.

        >>> pixels = Pixels.build(root, ["a.jpg"], [facts.hash], side=258, cache=cache)  # doctest: +SKIP
        >>> pixels.read(0).shape  # doctest: +SKIP
        (258, 344, 3)
        """
        files = dict(zip(hashes, absolute(root, paths), strict=True))
        folder = cache / FOLDER / hash_json({"version": VERSION, "side": side, "decoder": decoder_version()})[:16]
        folder.mkdir(parents=True, exist_ok=True)
        found, damaged = _found(folder, files)
        todo = [(path, key) for key, path in files.items() if key not in found]
        room = _Room(cache / FOLDER, {Path(place.shard) for place in found.values()}, max_bytes)
        for shard in _written(folder, todo, side, room, workers, sink):
            found |= _places(shard, files)
        places = (found.get(key, Place(files[key], key)) for key in hashes)
        return cls(side, tuple(places), tuple(damaged))

    def __len__(self) -> int:
        return len(self.places)

    @property
    def num_cached(self) -> int:
        """How many of the N images need no decoding."""
        return sum(bool(place.shard) for place in self.places)

    def read(self, i: int) -> np.ndarray:
        """Image i, (h, w, 3) uint8, the caller's own to change; raises what `read_place` does."""
        return read_place(self.places[i], self.side)


def read_place(place: Place, side: int) -> np.ndarray:
    """The pixels of one place, (h, w, 3) uint8: from its shard, or decoded where the shard is gone.

    Raises:
        DataError: there is no shard, and the file is gone, has changed or cannot be decoded.
    """
    if place.shard:
        with suppress(FileNotFoundError):
            flat = _mapped(place.shard, os.stat(place.shard).st_ino)
            end = place.offset + place.height * place.width * 3
            return np.array(flat[place.offset : end]).reshape(place.height, place.width, 3)
    return shrink((place.path, place.hash), side)


# Keyed by inode too: a shard that was damaged and made anew has its old name.
@lru_cache(maxsize=256)
def _mapped(shard: str, inode: int) -> np.ndarray:
    return np.asarray(np.load(shard, mmap_mode="r", allow_pickle=False))


def shrink(file: tuple[str, str], side: int) -> np.ndarray:
    """The stage that workers run: (path, hash of its bytes) -> pixels at most `side` high or wide on the short side.

    Raises:
        DataError: the file cannot be read or decoded, or its bytes are others.
    """
    path, key = file
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read any more: {error.strerror}; put it back, or run again") from error
    if hash_bytes(data) != key:
        raise DataError(f"{path} has changed since it was first read; run again with the file as it is now")
    picture = Picture(data)
    width, height = shrunk_size(picture.width, picture.height, side)
    if (width, height) == (picture.width, picture.height):
        return np.array(picture.pixels(1))
    divisor = picture.divisor(width, height)
    image = picture.pixels(divisor)
    # The DCT rounds a side up: the last column or row may show more than the picture has.
    box = (0, 0, min(picture.width / divisor, image.width), min(picture.height / divisor, image.height))
    return np.array(image.resize((width, height), Image.Resampling.BICUBIC, box=box))


def shrunk_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height with the aspect kept, the short side at most `side`, the long one at most 4 times that.

    >>> shrunk_size(500, 375, 258), shrunk_size(90, 70, 258), shrunk_size(8000, 400, 258)
    ((344, 258), (90, 70), (1032, 52))
    """
    scale = min(1.0, side / min(width, height), LONGEST * side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _found(folder: Path, files: Mapping[str, str]) -> tuple[dict[str, Place], list[Path]]:
    """Places of those files that intact shards hold, and the sidecars of damaged shards, set aside."""
    found, damaged = dict[str, Place](), list[Path]()
    for sidecar in sorted(folder.glob("*.json")):
        try:
            shard = open_shard(sidecar)
            places = _places(shard, files)
            if places:
                verify_shard(shard)
        except StoreError:
            set_aside(sidecar)
            damaged.append(sidecar)
            continue
        found |= places
    return found, damaged


def _places(shard: Shard, files: Mapping[str, str]) -> dict[str, Place]:
    """Where a shard holds which of `files`. A shard's key is `HASH HEIGHT WIDTH`; images lie one behind the other."""
    places, offset = dict[str, Place](), 0
    for entry in shard.keys:
        key, height, width = entry.split(" ")
        if key in files:
            places[key] = Place(files[key], key, str(shard.array), offset, int(height), int(width))
        offset += int(height) * int(width) * 3
    return places


def _written(
    folder: Path, todo: Sequence[tuple[str, str]], side: int, room: _Room, workers: int | None, sink: Sink
) -> Iterator[Shard]:
    """Decode files in order, until there is no room for the largest possible image, and write them as shards."""
    largest = 3 * LONGEST * side**2
    keys, images, size = list[str](), list[np.ndarray](), 0
    if todo and room.has(largest):
        stage = Stage("medalist.data.pixels:shrink", {"side": side})
        # Drawn ahead, so that workers go on while a shard is written; closed, so that an error leaves none behind.
        with closing(ahead(map([stage], todo, workers=workers), AHEAD)) as outcomes:
            for outcome in track(outcomes, "pixels", len(todo), sink):
                path, key = todo[outcome.index]
                if outcome.error is not None:
                    raise DataError(f"{path} could not be decoded for training: {outcome.error}")
                keys.append(" ".join(str(part) for part in (key, *outcome.value.shape[:2])))
                images.append(outcome.value.ravel())
                size += outcome.value.size
                full = not room.has(size + largest)
                if full or size >= SHARD_BYTES:
                    room.used += size
                    yield write_shard(folder, keys, np.concatenate(images))
                    keys, images, size = [], [], 0
                if full:
                    return
    if keys:
        yield write_shard(folder, keys, np.concatenate(images))


class _Room:
    """How many bytes may still be written; what no job used for an hour makes room, the longest unused first."""

    def __init__(self, folder: Path, mine: set[Path], max_bytes: int | None) -> None:
        sizes = dict[Path, os.stat_result]()
        for file in folder.glob("*/*"):
            with suppress(FileNotFoundError):  # another process tidies up as well
                if file in mine:
                    os.utime(file)
                sizes[file] = file.stat()
        self.used = sum(status.st_size for status in sizes.values())
        free = shutil.disk_usage(folder).free + self.used
        self.limit = min(MAX_BYTES, free // SHARE_OF_FREE) if max_bytes is None else max_bytes
        old = time.time() - IN_USE_S
        idle = [file for file in sizes if file.suffix != ".json" and file not in mine and sizes[file].st_mtime < old]
        self._idle = [(file, sizes[file].st_size) for file in sorted(idle, key=lambda file: -sizes[file].st_mtime)]

    def has(self, size: int) -> bool:
        """Whether `size` bytes fit, after removing what is idle if need be."""
        while self.used + size > self.limit and self._idle:
            file, freed = self._idle.pop()
            file.with_suffix(".json").unlink(missing_ok=True)  # first: without it a shard does not count
            file.unlink(missing_ok=True)
            self.used -= freed
        return self.used + size <= self.limit
