"""Files -> facts and prepared pixels, each file's bytes read once: hash, decode of that same buffer, facts, crops.

Runs in worker processes, so that a file that crashes or hangs its decoder costs only itself.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medalist.data.decode import Picture, Preprocessing
from medalist.data.facts import NO_FILE, Facts, FactsCache, absolute, known_facts, stamp_of
from medalist.data.moments import picture_moments
from medalist.data.signatures import (
    CROP_SIDE,
    HASH_SIDE,
    both_hashes,
    brightness,
    colour_cells,
    crop_hashes,
    sharpness,
)
from medalist.engines import Stage, map
from medalist.errors import DataError
from medalist.progress import Sink, ignore, track
from medalist.store import hash_bytes

FACTS_SIDE = 256  # facts come from a decode with at least this short side, whatever a backbone wants
MAX_BYTES = 1 << 30
REMEMBER_EVERY = 256


@dataclass(frozen=True)
class Ingested:
    """A file: its facts, and one (H, W, 3) uint8 array a preparation (none where the image could not be decoded).

    `seconds`: processor time of reading, decoding and preparing it.
    """

    index: int
    facts: Facts
    images: list[np.ndarray]
    seconds: float = 0.0


def ingest(
    root: Path,
    paths: Sequence[str],
    *,
    preparations: Sequence[Preprocessing] = (),
    cache: Path,
    workers: int | None = None,
    timeout_s: float = 30.0,
) -> Iterator[Ingested]:
    """Read, hash, decode and prepare files, in order; facts are remembered in the cache.

    Args:
        root: folder that the paths are relative to.
        paths: relative, or absolute; an empty path is a row without a file.
        preparations: what each backbone wants.
        cache: folder of `facts.sqlite`.
        workers: processes; None: one a core.
        timeout_s: seconds after which a file's decoder is killed.
    """
    full = absolute(root, paths)
    stage = Stage("medalist.data.ingest:look", {"preparations": [asdict(p) for p in preparations]})
    remembered = FactsCache(cache)
    fresh: list[tuple[str, tuple[int, int], Facts]] = []
    stamps = {path: stamp for path in full if path and (stamp := stamp_of(path)) is not None}
    try:
        for outcome in map([stage], full, workers=workers, timeout_s=timeout_s):
            path = full[outcome.index]
            facts, images = outcome.value if outcome.error is None else (_failed(path, outcome.error), [])
            if path in stamps:
                fresh.append((path, stamps[path], facts))
            yield Ingested(outcome.index, facts, images, outcome.seconds)
            if len(fresh) >= REMEMBER_EVERY:
                remembered.remember(fresh)
                fresh.clear()
    finally:
        remembered.remember(fresh)
        remembered.close()


def facts_of(
    root: Path, paths: Sequence[str], *, cache: Path, workers: int | None = None, sink: Sink = ignore
) -> list[Facts]:
    """Facts of files, in order; only files that the cache does not know are opened."""
    facts = known_facts(root, paths, cache=cache)
    new = list(dict.fromkeys(path for path, fact in zip(paths, facts, strict=True) if fact is None))
    found = dict(zip(new, track(ingest(root, new, cache=cache, workers=workers), "look", len(new), sink), strict=True))
    return [found[path].facts if fact is None else fact for path, fact in zip(paths, facts, strict=True)]


def _failed(path: str, error: str) -> Facts:
    """Facts of a file that crashed or hung its decoder: with the hash of its bytes, so that it is not tried again.

    A process that was killed from outside (signal 9: out of memory) says nothing about the file: no hash.
    """
    facts = Facts(False, error)
    if "signal 9," in error:
        return facts
    (outcome,) = map([Stage("medalist.data.ingest:fingerprint")], [path], workers=1)
    return facts if outcome.error else replace(facts, **outcome.value)


def fingerprint(path: str) -> dict[str, Any]:
    """The stage that reads a file without decoding it: its hash and size."""
    data = _read(path)
    return {"hash": hash_bytes(data), "bytes": len(data)}


def look(path: str, preparations: Sequence[dict[str, Any]]) -> tuple[Facts, list[np.ndarray]]:
    """The stage that workers run: one file -> its facts and prepared pixels. Never raises for a bad file."""
    if not path:
        return NO_FILE, []
    facts = Facts(False)
    try:
        data = _read(path)
        facts = replace(facts, hash=hash_bytes(data), bytes=len(data))
        picture = Picture(data)
        facts = replace(
            facts,
            format=picture.format,
            mode=picture.mode,
            width=picture.width,
            height=picture.height,
            rotated=picture.rotated,
            animated=picture.animated,
        )
        images = [picture.prepare(Preprocessing.from_dict(value)) for value in preparations]
        return _signed(facts, picture), images
    except (DataError, OSError) as error:
        return replace(facts, ok=False, reason=_reason(error)), []


def _read(path: str) -> bytes:
    """All bytes of a regular file; a pipe, device or folder is refused without waiting for it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise DataError("not a regular file")
        if status.st_size > MAX_BYTES:
            raise DataError(f"{status.st_size:,} bytes are more than the {MAX_BYTES:,} that are read")
        return file.read()


def _reason(error: Exception) -> str:
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)


def _signed(facts: Facts, picture: Picture) -> Facts:
    """Facts of a decoded image: signatures, moments, at the smallest of the decoder's scales that keeps FACTS_SIDE."""
    image = picture.pixels(picture.divisor(FACTS_SIDE, FACTS_SIDE))
    grey = image.convert("L")
    larger = image.resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BOX)
    small = larger.resize((HASH_SIDE, HASH_SIDE), Image.Resampling.BOX)
    phash, mirrored = both_hashes(small)
    mean, mean_square = picture_moments(image)
    return replace(
        facts,
        ok=True,
        pixel_hash=_pixel_hash(grey, larger),
        phash=phash,
        mirrored=mirrored,
        crops=crop_hashes(larger),
        colour=colour_cells(small),
        sharpness=sharpness(grey),
        brightness=brightness(grey),
        mean=mean,
        mean_square=mean_square,
    )


def _pixel_hash(grey: Image.Image, larger: Image.Image) -> str:
    """Of every pixel's grey and the colours of a 64 x 64 picture: a third of the bytes, no less told apart."""
    pixels = hashlib.sha256(str(grey.size).encode())
    pixels.update(grey.tobytes())
    pixels.update(larger.tobytes())
    return pixels.hexdigest()
