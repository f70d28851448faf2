"""Where a training stands -> one file that is either whole or the one before, and back to the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from medalist.errors import StoreError
from medalist.store import failpoint, write_atomic

Arrays = dict[str, np.ndarray]


def save(file: Path, arrays: Mapping[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write arrays and JSON as safetensors: temporary file, fsync, rename."""
    from safetensors.numpy import save as to_bytes

    plain = {name: np.asarray(arrays[name], order="C") for name in sorted(arrays)}
    data = to_bytes(plain, metadata={"facts": json.dumps(facts, sort_keys=True)})
    failpoint("before-checkpoint")
    write_atomic(file, data)
    failpoint("after-checkpoint")


def load(file: Path) -> tuple[Arrays, dict[str, Any]]:
    """What `save` wrote.

    Raises:
        StoreError: the file is none of `save`'s.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            facts = json.loads((opened.metadata() or {})["facts"])
            return {name: opened.get_tensor(name) for name in opened.keys()}, facts  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise StoreError(
            f"the checkpoint {file} cannot be read ({error}); remove it, and training begins anew"
        ) from error


def group(arrays: Mapping[str, np.ndarray], prefix: str) -> Arrays:
    """Those arrays whose names begin with `prefix.`, without it."""
    return {name.removeprefix(f"{prefix}."): array for name, array in arrays.items() if name.startswith(f"{prefix}.")}


def prefixed(arrays: Mapping[str, np.ndarray], prefix: str) -> Arrays:
    """The arrays under `prefix.NAME`."""
    return {f"{prefix}.{name}": array for name, array in arrays.items()}
