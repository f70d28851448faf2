"""medalist: a folder of labelled images and a metric in, a checked, leaderboard-ready submission out.

The names below are the public Python API; each is imported when it is first used, so that `import medalist` is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "load_recipe": "medalist.recipe",
    "run": "medalist.pipeline",
    "predict": "medalist.pipeline.predict",
    **dict.fromkeys(("read", "embed", "split", "fit", "tune", "ensemble", "decide", "submit"), "medalist.pipeline.way"),
    "ImageTable": "medalist.data.table",
    "FeatureBank": "medalist.features.bank",
    "Fitted": "medalist.fitted",
    "Predictions": "medalist.predictions",
}
__all__ = [
    "FeatureBank",
    "Fitted",
    "ImageTable",
    "Predictions",
    "__version__",
    "decide",
    "embed",
    "ensemble",
    "fit",
    "load_recipe",
    "predict",
    "read",
    "run",
    "split",
    "submit",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'medalist' has no attribute {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
