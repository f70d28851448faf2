"""Which policies are confirmed, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from medalist.evidence import Comparison
from medalist.experiments.augmenting.confirming import confirm, erasing_for_longer, proposals
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
    none, good, bad = confirm(Table(), {"up": "good", "down": "bad"}, metric="accuracy", screened=9)  # type: ignore[arg-type]
    assert none.gain is None and none.score == pytest.approx(0.7015)  # 701 and 702 right
    assert good.gain is not None and good.gain.difference == pytest.approx(0.1)
    assert (good.gain.verdict, bad.gain and bad.gain.verdict) == ("better", "worse")
    # Rows alone, as both draws gain the same: 100 of 1,000 rows.
    assert good.gain.stderr == pytest.approx(np.sqrt(0.1 * 0.9 / 1000), rel=0.1)


def test_the_pair_is_told_from_what_was_found_better() -> None:
    asked = {"found better": "bad", "and the most promising": "good"}
    _, better, pair = confirm(Table(), asked, metric="accuracy", screened=9)  # type: ignore[arg-type]
    assert better.over is None and pair.over is not None
    assert pair.over.difference == pytest.approx(0.2) and pair.over.verdict == "better"


class Few(Table):
    """Seven rows of 1,000 are won, in each draw the same ones."""

    def play(self, policies: list[str], draw: int) -> list[np.ndarray]:
        return [(np.arange(1000) >= (700 if one else 693)).astype(np.int32) for one in policies]


@pytest.mark.parametrize(("name", "verdict"), [("found better", "better"), ("most promising", "not distinguishable")])
def test_what_was_picked_on_these_rows_counts_how_many_it_was_picked_among(name: str, verdict: str) -> None:
    """Fresh draws are of the same rows: what these did for the best looking of 15 operations, they do again."""
    _, found = confirm(Few(), {name: "flip"}, metric="accuracy", screened=15)  # type: ignore[arg-type]
    assert found.gain is not None and found.gain.difference == pytest.approx(0.007)
    assert found.gain.verdict == verdict


@dataclass
class Longer(Table):
    """A player of trainings: erasing wins 3 % in the one draw and loses as much in the other."""

    longer: int = 1
    done: list[Any] = field(default_factory=list)

    def play(self, policies: list[str], draw: int) -> list[np.ndarray]:
        assert self.longer == 2
        moved = {1: 30, 2: -30}[draw]
        return [(np.arange(1000) >= 700 + moved * ("erasing" in one)).astype(np.int32) for one in policies]


def test_erasing_for_longer_is_judged_in_all_draws() -> None:
    one = "random_erasing"
    without, erased = erasing_for_longer(Longer(), ["flip", one], ["flip", one], metric="accuracy")  # type: ignore[arg-type]
    assert (without.policy, without.gain, erased.policy) == ("flip", None, "flip | random_erasing")
    assert erased.gain is not None and abs(erased.gain.difference) < 1e-12
    assert erased.gain.stderr >= 0.03 and erased.gain.verdict == "equal"  # the spread of the draws is in it
    assert erasing_for_longer(Longer(), ["flip"], [], metric="accuracy") == []  # type: ignore[arg-type]
