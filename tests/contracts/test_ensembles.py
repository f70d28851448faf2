"""Every ensembler: one run in is the same run out, repeatable, honest by fold, JSON state that redoes the test rows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from medalist.ensembles import Members, combine, ensembles
from medalist.errors import MismatchError
from medalist.predictions import Predictions

FOLD_N = np.arange(120) % 4
ALL = ("binary", "multiclass", "tags")
SERVED = [
    (name, tags)
    for name in ensembles
    for tags in (False, True)
    if ("tags" if tags else "multiclass") in ensembles.bind(name).facts.get("tasks", ALL)
]


def make(name: str, seed: int, *, tags: bool = False) -> tuple[Predictions, np.ndarray]:
    """A run that is right more often than not; the truth is the same for every seed."""
    y = np.arange(120) % 3
    target = np.eye(3)[y] if not tags else np.eye(3)[y] + np.eye(3)[np.arange(120) // 3 % 3] > 0
    logit = 2 * target + np.random.default_rng(seed).normal(size=(120, 3))
    prob = 1 / (1 + np.exp(1 - logit)) if tags else np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    prob = prob.astype(np.float32)
    ids = tuple(f"{i:03}" for i in range(120))
    test = np.stack([prob[:5], prob[5:10]])
    return Predictions(name, ids, tuple("abcde"), prob, test, prob, "prob", "classes", "folds"), target if tags else y


def fitted(name: str, prob_NRC: Any, y: np.ndarray, tags: bool) -> dict[str, Any]:
    """As a chain fits: with the metric, where the ensembler asks for it."""
    bound = ensembles.bind(name)
    steer = {"metric": "f1_samples" if tags else "accuracy", "rule": None, "seed": 3}
    return bound(prob_NRC, y, **(steer if bound.facts.get("steered") else {}))


@pytest.mark.parametrize(("name", "tags"), SERVED)
class TestEveryEnsembler:
    def test_one_run_in_is_the_same_run_out(self, name: str, tags: bool) -> None:
        run, y = make("a", 1, tags=tags)
        assert combine(ensembles.bind(name), [run], y, fold_N=FOLD_N) is run
        answers = ensembles.bind(name).facts["apply"](fitted(name, run.oof_NC[:, None], y, tags), run.oof_NC[:, None])
        assert answers.dtype == np.float32 and answers.shape == run.oof_NC.shape
        if not ensembles.bind(name).facts.get("bends"):
            np.testing.assert_array_equal(answers, run.oof_NC)

    def test_is_repeatable_and_gives_probabilities(self, name: str, tags: bool) -> None:
        runs, y = [make(text, seed, tags=tags)[0] for seed, text in enumerate("abc")], make("a", 0, tags=tags)[1]
        first, second = (combine(ensembles.bind(name), runs, y, fold_N=FOLD_N) for _ in range(2))
        assert first.oof_NC.tobytes() == second.oof_NC.tobytes()
        assert first.test_KMC.shape == (1, 5, 3)
        assert first.oof_NC.dtype == np.float32
        if not tags:
            np.testing.assert_allclose(first.oof_NC.sum(axis=1), 1, atol=1e-5)
        assert (first.oof_NC >= 0).all() and (first.oof_NC <= 1).all()

    def test_the_state_is_json_and_redoes_the_test_rows(self, name: str, tags: bool) -> None:
        runs, y = [make(text, seed, tags=tags)[0] for seed, text in enumerate("ab")], make("a", 0, tags=tags)[1]
        blended = combine(ensembles.bind(name), runs, y, fold_N=FOLD_N)
        prob_MRC = np.stack([run.test_KMC.mean(axis=0) for run in runs], axis=1)
        state = json.loads(json.dumps(blended.meta, allow_nan=False))
        np.testing.assert_array_equal(ensembles.bind(name).facts["apply"](state, prob_MRC), blended.test_KMC[0])

    def test_members_on_disk_and_a_dense_array_give_the_same(self, name: str, tags: bool, tmp_path: Any) -> None:
        runs, y = [make(text, seed, tags=tags)[0] for seed, text in enumerate("abc")], make("a", 0, tags=tags)[1]
        for run in runs:
            np.save(tmp_path / f"{run.name}.npy", run.oof_NC)
        members = Members([np.load(tmp_path / f"{run.name}.npy", mmap_mode="r") for run in runs])
        apply, dense = ensembles.bind(name).facts["apply"], np.stack([run.oof_NC for run in runs], axis=1)
        one, two = (apply(fitted(name, prob[FOLD_N != 1], y[FOLD_N != 1], tags), prob) for prob in (members, dense))
        np.testing.assert_array_equal(one, two)

    def test_sparse_tags_are_as_good_as_dense_ones(self, name: str, tags: bool) -> None:
        runs, y = [make(text, seed, tags=tags)[0] for seed, text in enumerate("abc")], make("a", 0, tags=tags)[1]
        prob_NRC, sparse = np.stack([run.oof_NC for run in runs], axis=1), csr_array(y) if tags else y
        one, two = (fitted(name, Members(list(prob_NRC.transpose(1, 0, 2))), truth, tags) for truth in (sparse, y))
        assert one == two

    def test_an_image_is_answered_alike_alone_and_among_others(self, name: str, tags: bool) -> None:
        runs, y = [make(text, seed, tags=tags)[0] for seed, text in enumerate("abc")], make("a", 0, tags=tags)[1]
        prob_NRC = np.stack([run.oof_NC for run in runs], axis=1)
        apply, state = ensembles.bind(name).facts["apply"], fitted(name, prob_NRC, y, tags)
        np.testing.assert_allclose(apply(state, prob_NRC[7:8])[0], apply(state, prob_NRC)[7], atol=1e-6)

    def test_rows_of_a_fold_do_not_depend_on_their_own_labels(self, name: str, tags: bool) -> None:
        runs, y = [make(text, seed, tags=tags)[0] for seed, text in enumerate("ab")], make("a", 0, tags=tags)[1]
        other = np.where((FOLD_N == 2)[:, None] if tags else FOLD_N == 2, y[::-1], y)
        one, two = (combine(ensembles.bind(name), runs, truth, fold_N=FOLD_N).oof_NC for truth in (y, other))
        np.testing.assert_array_equal(one[FOLD_N == 2], two[FOLD_N == 2])


def test_runs_of_other_folds_or_no_runs_are_refused() -> None:
    run, y = make("a", 1)
    with pytest.raises(MismatchError, match="fold hash"):
        combine(ensembles.bind("blend"), [run, replace(run, fold_hash="other")], y, fold_N=FOLD_N)
    with pytest.raises(MismatchError, match="at least one"):
        combine(ensembles.bind("blend"), [], y, fold_N=FOLD_N)
