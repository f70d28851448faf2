"""L-BFGS with a guess of the wrong size: few passes, the minimum in closed form, no fault where passes run out."""

from __future__ import annotations

import numpy as np
import pytest

from medalist.training.heads.descent import Descent, lbfgs, together


def quadratic(size: int) -> tuple[np.ndarray, np.ndarray]:
    """A positive definite matrix with curvatures from 1 to 100, and a right side."""
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.normal(size=(size, size)))
    return basis * np.geomspace(1, 100, size) @ basis.T, rng.normal(size=(size, 1))


def passes_of(descent: Descent, matrix: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, int]:
    """What it returned, and how many gradients it asked for."""
    asked = []

    def gradients(points: dict[int, np.ndarray]) -> list[np.ndarray]:
        asked.append(points)
        return [matrix @ point - right for point in points.values()]

    (found,) = together([descent], gradients)
    return found, len(asked)


@pytest.mark.parametrize("factor", [0.02, 1.0, 30.0])
def test_a_guess_of_any_size_serves_as_well(factor: float) -> None:
    matrix, right = quadratic(20)
    inverse = factor / np.diag(matrix)[:, None]
    found, passes = passes_of(lbfgs(np.zeros((20, 1)), lambda out: out * inverse, 1e-10, 200), matrix, right)
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right), atol=1e-4)
    assert passes <= 70  # without the scale they are 345, 55 and 81


def test_passes_that_run_out_leave_the_best_point_so_far() -> None:
    matrix, right = quadratic(20)
    found, passes = passes_of(lbfgs(np.zeros((20, 1)), lambda out: 0.01 * out, 1e-10, 5), matrix, right)
    assert passes == 5
    value, start = (float((0.5 * w.T @ matrix @ w - right.T @ w)[0, 0]) for w in (found, np.zeros((20, 1))))
    assert value < start


def test_a_slope_that_never_ends_is_followed_until_passes_run_out() -> None:
    found, passes = passes_of(lbfgs(np.zeros((1, 1)), lambda out: out, 1e-10, 4), np.zeros((1, 1)), np.ones((1, 1)))
    assert passes == 4 and found[0, 0] > 1
