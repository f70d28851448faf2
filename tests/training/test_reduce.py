"""Standardising and rotating: an isometry of the training rows, with nothing learnt from labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from medalist.training.reduce import Standard, rotate, standard


@pytest.mark.parametrize("shape", [(30, 100), (100, 30)])
def test_rotation_keeps_inner_products(shape: tuple[int, int]) -> None:
    z = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    x, basis = rotate(z)
    assert x.shape == (shape[0], 30)
    np.testing.assert_allclose(x @ x.T, z @ z.T, atol=1e-3)
    np.testing.assert_allclose(z @ basis, x, atol=1e-3)
    np.testing.assert_allclose(basis.T @ basis, np.eye(30), atol=1e-4)


def test_standard_is_scikit_learns_and_survives_constant_columns() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    x[:, 2] = 7.3
    np.testing.assert_allclose(standard(x)(x), StandardScaler().fit_transform(x), atol=1e-5)


def test_columns_never_negative_are_rooted_also_after_saving() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    x[:, 0] = x[:, 0] ** 2
    scaling = standard(x)
    assert scaling.root_D.tolist() == [True, False, False]
    rooted = np.column_stack([np.sqrt(x[:, 0]), x[:, 1:]])
    np.testing.assert_allclose(scaling(x), StandardScaler().fit_transform(rooted), atol=1e-5)
    assert Standard.from_state(scaling.state())(-x).tobytes() == scaling(-x).tobytes()
