"""What an augmentation experiment found, and what follows from it: verdicts, the policy to take, views to try."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from medalist.evidence import Comparison
from medalist.experiments.augmenting.confirming import BETTER, OWN, PAIR, Confirmed
from medalist.experiments.augmenting.factors import views_of
from medalist.experiments.augmenting.probe import Probed
from medalist.experiments.augmenting.screening import Design

CHART = "effects.png"


@dataclass(frozen=True)
class Findings:
    """What an experiment found.

    Args:
        metric: by which.
        factors: operations, as named.
        probed: each by itself.
        effects: of those that were screened.
        design: of the screening; None where one operation or none was left.
        arms: confirmed policies, no augmentation first.
        longer: erasing at twice the epochs, without it first; compared with that, not with no augmentation.
        holds_for: what the effects were measured by.
        cost: image passes a stage, and of one operation at a time.
        seconds: wall seconds a stage.
    """

    metric: str
    factors: tuple[str, ...]
    probed: dict[str, Probed]
    effects: dict[str, Comparison]
    design: Design | None
    arms: list[Confirmed]
    longer: list[Confirmed]
    holds_for: str
    cost: dict[str, int]
    seconds: dict[str, float]

    def verdict(self, factor: str) -> str:
        """Of an operation: the probe's if that rejected it, else the screening's."""
        return "worse" if self.probed[factor].lost else self.effects[factor].verdict

    @property
    def policy(self) -> str:
        """The confirmed policy with the largest gain; empty where none is better than no augmentation.

        What was found better needs the most promising beside it only where it is told from it.
        """
        better = {arm.name: arm for arm in self.arms if arm.gain and arm.gain.verdict == "better"}
        over = better[PAIR].over if PAIR in better else None
        if BETTER in better and PAIR in better and (over is None or over.verdict != "better"):
            del better[PAIR]
        return max((arm.gain.difference, arm.policy) for arm in better.values() if arm.gain)[1] if better else ""

    @property
    def own(self) -> Confirmed | None:
        """The recipe's own policy; None where it is none, or one of the others."""
        return next((arm for arm in self.arms if arm.name == OWN), None)

    @property
    def views(self) -> tuple[str, ...]:
        """For test-time augmentation: fixed views of operations that are not worse, and whose views are not either."""
        kept = (one for one in self.factors if self.verdict(one) != "worse")
        return views_of(one for one in kept if self.probed[one].survival.verdict != "worse")

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        rows = [
            {
                "operation": one,
                "verdict": self.verdict(one),
                "rejected_by": "probe" if self.probed[one].lost else "",
                "probe": asdict(self.probed[one]),
                "effect": asdict(self.effects[one]) if one in self.effects else None,
            }
            for one in self.factors
        ]
        return {
            "question": "augment",
            "metric": self.metric,
            "operations": rows,
            "runs": self.design.sign_RF.tolist() if self.design else [],
            "clear_of_interactions": bool(self.design and self.design.clear),
            "policies": [asdict(arm) for arm in [*self.arms, *self.longer]],
            "policy": self.policy,
            "views": list(self.views),
            "holds_for": self.holds_for,
            "image_passes": self.cost,
            "seconds": self.seconds,
            "charts": [CHART],
        }
