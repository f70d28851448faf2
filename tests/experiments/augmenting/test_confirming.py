"""Which policies are confirmed, and how."""

from __future__ import annotations

import numpy as np
import pytest

from medalist.evidence import Comparison
from medalist.experiments.augmenting.confirming import confirm, proposals
from medalist.pipeline.decide import Truth


def effect(difference: float, verdict: str) -> Comparison:
    return Comparison(difference, 0.01, verdict, 0.0)


def test_the_better_ones_and_the_next_and_the_recipes_own() -> None:
    effects = {
        "flip": effect(0.03, "better"),
        "hue": effect(0.012, "not distinguishable"),
        "jpeg": effect(0.015, "not distinguishable"),
        "blur": effect(-0.03, "worse"),
        "zoom": effect(0.05, "better"),
    }
    assert proposals(tuple(effects), effects, "shift") == {
        "found better": "flip | zoom",
        "and the most promising": "flip | jpeg | zoom",
        "the recipe's own": "shift",
    }


def test_where_nothing_is_better_the_most_promising_alone() -> None:
    effects = {"flip": effect(0.015, "not distinguishable"), "hue": effect(0.001, "equal")}
    assert proposals(("flip", "hue"), effects, "flip") == {"most promising": "flip"}
    assert proposals(("hue",), {"hue": effect(0.001, "equal")}, "") == {}


class Table:
    """A player whose answers are right for a known share of the rows, told by policy and draw."""

    holds_for = "a table"
    truth = Truth(np.zeros(1000, np.int32), ("a", "b"), np.arange(1000), np.zeros(1000, np.int8))

    def play(self, policies: list[str], draw: int) -> list[np.ndarray]:
        share = {"": 0.70, "good": 0.80, "bad": 0.60}
        return [(np.arange(1000) >= 1000 * share[one] + draw).astype(np.int32) for one in policies]


def test_policies_are_told_from_none_by_mean_gains_of_draws() -> None:
    none, good, bad = confirm(Table(), {"up": "good", "down": "bad"}, metric="accuracy")  # type: ignore[arg-type]
    assert none.gain is None and none.score == pytest.approx(0.7015)  # 701 and 702 right
    assert good.gain is not None and good.gain.difference == pytest.approx(0.1)
    assert (good.gain.verdict, bad.gain and bad.gain.verdict) == ("better", "worse")
    # Rows alone, as both draws gain the same: 100 of 1,000 rows.
    assert good.gain.stderr == pytest.approx(np.sqrt(0.1 * 0.9 / 1000), rel=0.1)
