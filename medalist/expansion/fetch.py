"""One image that was found -> its file in the folder, named by the hash of its bytes, or the reason why not.

What is let in is a file that begins as an image of a known format, whose header can be read, of a size within the
limits. Whether it can be decoded to its last row is for the screening to tell, which does that in other processes.
"""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

from medalist.data.decode import Picture, sniff
from medalist.errors import DataError, StoreError, WebError
from medalist.expansion.found import IMAGES, Found, image_path
from medalist.expansion.journal import Record
from medalist.expansion.patience import refused_by
from medalist.expansion.web import Limits, Web
from medalist.store import failpoint, hash_bytes, write_atomic

ACCEPT = "image/jpeg, image/png, image/webp, image/gif, image/bmp, image/tiff, image/*;q=0.5"


def fetch(found: Found, folder: Path, web: Web, turn: threading.Lock) -> Record:
    """Get one image and keep it.

    Args:
        found: what points to it.
        folder: of the expansion.
        web: who asks, and the limits.
        turn: held while a header is read and a file written: Pillow's warnings are the process's, and several threads
            may bring the same bytes.

    Raises:
        WebError: it was not let in, or could not be had. StoreError: it cannot be written.
    """
    try:
        data = _read_file(found.url, web.limits) if found.local else _download(found.url, web)
        name = hash_bytes(data)
        with turn:
            kind = _format(data, web.limits)
            path = image_path(name, kind)
            _keep(folder / path, data)
    except DataError as error:
        raise WebError(str(error)) from error
    failpoint("after-image")
    return Record(found.url, path, name, len(data), kind)


def used(folder: Path) -> int:
    """Bytes of all images in the folder; what a kill left half-written is removed."""
    total = 0
    for file in (folder / IMAGES).glob("*/*"):
        if file.name.startswith(".") and file.name.endswith(".tmp"):
            file.unlink(missing_ok=True)
        else:
            total += file.lstat().st_size
    return total


def _download(url: str, web: Web) -> bytes:
    from medalist.expansion.door import get

    answer = get(web, url, accept=ACCEPT, begins=sniff)
    if answer.status != 200:
        raise refused_by(answer.status, answer.headers)
    return answer.body


def _read_file(path: str, limits: Limits) -> bytes:
    """All bytes of a regular file; a pipe or device is refused without waiting for it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise WebError("not a regular file")
            data = file.read(limits.bytes + 1)
    except OSError as error:
        raise WebError(f"cannot be read: {error.strerror}") from error
    if len(data) > limits.bytes:
        raise WebError(f"more than the {limits.bytes:,} bytes that are read of a file")
    return data


def _format(data: bytes, limits: Limits) -> str:
    """What the header says the image is, if it is not too large."""
    picture = Picture(data)
    if picture.width * picture.height > limits.pixels:
        raise WebError(f"{picture.width} x {picture.height} are more than the {limits.pixels:,} pixels let in")
    return picture.format


def _keep(path: Path, data: bytes) -> None:
    """Write an image unless it is there; its name vouches for its bytes, its size for their number."""
    if path.is_file() and path.stat().st_size == len(data):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, data)
    except OSError as error:
        raise StoreError(
            f"cannot write {path}: {error.strerror}; what is there is whole, the same command goes on"
        ) from error
