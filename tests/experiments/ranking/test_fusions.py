"""Fusions: which pairs and trios are run, and what the best of them gains without the luck of having been picked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from medalist.evidence import compare
from medalist.experiments.arms import Arm, Done
from medalist.experiments.ranking.candidates import Candidate
from medalist.experiments.ranking.fusions import Fusions, Sight, against_single, fuse, gain_of_fusing, grown
from medalist.experiments.ranking.screen import Look
from medalist.pipeline.decide import Truth
from medalist.recipe import load_recipe

A, B, C, D, E, F, G = (Candidate(name, ()) for name in "ABCDEFG")
WORTH = {"A": 1.0, "B": 0.9, "C": 0.1, "D": 0.85, "E": 0.2, "F": 0.8, "G": 5.0}


def done(name: str, answers_N: np.ndarray, truth_N: np.ndarray, metric: str = "accuracy") -> Done:
    rows = np.arange(len(truth_N))
    truth = Truth(truth_N, ("a", "b"), rows, rows % 5)
    score = float(np.mean(answers_N == truth_N)) if answers_N.ndim == 1 else 0.0
    summary: Any = SimpleNamespace(score=score)
    return Done(Arm(name, load_recipe(metric=metric)), Path(name), tuple(map(str, rows)), summary, truth, answers_N)


class Bench:
    """Runs and looks whose score is the sum of what the members are worth; it remembers what was asked."""

    def __init__(self) -> None:
        self.run_names, self.look_names = list[str](), list[str]()

    def run(self, sights: Sequence[Sight]) -> list[Any]:
        names = ["".join(one.name for one in sight) for sight in sights]
        self.run_names += names
        return [SimpleNamespace(summary=SimpleNamespace(score=sum(WORTH[c] for c in name))) for name in names]

    def look(self, sights: Sequence[Sight]) -> list[Look]:
        names = ["".join(one.name for one in sight) for sight in sights]
        self.look_names += names
        return [Look(tuple(name), sum(WORTH[c] for c in name), 0.1, 100) for name in names]


def test_three_backbones_give_all_pairs_and_the_trio_without_a_quick_look() -> None:
    bench = Bench()
    found = fuse((A, B, C), bench.run, bench.look, "accuracy")
    assert bench.run_names == ["AB", "AC", "BC", "ABC"]
    assert bench.look_names == [] and found.looks == () and found.tried == 4


def test_of_many_only_the_best_six_are_fused_and_the_quick_look_chooses() -> None:
    bench = Bench()
    found = fuse((A, B, D, F, E, C, G), bench.run, bench.look, "accuracy")
    assert not any("G" in name for name in [*bench.run_names, *bench.look_names])
    pairs, trios = ([name for name in bench.run_names if len(name) == k] for k in (2, 3))
    assert pairs == ["AB", "AD", "AF", "BD", "BF", "DF"]  # the six of fifteen that are worth most
    assert trios == ["ABD", "ABF", "ADF"]  # grown from AB, AD, AF
    # 15 pairs and AB, AD, AF each with 4 others, of which ABD, ABF, ADF come from two pairs.
    assert len(bench.look_names) == 15 + 9 == found.tried
    assert sorted("".join(look.names) for look in found.looks if look.kept) == sorted([*pairs, *trios])


def test_lower_is_better_where_the_metric_says_so() -> None:
    bench = Bench()
    fuse((C, E, F, D, B, A), bench.run, bench.look, "log_loss")
    assert "EC" in bench.run_names or "CE" in bench.run_names
    assert "BA" not in bench.run_names


def test_a_trio_that_two_pairs_grow_into_comes_once() -> None:
    assert grown([(A, B), (B, C)], (A, B, C, D)) == [(A, B, C), (A, B, D), (B, C, D)]


def test_holm_counts_fusions_that_were_only_looked_at() -> None:
    truth_N = np.zeros(200, int)
    single_N, fused_N = truth_N.copy(), truth_N.copy()
    single_N[:9] = 1
    single, one = done("single", single_N, truth_N), done("one", fused_N, truth_N)
    alone = compare("accuracy", truth_N, fused_N, single_N, groups=np.arange(200))
    few = against_single(single, Fusions((one,), (), 1))["one"]
    many = against_single(single, Fusions((one,), (), 30))["one"]
    assert few.p == alone.p and few.verdict == "better"
    assert many.p == pytest.approx(30 * alone.p)
    assert many.p > 0.05 and many.verdict == "not distinguishable"
    assert many.difference == few.difference


def test_picking_among_equals_gains_nothing_and_is_not_called_a_gain() -> None:
    """Twenty fusions and three singles, all as good: the best fusion seems better; the honest gain is none."""
    rng, found, naive = np.random.default_rng(0), [], []
    for _ in range(40):
        truth_N = np.zeros(300, int)
        arms = [done(str(i), (rng.random(300) < 0.3).astype(int), truth_N) for i in range(23)]
        found.append(gain_of_fusing(arms[:3], arms[3:], rounds=200))
        naive.append(max(arm.summary.score for arm in arms[3:]) - max(arm.summary.score for arm in arms[:3]))
    gains = [one.difference for one in found]
    assert np.mean(naive) > 0.015
    assert abs(np.mean(gains)) < 2.5 * np.std(gains) / np.sqrt(40)
    assert sum(one.verdict in ("better", "worse") for one in found) <= 3


@pytest.mark.slow
def test_false_gains_are_rare_where_arms_share_their_hard_rows() -> None:
    rng, verdicts = np.random.default_rng(3), []
    for _ in range(200):
        truth_N, hard_N = np.zeros(600, int), rng.normal(size=600)
        arms = [done(str(i), (hard_N + 0.3 * rng.normal(size=600) > 0.9).astype(int), truth_N) for i in range(7)]
        verdicts.append(gain_of_fusing(arms[:3], arms[3:], rounds=300).verdict)
    assert sum(verdict in ("better", "worse") for verdict in verdicts) <= 16


def test_between_two_arms_alone_there_is_nothing_to_pick() -> None:
    """The gain is then the ordinary paired difference, and its error that one's."""
    rng, truth_N = np.random.default_rng(2), np.zeros(400, int)
    single_N, fused_N = ((rng.random(400) < wrong).astype(int) for wrong in (0.3, 0.2))
    found = gain_of_fusing([done("s", single_N, truth_N)], [done("f", fused_N, truth_N)])
    plain = compare("accuracy", truth_N, fused_N, single_N)
    assert found.difference == pytest.approx(plain.difference, abs=0.2 * plain.stderr)
    assert found.stderr == pytest.approx(plain.stderr, rel=0.1)


def test_lower_losses_are_gains() -> None:
    truth_N = np.arange(200) % 2
    sure_N2, unsure_N2 = (np.stack([1 - p, p], axis=1) for p in (0.2 + 0.6 * truth_N, 0.4 + 0.2 * truth_N))
    arms = [done(name, prob_N2, truth_N, "log_loss") for name, prob_N2 in (("s", unsure_N2), ("f", sure_N2))]
    found = gain_of_fusing(arms[:1], arms[1:])
    # By hand: -log 0.6 against -log 0.8 on every row.
    assert found.difference == pytest.approx(np.log(0.8 / 0.6)) and found.verdict == "better"


def test_a_true_gain_is_found() -> None:
    rng, truth_N = np.random.default_rng(1), np.zeros(400, int)
    singles = [done(f"s{i}", (rng.random(400) < 0.35).astype(int), truth_N) for i in range(3)]
    fusions = [done(f"f{i}", (rng.random(400) < 0.15).astype(int), truth_N) for i in range(4)]
    found = gain_of_fusing(singles, fusions)
    assert found.verdict == "better" and 0.1 < found.difference < 0.3
