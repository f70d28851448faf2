"""Where tasks run: `map(stages, items) -> stream of outcomes`; on this machine's cores."""

from __future__ import annotations

from medalist.engines.local import Outcome, Stage, map

__all__ = ["Outcome", "Stage", "map"]
