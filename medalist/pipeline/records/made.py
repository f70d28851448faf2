"""What a run was made with: when it ended, versions, and the machine; no name of a user or a host, no path.

Written beside the summary of every run, blend and import, and never part of what decides its bytes.
"""

from __future__ import annotations

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

FILE = "made.json"
PACKAGES = (
    *("numpy", "scipy", "scikit-learn", "Pillow", "torch", "timm", "safetensors", "openvino"),
    *("albumentations", "optuna", "cleanlab"),
)


def finish(out: Path, summary: Summary) -> None:
    """Write `made.json`, then the summary: from here on the run is finished."""
    ledger.write_json(out / FILE, made())
    ledger.finish(out, summary)


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
