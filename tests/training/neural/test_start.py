"""Starts: the exact solution's logits, and a short training on features that learns, repeats itself and keeps still."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression

from medalist.errors import RecipeError
from medalist.training.losses import losses
from medalist.training.neural import start
from medalist.training.neural.answers import head_state, neural_predict
from medalist.training.neural.heads import neural


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small matrices cost more to share out than to multiply."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def features(num_rows: int = 150, num_views: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Raw features on very different scales, one of them constant, around the centres of four classes."""
    rng = np.random.default_rng(5)
    y = rng.integers(4, size=num_rows)
    x = rng.normal(size=(4, 20))[y] + 0.5 * rng.normal(size=(num_views, num_rows, 20))
    x = 3 + x * np.geomspace(0.01, 100, 20)
    x[:, :, 7] = 1.25
    return x.astype(np.float32), y.astype(np.int32)


def test_linear_starts_at_the_exact_solution() -> None:
    x, y = features()
    reference = LogisticRegression(C=0.1, max_iter=500).fit(x[0] / 100, y)
    module = neural.bind("linear")(20, 4, seed=0)
    weight_DC, bias_C = reference.coef_.T / 100, reference.intercept_
    start.from_linear(module, weight_DC, bias_C)
    with torch.no_grad():
        logits = module(torch.from_numpy(x[0])).numpy()
    np.testing.assert_allclose(logits, reference.decision_function(x[0].astype(float) / 100), atol=1e-5)
    state = head_state(module, tags=False)
    np.testing.assert_allclose(neural_predict(state, x[0]), reference.predict_proba(x[0] / 100), atol=1e-5)


@pytest.mark.parametrize("call", ["dense", "arcface"])
def test_other_heads_have_no_exact_solution(call: str) -> None:
    with pytest.raises(RecipeError, match="only `head: linear`"):
        start.from_linear(neural.bind(call)(20, 4, seed=0), np.zeros((20, 4)), np.zeros(4))


def trained(call: str, x: np.ndarray, y: Any, loss: str, **arguments: Any) -> tuple[dict[str, np.ndarray], list[float]]:
    module = neural.bind(call)(x.shape[2], 4, seed=1)
    rate = {"lr": neural.bind(call).facts["lr"], **arguments}
    curve = start.by_training(module, x, y, losses.bind(loss), num_classes=4, seed=2, **rate)
    assert not module.training
    return head_state(module, tags=loss == "bce"), curve


@pytest.mark.parametrize("call", ["linear", "dense(units=64)", "dense(units=64, dropout_in=0.2)", "arcface"])
def test_training_on_features_learns_what_a_new_view_shows(call: str) -> None:
    x, y = features(num_views=3)
    state, curve = trained(call, x[:2], y, "cross_entropy", epochs=30, lr=1e-2)
    assert (neural_predict(state, x[2]).argmax(axis=1) == y).mean() > 0.95
    assert len(curve) == 30 and np.mean(curve[-5:]) < np.mean(curve[:5])


def test_tags_are_learnt_dense_and_sparse_alike() -> None:
    x, y = features(num_views=3)
    tags = np.eye(4, dtype=bool)[y] | np.eye(4, dtype=bool)[(y + (y > 1)) % 4]
    states = [trained("dense(units=64)", x[:2], t, "bce", epochs=30, lr=1e-2)[0] for t in (tags, csr_array(tags))]
    assert states[0]["weight0_DC"].tobytes() == states[1]["weight0_DC"].tobytes()
    assert ((neural_predict(states[0], x[2]) > 0.5) == tags).mean() > 0.95


@pytest.mark.parametrize("call", ["dense(units=16)", "arcface"])
def test_the_same_bytes_again_and_the_global_seed_untouched(call: str) -> None:
    x, y = features(60)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[union-attr]
    (first, curve), (again, same) = (trained(call, x, y, "cross_entropy", epochs=3) for _ in range(2))
    assert all(first[key].tobytes() == again[key].tobytes() for key in first) and curve == same
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # type: ignore[union-attr]


def test_every_view_is_seen_and_the_constant_feature_does_no_harm() -> None:
    x, y = features(60)
    x[1] = np.nan_to_num(x[1] * 0) + 1000 * np.arange(20)
    plain, _ = trained("linear", x[:1], y, "cross_entropy", epochs=2)
    both, _ = trained("linear", x, y, "cross_entropy", epochs=2)
    assert plain["scale_D"][7] == 1 and np.isfinite(neural_predict(plain, x[0])).all()
    np.testing.assert_allclose(both["shift_D"], x.mean(axis=(0, 1)), rtol=1e-4)
