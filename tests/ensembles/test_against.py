"""A blend against its best member: better where members err apart, the same where they are alike, noise is noise."""

from __future__ import annotations

import numpy as np

from medalist.ensembles import against_best

FOLD_N = np.arange(1500) % 5


def draw(seed: int, own: float, num_runs: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Members with a common error and each its own."""
    rng = np.random.default_rng(seed)
    y_N = rng.integers(0, 4, 1500)
    logit_NRC = rng.normal(size=(1500, 1, 4)) + own * rng.normal(size=(1500, num_runs, 4))
    logit_NRC[np.arange(1500), :, y_N] += 2
    prob_NRC = np.exp(logit_NRC) / np.exp(logit_NRC).sum(axis=2, keepdims=True)
    return prob_NRC.astype(np.float32), y_N


def test_members_that_err_apart_make_a_better_blend() -> None:
    prob_NRC, y_N = draw(0, 1.5)
    for metric, ensemble in (("accuracy", "mean"), ("log_loss", "blend"), ("accuracy", "greedy(rounds=10)")):
        found = against_best(prob_NRC, y_N, FOLD_N, metric=metric, ensemble=ensemble)
        assert found.comparison.verdict == "better"
        assert "beats its best member" in found.sentence
        assert len(found.best_K) == 5


def test_members_all_alike_make_none_and_the_sentence_says_so() -> None:
    prob_NRC, y_N = draw(1, 0.02)
    found = against_best(prob_NRC, y_N, FOLD_N, metric="accuracy", ensemble="mean", names=list("abcd"))
    assert found.comparison.verdict in ("equal", "not distinguishable")
    assert "does not beat its best member" in found.sentence
    assert {*found.sentence.split("member, ")[1].split(", by")[0].split(" or ")} <= set("abcd")


def test_the_best_of_much_noise_has_no_head_start() -> None:
    rng = np.random.default_rng(2)
    prob_NRC = rng.dirichlet(np.ones(4), (1500, 60)).astype(np.float32)
    y_N = rng.integers(0, 4, 1500)
    found = against_best(prob_NRC, y_N, FOLD_N, metric="accuracy", ensemble="mean")
    assert abs(found.comparison.difference) <= 2.5 * found.comparison.stderr


def test_a_blend_with_a_bad_member_is_worse_than_the_good_one() -> None:
    prob_NRC, y_N = draw(3, 0.1, 3)
    prob_NRC[:, 1:] = np.roll(prob_NRC[:, 1:], 1, axis=2)
    found = against_best(prob_NRC, y_N, FOLD_N, metric="accuracy", ensemble="mean")
    assert found.best_K == (0, 0, 0, 0, 0)
    assert found.comparison.verdict == "worse" and "answer with that member alone" in found.sentence
