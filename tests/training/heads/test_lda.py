"""`lda` against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.covariance import ShrunkCovariance, ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from medalist.errors import RecipeError
from medalist.training.heads.contract import LinearFit, link
from medalist.training.heads.lda import LdaProblem, ledoit_wolf
from medalist.training.reduce import rotate, standard


def rows(num_rows: int, num_features: int, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Classes of unequal size, features correlated and standardised."""
    rng = np.random.default_rng(3)
    y = np.minimum(np.arange(num_rows) % (num_classes + 1), num_classes - 1)
    x = 0.7 * rng.normal(size=(num_classes, num_features))[y] + rng.normal(size=(num_rows, num_features))
    x = (x @ rng.normal(size=(num_features, num_features))).astype(np.float32)
    return standard(x, root=False)(x), y.astype(np.int32)


def prob(fit: LinearFit, x_NR: np.ndarray) -> np.ndarray:
    return link(x_NR @ fit.weight_DC + fit.bias_C + fit.offset_C, tags=False)


@pytest.mark.parametrize(("num_features", "num_classes"), [(8, 2), (8, 4), (200, 2), (200, 4)])
@pytest.mark.parametrize("shrinkage", [0.9, 0.1])
def test_posteriors_are_scikit_learns_at_a_shrinkage(num_features: int, num_classes: int, shrinkage: float) -> None:
    z, y = rows(150, num_features, num_classes)
    x_NR, _ = rotate(z)
    train = np.arange(100)
    (fit,) = LdaProblem(x_NR, y, num_classes).path(train, [shrinkage])
    # Of all classes' covariances the one over D is theirs, too: shrunk first and pooled then is the same.
    reference = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=ShrunkCovariance(shrinkage=shrinkage))
    reference.fit(z[train].astype(float), y[train])
    np.testing.assert_allclose(prob(fit, x_NR[100:]), reference.predict_proba(z[100:].astype(float)), atol=2e-3)


@pytest.mark.parametrize("num_features", [8, 200])
def test_auto_is_ledoit_and_wolfs_of_the_rows_less_their_class_means(num_features: int) -> None:
    z, y = rows(150, num_features, 3)
    x_NR, _ = rotate(z)
    mean_CD = np.stack([z[y == c].mean(axis=0) for c in range(3)])
    residual = (z - mean_CD[y]).astype(np.float64)
    reference = ledoit_wolf_shrinkage(residual, assume_centered=True)
    fourth = float((residual**2).sum(axis=1) @ (residual**2).sum(axis=1))
    assert ledoit_wolf(residual.T @ residual / 150, num_features, fourth, 150) == pytest.approx(reference)
    one, other = LdaProblem(x_NR, y, 3).path(np.arange(150), ["auto", reference])
    np.testing.assert_allclose(one.weight_DC, other.weight_DC, rtol=1e-3, atol=1e-4)


def test_auto_is_near_scikit_learns_auto_which_shrinks_each_class_by_itself() -> None:
    z, y = rows(3000, 40, 2)
    x_NR, _ = rotate(z)
    (fit,) = LdaProblem(x_NR, y, 2).path(np.arange(2000), ["auto"])
    reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(z[:2000].astype(float), y[:2000])
    ours, theirs = prob(fit, x_NR[2000:]), reference.predict_proba(z[2000:].astype(float))
    assert (ours.argmax(axis=1) == theirs.argmax(axis=1)).mean() > 0.99
    assert np.abs(ours - theirs).mean() < 5e-3


@pytest.mark.parametrize("shrinkage", [0, 1.5, -1.0])
def test_a_shrinkage_outside_its_range_is_refused(shrinkage: Any) -> None:
    z, y = rows(50, 4, 2)
    with pytest.raises(RecipeError, match="above 0 and at most 1"):
        list(LdaProblem(z, y, 2).path(np.arange(50), [shrinkage]))
