"""`blend`: the weights of a log-linear pool, against cases with a known answer."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from medalist.ensembles import ensembles
from medalist.ensembles.blend import apply


def binary_runs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 4000)
    logit_NR = (2 * y[:, None] - 1) * np.array([1.0, 0.5]) + rng.normal(size=(4000, 2))
    prob_NR = 1 / (1 + np.exp(-logit_NR))
    return y, logit_NR, np.stack([1 - prob_NR, prob_NR], axis=2).astype(np.float32)


def test_weights_are_those_of_a_logistic_regression_on_logits() -> None:
    y, logit_NR, prob_NRC = binary_runs()
    state = ensembles.bind("blend(pull=0)")(prob_NRC, y)
    reference = LogisticRegression(C=1e9, fit_intercept=False).fit(logit_NR, y)
    np.testing.assert_allclose(state["weights"], reference.coef_[0], rtol=1e-2)
    np.testing.assert_allclose(apply(state, prob_NRC), reference.predict_proba(logit_NR), atol=5e-3)


def test_noise_gets_no_weight_and_no_run_a_negative_one() -> None:
    y, _, prob_NRC = binary_runs()
    against = prob_NRC[:, :1, ::-1]
    weights = ensembles.bind("blend(pull=0)")(np.concatenate([prob_NRC, against], axis=1), y)["weights"]
    assert min(weights) == 0.0


def test_a_strong_pull_gives_equal_weights_and_zeros_are_survived() -> None:
    y, _, prob_NRC = binary_runs()
    prob_NRC[:5] = [0.0, 1.0]
    state = ensembles.bind("blend(pull=1e9)")(prob_NRC, y)
    np.testing.assert_allclose(state["weights"], 0.5, atol=1e-4)
    assert np.isfinite(apply(state, prob_NRC)).all()
