"""Metrics of tag sets against scikit-learn and cases worked by hand."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.metrics import f1_score, fbeta_score, jaccard_score, precision_score, recall_score

from medalist.errors import MismatchError, RecipeError
from medalist.metrics import f1_macro, f1_micro, f1_samples, metrics

seeds = st.integers(0, 2**32 - 1)
drawn_sets = seeds, st.integers(1, 40), st.integers(2, 9), st.floats(0, 1)
FBETAS = {f"fbeta_{{}}(beta={beta})": (fbeta_score, {"beta": beta}) for beta in (0.5, 1.0, 2.0)}
SCORES: dict[str, tuple[Any, dict[str, float]]] = {
    "precision_{}": (precision_score, {}),
    "recall_{}": (recall_score, {}),
    "f1_{}": (f1_score, {}),
    "jaccard_{}": (jaccard_score, {}),
    **FBETAS,
}


def sets(seed: int, num_rows: int, num_tags: int, density: float) -> tuple[np.ndarray, np.ndarray]:
    y_NC, set_NC = np.random.default_rng(seed).random((2, num_rows, num_tags)) < density
    return y_NC, set_NC


@given(seeds, st.integers(1, 60), st.integers(1, 9), st.floats(0, 1))
def test_f1_samples_is_scikit_learns(seed: int, num_rows: int, num_tags: int, density: float) -> None:
    y_NC, set_NC = sets(seed, num_rows, num_tags, density)
    if num_tags == 1:  # scikit-learn takes one column for binary labels
        y_NC, set_NC = np.repeat(y_NC, 2, axis=1), np.repeat(set_NC, 2, axis=1)
    expected = f1_score(y_NC, set_NC, average="samples", zero_division=1.0)
    assert f1_samples(y_NC, set_NC) == pytest.approx(expected)
    assert f1_samples(csr_array(y_NC), set_NC) == pytest.approx(expected)


@pytest.mark.parametrize("name", SCORES)
@given(*drawn_sets)
@settings(max_examples=30)
def test_samples_are_scikit_learns_but_for_empty_images(
    name: str, seed: int, num_rows: int, num_tags: int, density: float
) -> None:
    y_NC, set_NC = sets(seed, num_rows, num_tags, density)
    function, options = SCORES[name]
    expected = function(y_NC, set_NC, average="samples", zero_division=0, **options)
    expected += (~(y_NC | set_NC).any(axis=1)).mean()  # neither true nor answered tags: 1
    assert metrics.bind(name.format("samples"))(y_NC, set_NC) == pytest.approx(expected)


@pytest.mark.parametrize("name", SCORES)
@given(*drawn_sets)
@settings(max_examples=30)
def test_macro_is_scikit_learns_over_the_tags_that_occur(
    name: str, seed: int, num_rows: int, num_tags: int, density: float
) -> None:
    y_NC, set_NC = sets(seed, num_rows, num_tags, density)
    function, options = SCORES[name]
    share_C = function(y_NC, set_NC, average=None, zero_division=0, **options)
    occurs_C = (y_NC | set_NC).any(axis=0)
    expected = share_C[occurs_C].mean() if occurs_C.any() else 1.0
    assert metrics.bind(name.format("macro"))(csr_array(y_NC), set_NC) == pytest.approx(expected)


@pytest.mark.parametrize("name", [name for name in SCORES if "jaccard" not in name])
@given(*drawn_sets)
@settings(max_examples=30)
def test_micro_is_scikit_learns(name: str, seed: int, num_rows: int, num_tags: int, density: float) -> None:
    y_NC, set_NC = sets(seed, num_rows, num_tags, density)
    function, options = SCORES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = function(y_NC, set_NC, average="micro", zero_division=0, **options)
    expected = expected if (y_NC | set_NC).any() else 1.0
    assert metrics.bind(name.format("micro"))(y_NC, set_NC) == pytest.approx(expected)


def test_f1_of_one_image_by_hand() -> None:
    y_NC = np.array([[True, True, True, False, False]])
    set_NC = np.array([[True, True, False, True, False]])
    assert f1_samples(y_NC, set_NC) == pytest.approx(2 * 2 / (3 + 3))


def test_perfect_answers_score_1_also_with_a_tag_that_nobody_has() -> None:
    y_NC = np.array([[True, False, False], [False, True, False], [False, False, False]])
    assert f1_macro(y_NC, y_NC) == f1_micro(y_NC, y_NC) == f1_samples(y_NC, y_NC) == 1.0
    extra_NC = y_NC.copy()
    extra_NC[0, 2] = True
    assert f1_macro(y_NC, extra_NC) == pytest.approx(2 / 3)


def test_what_does_not_fit_is_refused() -> None:
    for name in ("f1_samples", "f1_macro", "f1_micro"):
        with pytest.raises(MismatchError, match="shape"):
            metrics.bind(name)(np.ones((2, 3), bool), np.ones((2, 4), bool))
    with pytest.raises(RecipeError, match="beta must be above 0"):
        metrics.bind("fbeta_samples(beta=-1)")(np.ones((2, 3), bool), np.ones((2, 3), bool))


def test_beta_weighs_recall() -> None:
    y_NC, set_NC = np.array([[True, True, False]]), np.array([[True, False, False]])
    # precision 1, recall 1/2
    assert metrics.bind("fbeta_samples(beta=2)")(y_NC, set_NC) == pytest.approx(5 * 0.5 / (4 + 0.5))
