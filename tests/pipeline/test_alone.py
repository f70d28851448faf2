"""A blend against its best member: better where members err apart, the same where they are alike, noise is noise."""

from __future__ import annotations

import numpy as np

from medalist.evidence import Comparison
from medalist.metrics import log_loss
from medalist.pipeline.alone import against_best, alone
from medalist.pipeline.chain import Chain
from medalist.predictions import Predictions

FOLD_N = np.arange(1500) % 5


def draw(seed: int, own: float, num_runs: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Members with a common error and each its own."""
    rng = np.random.default_rng(seed)
    y_N = rng.integers(0, 4, 1500)
    logit_NRC = rng.normal(size=(1500, 1, 4)) + own * rng.normal(size=(1500, num_runs, 4))
    logit_NRC[np.arange(1500), :, y_N] += 2
    prob_NRC = np.exp(logit_NRC) / np.exp(logit_NRC).sum(axis=2, keepdims=True)
    return prob_NRC.astype(np.float32), y_N


def beside(prob_NRC: np.ndarray, y_N: np.ndarray, *, metric: str, ensemble: str) -> tuple[Comparison, str]:
    """The blend of the members "a", "b", ... against the best of them."""
    num_rows, num_runs, num_classes = prob_NRC.shape
    ids, chain = tuple(map(str, range(num_rows))), Chain(metric, ensemble, None, tuple("wxyz")[:num_classes])
    nothing = np.empty((1, 0, num_classes), np.float32)
    runs = [
        Predictions(chr(97 + r % 26), ids, (), prob_NRC[:, r], nothing, prob_NRC[:0, r], "prob", "", "")
        for r in range(num_runs)
    ]
    members = [alone(chain, place, run, y_N, FOLD_N) for place, run in enumerate(runs)]
    return against_best(chain, chain.crossfit(prob_NRC, y_N, FOLD_N), members, y_N, FOLD_N, None)


def test_members_that_err_apart_make_a_better_blend() -> None:
    prob_NRC, y_N = draw(0, 1.5)
    for metric, ensemble in (("accuracy", "mean"), ("log_loss", "blend"), ("accuracy", "greedy(rounds=10)")):
        found, sentence = beside(prob_NRC, y_N, metric=metric, ensemble=ensemble)
        assert found.verdict == "better"
        assert "beats its best member" in sentence


def test_members_all_alike_make_none_and_the_sentence_says_so() -> None:
    prob_NRC, y_N = draw(1, 0.02)
    found, sentence = beside(prob_NRC, y_N, metric="accuracy", ensemble="mean")
    assert found.verdict in ("equal", "not distinguishable")
    assert "does not beat its best member" in sentence
    assert {*sentence.split("member, ")[1].partition(", ")[0].split(" or ")} <= set("abcd")


def test_the_best_of_much_noise_has_no_head_start() -> None:
    rng = np.random.default_rng(2)
    prob_NRC = rng.dirichlet(np.ones(4), (1500, 60)).astype(np.float32)
    y_N = rng.integers(0, 4, 1500)
    found, _ = beside(prob_NRC, y_N, metric="accuracy", ensemble="mean")
    assert abs(found.difference) <= 2.5 * found.stderr


def test_a_blend_with_a_bad_member_is_worse_than_the_good_one() -> None:
    prob_NRC, y_N = draw(3, 0.1, 3)
    prob_NRC[:, 1:] = np.roll(prob_NRC[:, 1:], 1, axis=2)
    found, sentence = beside(prob_NRC, y_N, metric="accuracy", ensemble="mean")
    assert found.verdict == "worse"
    assert "its best member, a:" in sentence
    assert "answer with that member alone" in sentence


def test_with_few_rows_a_member_the_rule_is_fitted_on_rows_that_the_weights_did_not_see() -> None:
    """A hundred weak members on 400 rows: weights fit their own rows, and a temperature learnt there is too sure."""
    rng = np.random.default_rng(4)
    gains = []
    for _ in range(3):
        y_N = rng.integers(0, 2, 400)
        logit_NR = 0.4 * (2 * y_N[:, None] - 1) + 1.5 * rng.normal(size=(400, 100)) + 0.8 * rng.normal(size=(400, 1))
        prob_NRC = np.stack([1 / (1 + np.exp(logit_NR)), 1 / (1 + np.exp(-logit_NR))], axis=2).astype(np.float32)
        chain, fold_N = Chain("log_loss", "blend", None, ("a", "b")), np.arange(400) % 5
        found = chain.crossfit(prob_NRC, y_N, fold_N)
        assert found.state["rule_rows"] == "unseen by the blend"
        alone_fold = np.zeros(400, int)  # with nothing to cross-fit on, the rule sees the blend's own rows
        states = [chain.fit(prob_NRC[fold_N != k], y_N[fold_N != k], alone_fold[fold_N != k]) for k in range(5)]
        sure_NC = np.concatenate([chain.answers(states[k], prob_NRC[fold_N == k]) for k in range(5)])
        truth_N = np.concatenate([y_N[fold_N == k] for k in range(5)])
        gains.append(log_loss(truth_N, sure_NC) - log_loss(y_N, found.answers_N))
    assert min(gains) > 0
    assert np.mean(gains) > 0.005
