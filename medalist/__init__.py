"""medalist: a folder of labelled images and a metric in, a checked, leaderboard-ready submission out."""

from __future__ import annotations

__version__ = "0.1.0"
