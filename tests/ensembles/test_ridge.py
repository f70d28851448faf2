"""`ridge_tags`: correlations between tags are used where there are any, and level 2 is a ridge regression."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from medalist.ensembles import ensembles
from medalist.ensembles.ridge import apply
from medalist.errors import RecipeError


def draw(num_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Tag 1 is the opposite of tag 0, which is seen well; tag 1 itself is hardly seen. Two runs."""
    rng = np.random.default_rng(seed)
    first_N, other_NC = rng.random(num_rows) < 0.4, rng.random((num_rows, 3)) < 0.3
    y_NC = np.column_stack([first_N, ~first_N, other_NC])
    sharp_C = np.array([4.0, 0.3, 2.0, 2.0, 2.0])
    logit = sharp_C * (2 * y_NC - 1) + rng.normal(size=(2, num_rows, 5)) * 1.5
    return (1 / (1 + np.exp(-logit))).transpose(1, 0, 2).astype(np.float32), y_NC


def squared_error(text: str, train: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    bound = ensembles.bind(text)
    answers_NC = bound.facts["apply"](bound(*train), test[0])
    return np.asarray(((answers_NC - test[1]) ** 2).mean(axis=0))


def test_a_tag_that_another_tells_is_learnt_from_it() -> None:
    train, test = draw(2000, 0), draw(2000, 1)
    ridge_C, stack_C = (squared_error(text, train, test) for text in ("ridge_tags", "stack"))
    assert ridge_C[1] < 0.3 * stack_C[1]
    assert (ridge_C[2:] < stack_C[2:] * 1.02).all()


def test_one_level_two_fit_is_scikit_learns_ridge_of_what_level_one_missed() -> None:
    prob_NRC, y_NC = draw(400, 2)
    state = ensembles.bind("ridge_tags(penalty=0.01)")(prob_NRC, y_NC)
    x_NF = prob_NRC.reshape(400, -1).astype(np.float64)
    level_1_NC = np.einsum("nrc,rc->nc", prob_NRC, state["own"])
    centred_NF = x_NF - x_NF.mean(axis=0)
    alpha = 0.01 * (centred_NF**2).sum() / x_NF.shape[1]
    reference = Ridge(alpha=alpha).fit(x_NF, y_NC - level_1_NC)
    expected_NC = np.clip(level_1_NC + reference.predict(x_NF), 0, 1)
    np.testing.assert_allclose(apply(state, prob_NRC), expected_NC, atol=1e-4)


def test_generalised_cross_validation_is_near_the_best_penalty_of_new_images() -> None:
    train, test = draw(60, 3), draw(4000, 4)
    chosen = squared_error("ridge_tags", train, test).mean()
    by_hand = min(squared_error(f"ridge_tags(penalty={q})", train, test).mean() for q in (1e-3, 0.1, 1.0, 10.0, 1e4))
    assert chosen <= by_hand * 1.1


def test_permuted_tags_gain_nothing() -> None:
    prob_NRC, y_NC = draw(1000, 5)
    y_NC = np.random.default_rng(6).permutation(y_NC)
    error_C = squared_error("ridge_tags", (prob_NRC[:500], y_NC[:500]), (prob_NRC[500:], y_NC[500:]))
    rate_C = y_NC[:500].mean(axis=0)
    assert (error_C >= ((rate_C - y_NC[500:]) ** 2).mean(axis=0) * 0.98).all()


def test_too_many_columns_are_refused() -> None:
    with pytest.raises(RecipeError, match="columns"):
        ensembles.bind("ridge_tags")(np.zeros((2, 3, 1500), np.float32), np.zeros((2, 1500), bool))
