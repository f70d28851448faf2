"""Every neural head: a seed decides it, it learns, its arrays answer as its module does, each row by itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from medalist.fitted import Fitted
from medalist.training.losses import losses
from medalist.training.neural import start
from medalist.training.neural.answers import head_state, neural_predict
from medalist.training.neural.heads import draws, neural

CALLS = [*neural, "dense(units=24, layers=3, dropout_in=0.4)"]
CASES = [(call, task) for call in CALLS for task in neural.bind(call).facts["tasks"]]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small matrices cost more to share out than to multiply."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@cache
def made(call: str, task: str) -> tuple[nn.Module, np.ndarray, np.ndarray]:
    """A head that is trained a little, new features, and the labels of its training."""
    rng = np.random.default_rng(1)
    num_classes = 2 if task == "binary" else 4
    y = rng.integers(num_classes, size=300)
    centre_CD = rng.normal(size=(num_classes, 16))
    x_VND = (np.abs(centre_CD[y] + 0.4 * rng.normal(size=(2, 300, 16)) + 1)).astype(np.float32)
    module = neural.bind(call)(16, num_classes, seed=3)
    labels = np.eye(num_classes, dtype=bool)[y] if task == "tags" else y.astype(np.int32)
    loss = losses.bind("bce" if task == "tags" else "cross_entropy")
    start.by_training(module, x_VND[:1], labels, loss, num_classes=num_classes, seed=0, epochs=20, lr=1e-2)
    return module, x_VND[1], labels


@pytest.mark.parametrize(("call", "task"), CASES)
def test_arrays_answer_as_the_module_does_and_both_have_learnt(call: str, task: str, tmp_path: Path) -> None:
    module, x_ND, y = made(call, task)
    with torch.no_grad():
        logits_NC = module.eval()(torch.from_numpy(x_ND)).double()
    expected = logits_NC.sigmoid() if task == "tags" else logits_NC.softmax(dim=1)
    state = head_state(module, tags=task == "tags")
    prob_NC = neural_predict(state, x_ND)
    assert prob_NC.dtype == np.float32
    np.testing.assert_allclose(prob_NC, expected.numpy(), atol=1e-5)
    assert ((prob_NC > 0.5) == y).mean() > 0.9 if task == "tags" else (prob_NC.argmax(axis=1) == y).mean() > 0.9
    Fitted("neural", (state,), state).save(tmp_path)
    assert neural_predict(Fitted.load(tmp_path).refit, x_ND).tobytes() == prob_NC.tobytes()


@pytest.mark.parametrize(("call", "task"), CASES)
def test_a_row_has_the_same_bits_whoever_comes_with_it(call: str, task: str) -> None:
    module, x_ND, _ = made(call, task)
    state = head_state(module, tags=task == "tags")
    alone = np.concatenate([neural_predict(state, x_ND[i : i + 1]) for i in range(0, 300, 40)])
    assert neural_predict(state, x_ND)[::40].tobytes() == alone.tobytes()
    assert neural_predict(state, x_ND[:0]).shape == (0, alone.shape[1])


@pytest.mark.parametrize("call", CALLS)
def test_a_seed_decides_weights_and_dropout_and_no_global_one_is_touched(call: str) -> None:
    before = torch.get_rng_state()
    first, again, other = (neural.bind(call)(16, 3, seed=seed) for seed in (5, 5, 6))
    x_BD = torch.ones(4, 16)
    assert torch.equal(first.train()(x_BD), again.train()(x_BD))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [next(module.parameters()) for module in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert draws(first).keys() == draws(other).keys()


@pytest.mark.parametrize("call", CALLS)
def test_every_parameter_gets_a_slope(call: str) -> None:
    module = neural.bind(call)(16, 3, seed=0).train()
    x_BD = torch.randn(30, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    target_BC = torch.nn.functional.one_hot(torch.arange(30) % 3, 3).float()
    loss = losses.bind("cross_entropy")(module(x_BD, target_BC), target_BC, count_C=torch.full((3,), 10.0))
    torch.autograd.backward(loss)
    for value in (x_BD, *module.parameters()):
        assert value.grad is not None and value.grad.isfinite().all() and value.grad.abs().max() > 0
