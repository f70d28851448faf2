"""`logistic` and `ridge` against scikit-learn, on rows rotated to their principal axes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from medalist.training.heads.contract import link
from medalist.training.heads.logistic import LogisticProblem
from medalist.training.heads.ridge import RidgeProblem
from medalist.training.reduce import rotate, standard


def rows(num_rows: int, num_features: int, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    y = np.arange(num_rows) % num_classes
    x = rng.normal(size=(num_classes, num_features))[y] + 1.5 * rng.normal(size=(num_rows, num_features))
    return standard(x.astype(np.float32), root=False)(x), y.astype(np.int32)


@pytest.mark.parametrize(("num_features", "num_classes"), [(8, 2), (8, 4), (200, 2), (200, 4)])
def test_logistic_is_scikit_learns_at_every_penalty(num_features: int, num_classes: int) -> None:
    z, y = rows(120, num_features, num_classes)
    x_NR, _ = rotate(z)
    train = np.arange(80)
    problem = LogisticProblem(x_NR, y, num_classes)
    c_grid = np.array([1e-4, 1e-2, 1e-1])
    for c, fit in zip(c_grid, problem.path(train, 1 / (c_grid * problem.unit)), strict=True):
        reference = LogisticRegression(C=c, max_iter=5000, tol=1e-8).fit(z[train].astype(float), y[train])
        ours = link(x_NR[80:] @ fit.weight_DC + fit.bias_C, tags=False)
        np.testing.assert_allclose(ours, reference.predict_proba(z[80:].astype(float)), atol=2e-3)


def test_logistic_of_tags_is_one_against_the_rest() -> None:
    z, y = rows(120, 10, 3)
    x_NR, _ = rotate(z)
    tags = np.eye(3, dtype=bool)[y] | np.eye(3, dtype=bool)[y[::-1]]
    problem = LogisticProblem(x_NR, tags, 3)
    (fit,) = problem.path(np.arange(120), (1 / (0.1 * problem.unit),))
    for c in range(3):
        reference = LogisticRegression(C=0.1, tol=1e-8).fit(z.astype(float), tags[:, c]).predict_proba(z)[:, 1]
        np.testing.assert_allclose(link(x_NR @ fit.weight_DC + fit.bias_C, tags=True)[:, c], reference, atol=2e-3)


@pytest.mark.parametrize("num_features", [8, 200])
def test_ridge_is_scikit_learns_without_the_rows_left_out(num_features: int) -> None:
    z, y = rows(120, num_features, 3)
    x_NR, _ = rotate(z)
    train = np.flatnonzero(np.arange(120) % 4)
    problem = RidgeProblem(x_NR, y, 3)
    penalties = (10.0, 0.1)
    for penalty, fit in zip(penalties, problem.path(train, penalties), strict=True):
        reference = Ridge(alpha=penalty * problem.unit).fit(z[train].astype(float), np.eye(3)[y[train]])
        # Ours are scores less the class shares, which the temperature must not touch.
        shares_C = np.bincount(y[train]) / len(train)
        np.testing.assert_allclose(x_NR @ fit.weight_DC + fit.bias_C, reference.predict(z) - shares_C, atol=1e-4)
