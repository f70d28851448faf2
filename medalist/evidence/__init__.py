"""Evidence: how sure a score is, and whether one set of answers beats another; every "better" goes through here.

estimates    estimate: a score with its error, by a bootstrap over groups
comparisons  compare, compare_arms (Holm), compare_seeds: paired differences and verdicts
selection    best_of_many: what the best of many configurations is worth
forecasts    forecast, surprise, rank_interval: the leaderboard, before it is seen
draws        the bootstrap under all of them
"""

from __future__ import annotations

from medalist.evidence.comparisons import Comparison, compare, compare_arms, compare_seeds, holm, two_sided, verdict
from medalist.evidence.draws import MAX_BLOCKS
from medalist.evidence.estimates import Estimate, estimate
from medalist.evidence.forecasts import Forecast, Ranks, Surprise, forecast, rank_interval, surprise
from medalist.evidence.selection import BestOfMany, best_of_many

__all__ = [
    "MAX_BLOCKS",
    "BestOfMany",
    "Comparison",
    "Estimate",
    "Forecast",
    "Ranks",
    "Surprise",
    "best_of_many",
    "compare",
    "compare_arms",
    "compare_seeds",
    "estimate",
    "forecast",
    "holm",
    "rank_interval",
    "surprise",
    "two_sided",
    "verdict",
]
