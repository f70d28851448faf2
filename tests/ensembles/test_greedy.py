"""Greedy selection: the fast walks against the loop that one would write, honest among noise, any metric inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medalist.crossfit import crossfit
from medalist.decisions.rules import rules
from medalist.ensembles import as_members, ensembles
from medalist.ensembles.argmax import ArgmaxWalk
from medalist.ensembles.greedy import apply
from medalist.errors import RecipeError
from medalist.metrics import metrics


def draw(seed: int, num_rows: int, num_runs: int, num_classes: int, dtype: Any = np.float16) -> Any:
    """Members of differing skill, and the truth."""
    rng = np.random.default_rng(seed)
    y_N = rng.integers(0, num_classes, num_rows)
    logit_NRC = rng.normal(size=(num_rows, num_runs, num_classes)) + rng.normal(size=(num_rows, 1, num_classes))
    logit_NRC[np.arange(num_rows), :, y_N] += rng.uniform(0.5, 2, num_runs)
    prob_NRC = np.exp(logit_NRC) / np.exp(logit_NRC).sum(axis=2, keepdims=True)
    return prob_NRC.astype(dtype), y_N


def loop(prob_NRC: np.ndarray, y: Any, score: Any, rounds: int) -> np.ndarray:
    """Caruana's selection, written out: start with the best, add the best, keep the best point."""
    exact_NRC = prob_NRC.astype(np.float64)
    num_runs = exact_NRC.shape[1]
    taken = [int(np.argmax([score(y, exact_NRC[:, r]) for r in range(num_runs)]))]
    walked = [score(y, exact_NRC[:, taken[0]])]
    for _ in range(rounds):
        sums = [exact_NRC[:, [*taken, r]].sum(axis=1) / (len(taken) + 1) for r in range(num_runs)]
        scores = [score(y, mean_NC) for mean_NC in sums]
        taken.append(int(np.argmax(scores)))
        walked.append(max(scores))
    return np.bincount(taken[: int(np.argmax(walked)) + 1], minlength=num_runs)


def hit_rate(y_N: np.ndarray, mean_NC: np.ndarray) -> float:
    return float((mean_NC.argmax(axis=1) == y_N).mean())


def likelihood(y_N: np.ndarray, mean_NC: np.ndarray) -> float:
    return float(np.log(mean_NC[np.arange(len(y_N)), y_N]).mean())


@pytest.mark.parametrize(("metric", "score"), [("accuracy", hit_rate), ("log_loss", likelihood)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("seed", [0, 1])
def test_fast_walks_choose_as_the_loop_does(metric: str, score: Any, dtype: Any, seed: int) -> None:
    prob_NRC, y_N = draw(seed, 300, 12, 6, dtype)
    state = ensembles.bind("greedy(rounds=25, start=1)")(prob_NRC, y_N, metric=metric)
    count_R = loop(prob_NRC, y_N, score, 25)
    np.testing.assert_allclose(state["weights"], count_R / count_R.sum(), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    most=st.sampled_from([1, 40, 400, 2**20]),
    levels=st.sampled_from([2, 4, 1000]),
    num_classes=st.integers(2, 5),
)
def test_accuracy_with_each_run_added_is_exact_whatever_is_held_and_however_many_tie(
    seed: int, most: int, levels: int, num_classes: int
) -> None:
    rng = np.random.default_rng(seed)
    prob_NRC = (rng.integers(0, levels + 1, (30, 5, num_classes)) / 1024).astype(np.float32)
    y_N, bag_P = rng.integers(0, num_classes, 30), np.array([0, 2, 3])
    walk = ArgmaxWalk(as_members(prob_NRC), y_N, most=most)
    np.testing.assert_array_equal(walk.alone_R, [hit_rate(y_N, prob_NRC[:, r]) for r in range(5)])
    walk.begin(bag_P)
    taken: list[int] = []
    for run in rng.choice(bag_P, 45):
        walk.add(run)
        taken.append(run)
        expected_P = [hit_rate(y_N, prob_NRC[:, [*taken, r]].sum(axis=1)) for r in bag_P]
        np.testing.assert_array_equal(walk.scores_with(), expected_P)
    assert walk.score() == hit_rate(y_N, prob_NRC[:, taken].sum(axis=1))


def test_the_best_point_of_the_walk_is_no_worse_than_the_best_run() -> None:
    prob_NRC, y_N = draw(3, 400, 10, 5, np.float32)
    for text in ("greedy", "greedy(start=4)"):
        state = ensembles.bind(text)(prob_NRC, y_N, metric="accuracy")
        assert hit_rate(y_N, apply(state, prob_NRC)) == pytest.approx(state["scores"][0])
    state = ensembles.bind("greedy")(prob_NRC, y_N, metric="accuracy")
    assert state["scores"][0] >= max(hit_rate(y_N, prob_NRC[:, r]) for r in range(10))


def test_bags_average_selections_and_follow_the_seed() -> None:
    prob_NRC, y_N = draw(4, 300, 9, 4)
    greedy = ensembles.bind("greedy(rounds=10, bags=6)")
    one, same, other = (greedy(prob_NRC, y_N, seed=seed)["weights"] for seed in (1, 1, 2))
    assert one == same != other
    assert sum(one) == pytest.approx(1)
    assert np.count_nonzero(one) > 3


def test_the_rule_inside_steers_any_metric() -> None:
    rng = np.random.default_rng(5)
    y_NC = rng.random((400, 6)) < 0.3
    good = 1 / (1 + np.exp(-(3 * y_NC - 2.5 + rng.normal(size=(4, 400, 6)))))
    noise = rng.random((6, 400, 6))
    prob_NRC = np.concatenate([good, noise]).transpose(1, 0, 2).astype(np.float32)
    state = ensembles.bind("greedy(rounds=10)")(prob_NRC, y_NC, metric="f1_samples", rule="threshold")
    assert sum(state["weights"][:4]) > 0.9
    rule, mean_NC = rules.bind("threshold"), apply(state, prob_NRC)
    sets = rule.facts["apply"](rule(mean_NC, y_NC), mean_NC)
    assert metrics.bind("f1_samples")(y_NC, sets) >= state["scores"][0] - 0.01


def test_log_loss_of_tags_finds_the_run_that_tells_the_truth() -> None:
    rng = np.random.default_rng(6)
    y_NC = rng.random((200, 4)) < 0.4
    told = np.where(y_NC, 0.8, 0.1)
    prob_NRC = np.stack([rng.random((200, 4)), told, rng.random((200, 4))], axis=1).astype(np.float32)
    assert ensembles.bind("greedy")(prob_NRC, y_NC)["weights"] == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_200_members_of_noise_gain_nothing(metric: str) -> None:
    prob_NRC, y_N = draw(7, 2000, 200, 5, np.float32)
    y_N = np.random.default_rng(8).permutation(y_N)
    greedy = ensembles.bind("greedy(rounds=20)")
    oof_NC, state = crossfit(lambda p, t: greedy(p, t, metric=metric), apply, prob_NRC, y_N, np.arange(2000) % 5)
    if metric == "accuracy":
        error = np.sqrt(0.2 * 0.8 / 2000)
        assert abs(hit_rate(y_N, oof_NC) - 0.2) <= 2 * error < state["scores"][0] - 0.2  # what was seen looks better
    else:
        # The labels know nothing of the members: no answer does better than the uniform one.
        gain_N = np.log(oof_NC[np.arange(2000), y_N]) - np.log(0.2)
        assert gain_N.mean() <= 2 * gain_N.std() / np.sqrt(2000)


@pytest.mark.parametrize("text", ["greedy(rounds=-1)", "greedy(bags=0)", "greedy(start=0)", "greedy(rows=0)"])
def test_senseless_options_are_refused(text: str) -> None:
    prob_NRC, y_N = draw(9, 20, 2, 2)
    with pytest.raises(RecipeError, match="at least"):
        ensembles.bind(text)(prob_NRC, y_N)
