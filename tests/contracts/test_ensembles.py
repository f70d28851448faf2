"""Every ensembler: one run in is the same run out, repeatable, honest by fold, JSON state that redoes the test rows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from medalist.crossfit import crossfit
from medalist.ensembles import Members, ensembles

FOLD_N = np.arange(120) % 4
ALL = ("binary", "multiclass", "tags")
SERVED = [
    (name, tags)
    for name in ensembles
    for tags in (False, True)
    if ("tags" if tags else "multiclass") in ensembles.bind(name).facts.get("tasks", ALL)
]


def make(num_runs: int, *, tags: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Runs (N, R, C) that are right more often than not, and the truth."""
    y = np.arange(120) % 3
    target = np.eye(3)[y] if not tags else np.eye(3)[y] + np.eye(3)[np.arange(120) // 3 % 3] > 0
    noise = [np.random.default_rng(seed).normal(size=(120, 3)) for seed in range(num_runs)]
    logit = 2 * target[:, None] + np.stack(noise, axis=1)
    prob = 1 / (1 + np.exp(1 - logit)) if tags else np.exp(logit) / np.exp(logit).sum(axis=2, keepdims=True)
    return prob.astype(np.float32), target if tags else y


def fitted(name: str, prob_NRC: Any, y: np.ndarray, tags: bool) -> dict[str, Any]:
    """As a chain fits: with the metric, where the ensembler asks for it."""
    bound = ensembles.bind(name)
    steer = {"metric": "f1_samples" if tags else "accuracy", "rule": None, "seed": 3}
    return bound(prob_NRC, y, **(steer if bound.facts.get("steered") else {}))


def crossfitted(name: str, prob_NRC: Any, y: np.ndarray, tags: bool) -> tuple[np.ndarray, dict[str, Any]]:
    """Rows of each fold by a state of the other folds, and the state of all rows."""
    apply = ensembles.bind(name).facts["apply"]
    return crossfit(lambda prob, truth: fitted(name, prob, truth, tags), apply, prob_NRC, y, FOLD_N)


@pytest.mark.parametrize(("name", "tags"), SERVED)
class TestEveryEnsembler:
    def test_one_run_in_is_the_same_run_out(self, name: str, tags: bool) -> None:
        prob_N1C, y = make(1, tags=tags)
        answers = ensembles.bind(name).facts["apply"](fitted(name, prob_N1C, y, tags), prob_N1C)
        assert answers.dtype == np.float32 and answers.shape == (120, 3)
        if not ensembles.bind(name).facts.get("bends"):
            np.testing.assert_array_equal(answers, prob_N1C[:, 0])

    def test_is_repeatable_and_gives_probabilities(self, name: str, tags: bool) -> None:
        prob_NRC, y = make(3, tags=tags)
        (first, state), (second, again) = (crossfitted(name, prob_NRC, y, tags) for _ in range(2))
        assert first.tobytes() == second.tobytes() and state == again
        assert first.shape == (120, 3) and first.dtype == np.float32
        if not tags:
            np.testing.assert_allclose(first.sum(axis=1), 1, atol=1e-5)
        assert (first >= 0).all() and (first <= 1).all()

    def test_the_state_is_json_and_answers_the_same_from_it(self, name: str, tags: bool) -> None:
        prob_NRC, y = make(2, tags=tags)
        apply, state = ensembles.bind(name).facts["apply"], fitted(name, prob_NRC, y, tags)
        read = json.loads(json.dumps(state, allow_nan=False))
        np.testing.assert_array_equal(apply(read, prob_NRC[:5]), apply(state, prob_NRC[:5]))

    def test_members_on_disk_and_a_dense_array_give_the_same(self, name: str, tags: bool, tmp_path: Any) -> None:
        dense_NRC, y = make(3, tags=tags)
        for r in range(3):
            np.save(tmp_path / f"{r}.npy", dense_NRC[:, r])
        members = Members([np.load(tmp_path / f"{r}.npy", mmap_mode="r") for r in range(3)])
        apply, rows = ensembles.bind(name).facts["apply"], FOLD_N != 1
        one, two = (apply(fitted(name, prob[rows], y[rows], tags), prob) for prob in (members, dense_NRC))
        np.testing.assert_array_equal(one, two)

    def test_sparse_tags_are_as_good_as_dense_ones(self, name: str, tags: bool) -> None:
        prob_NRC, y = make(3, tags=tags)
        members = Members(list(prob_NRC.transpose(1, 0, 2)))
        one, two = (fitted(name, members, truth, tags) for truth in (csr_array(y) if tags else y, y))
        assert one == two

    def test_an_image_is_answered_alike_alone_and_among_others(self, name: str, tags: bool) -> None:
        prob_NRC, y = make(3, tags=tags)
        apply, state = ensembles.bind(name).facts["apply"], fitted(name, prob_NRC, y, tags)
        np.testing.assert_allclose(apply(state, prob_NRC[7:8])[0], apply(state, prob_NRC)[7], atol=1e-6)

    def test_rows_of_a_fold_do_not_depend_on_their_own_labels(self, name: str, tags: bool) -> None:
        prob_NRC, y = make(2, tags=tags)
        other = np.where((FOLD_N == 2)[:, None] if tags else FOLD_N == 2, y[::-1], y)
        one, two = (crossfitted(name, prob_NRC, truth, tags)[0] for truth in (y, other))
        np.testing.assert_array_equal(one[FOLD_N == 2], two[FOLD_N == 2])

    def test_each_member_can_be_asked_alone(self, name: str, tags: bool) -> None:
        bound, (prob_NRC, y) = ensembles.bind(name), make(3, tags=tags)
        own = bound.facts.get("alone", lambda arguments, r: arguments)(bound.arguments, 2)
        prob_N1C = prob_NRC[:, 2:]
        assert bound.facts["apply"](bound(prob_N1C, y, **own), prob_N1C).shape == (120, 3)
