"""What a run was made with: when it ended, versions, the machine, and hashes; no name of a user or a host, no path.

Written beside the summary of every run, blend and import, and never part of what decides its bytes.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from medalist import __version__, ledger
from medalist.engines.local import usable_cores
from medalist.ledger import Summary
from medalist.store import hash_bytes, hash_json

FILE = "made.json"
DISCLOSED = "disclosure.json"
BEGINS = '"stage": "choose"'  # the first event of each process
PACKAGES = (
    *("numpy", "scipy", "scikit-learn", "Pillow", "torch", "timm", "safetensors", "openvino"),
    *("albumentations", "optuna", "cleanlab"),
)


def finish(out: Path, summary: Summary) -> None:
    """Write `made.json`, then the summary: from here on the run is finished."""
    ledger.write_json(out / FILE, {**made(), "sessions": _sessions(out), "hashes": hashes(out)})
    ledger.finish(out, summary)


def _sessions(out: Path) -> int:
    """How many processes worked on it, one after the other; those of a blend or an import left no events."""
    events = out / "events.jsonl"
    lines = events.read_text(encoding="utf-8").splitlines() if events.is_file() else []
    return max(1, sum(BEGINS in line and '"done": 0' in line for line in lines))


def hashes(out: Path) -> dict[str, Any]:
    """What a run is of, as hashes; None: not known.

    Args:
        out: a folder in which everything stands but the summary.

    Returns:
        `recipe` of all keys, `data` of names, sizes and times of the dataset's files (an import has none, a blend
        that of its members), `rows` of scored images, labels and groups, `folds`, `classes`, and for each of the
        pretrained `weights` its SHA-256 and licence.
    """
    key, decision = (json.loads((out / name).read_bytes()) for name in (ledger.KEY, "decision.json"))
    used = json.loads((out / DISCLOSED).read_bytes())["used"] if (out / DISCLOSED).is_file() else None
    return {
        "recipe": hash_json(key["recipe"]) if "recipe" in key else None,
        "data": key.get("data") or _data_of_members(out, decision),
        "rows": hash_bytes((out / "table.json").read_bytes()),
        "folds": decision["fold_hash"],
        "classes": decision["class_hash"],
        "weights": used
        and {one["name"]: {"sha256": one["sha256"], "licence": one["licence"]} for one in used["weights"]},
    }


def _data_of_members(out: Path, decision: dict[str, Any]) -> str | None:
    """The dataset that all members of a blend are of, those that have one; None where they are of several."""
    found = set[str]()
    for source in decision.get("sources", ()):
        file = (out / source["folder"]).resolve().parents[1] / ledger.KEY
        found |= {json.loads(file.read_bytes()).get("data") or ""} if file.is_file() else set()
    found -= {""}
    return found.pop() if len(found) == 1 else None


def made() -> dict[str, Any]:
    """The facts of this process and machine."""
    return {
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "medalist": __version__,
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
        "machine": {
            "system": platform.system(),
            "processor": _processor(),
            "cores": usable_cores(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "gpu": _gpu(),
        },
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name as Linux tells it, else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _gpu() -> str | None:
    """The GPU's name where this process has used torch and there is one; torch is not loaded to ask."""
    torch = sys.modules.get("torch")
    return str(torch.cuda.get_device_name()) if torch is not None and torch.cuda.is_available() else None
