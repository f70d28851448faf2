"""Bytes on disk that survive a kill: atomic writes, hashes, and content-addressed shards of rows.

Nothing here is unpickled; an array is a `.npy`, its description a JSON sidecar. A shard's name is the hash of its
sidecar, so that the name vouches for the sidecar and the sidecar for the array: same rows, same bytes, same name, and
several processes that write the same shard write the same files. Axes: N rows, D columns.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medalist.errors import StoreError

FAILPOINT = "MEDALIST_FAILPOINT"
SET_ASIDE = ".damaged"
_passed: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Kill this process with SIGKILL where `MEDALIST_FAILPOINT=name` (or `name:3`, its third passing) asks for it."""
    wanted, _, count = os.environ.get(FAILPOINT, "").partition(":")
    if wanted != name:
        return
    _passed[name] = _passed.get(name, 0) + 1
    if _passed[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` so that `path` holds either all of it or what it held before: temporary file, fsync, rename."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        failpoint("before-rename")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def array_bytes(array: np.ndarray) -> bytes:
    """The bytes of a `.npy` file of `array`, C-ordered, without pickle."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def hash_bytes(data: bytes | memoryview) -> str:
    """SHA-256 as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def hash_json(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value` (sorted keys, UTF-8): of class lists, folds, spaces, recipes."""
    return hash_bytes(
        json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogateescape")
    )


@dataclass(frozen=True)
class Shard:
    """Some rows of a table of numbers, on disk.

    Args:
        sidecar: its JSON file; the array lies beside it as `.npy`.
        keys: N keys, one a row.
        sha256: of the `.npy` file.
    """

    sidecar: Path
    keys: tuple[str, ...]
    sha256: str

    @property
    def array(self) -> Path:
        """The `.npy` file."""
        return self.sidecar.with_suffix(".npy")


def write_shard(folder: Path, keys: Sequence[str], rows_ND: np.ndarray) -> Shard:
    """Write rows under their keys; a shard counts from the moment its sidecar stands, which is written last."""
    data = array_bytes(rows_ND)
    sha256 = hash_bytes(data)
    head = {"keys": list(keys), "sha256": sha256, "dtype": rows_ND.dtype.str, "shape": list(rows_ND.shape)}
    described = json.dumps(head, sort_keys=True).encode()
    shard = Shard(folder / f"{_name_of(described)}.json", tuple(keys), sha256)
    write_atomic(shard.array, data)
    failpoint("after-shard")
    write_atomic(shard.sidecar, described)
    failpoint("after-sidecar")
    return shard


def open_shard(sidecar: Path) -> Shard:
    """Read a sidecar; the array is not touched.

    Raises:
        StoreError: the sidecar is not what its name vouches for.
    """
    try:
        described = sidecar.read_bytes()
    except OSError as error:
        raise StoreError(f"the sidecar {sidecar} cannot be read: {error}") from error
    if _name_of(described) != sidecar.stem:
        raise StoreError(f"the sidecar {sidecar} is damaged: its bytes do not hash to its name")
    head = json.loads(described)
    return Shard(sidecar, tuple(head["keys"]), head["sha256"])


def verify_shard(shard: Shard) -> None:
    """Compare the array's bytes with the sidecar's checksum.

    Raises:
        StoreError: the file is missing or damaged.
    """
    try:
        with shard.array.open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StoreError(f"the shard {shard.array} cannot be read: {error}") from error
    if got != shard.sha256:
        raise StoreError(f"the shard {shard.array} is damaged: SHA-256 {got}, its sidecar says {shard.sha256}")


def set_aside(sidecar: Path) -> None:
    """Rename a damaged shard's files, so that nobody uses them and a person can look at them."""
    # The sidecar first: without it the shard no longer counts. Another process may have been faster.
    for file in (sidecar, sidecar.with_suffix(".npy")):
        with contextlib.suppress(FileNotFoundError):
            file.replace(file.with_name(file.name + SET_ASIDE))


def _name_of(described: bytes) -> str:
    return hash_bytes(described)[:32]
