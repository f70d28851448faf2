"""Auxiliary columns: their loss by hand, what is unknown teaches nothing, nothing of them is left in the answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from torch import nn
from torch.nn.functional import cross_entropy

from medalist.training import finetune as loop
from medalist.training import network, ranks
from medalist.training.auxiliary import Auxiliary
from medalist.training.finetune import advance, finetune
from medalist.training.judging import logits
from medalist.training.mixing import mixup
from medalist.training.network import Network
from medalist.training.neural.answers import head_state
from medalist.training.plan import steps

CELLS = {"kind": np.array(["b", "", "a", "b", ""]), "site": np.array(["x", "007", "", "7", "x"])}
WEIGHTS = {"site": 0.5, "kind": 2.0}
ROWS = np.arange(5)


def columns(cells: Any = CELLS, weights: Any = WEIGHTS) -> Auxiliary:
    made = Auxiliary.of(cells, weights)
    assert made is not None
    return made


def of_images(workshop: Any, weight: float = 1.0, *, known: bool = True) -> None:
    """The workshop's images get a column of which a third is unknown, or all."""
    cells = np.array([f"kind {row % 5}" if known and row % 3 else "" for row in range(40)])
    if not known:
        cells[-1], cells[-2] = "a", "b"  # rows that no training of these tests learns from
    workshop.images.auxiliary = columns({"kind": cells}, {"kind": weight})


def test_columns_are_classes_of_text() -> None:
    made = columns()
    assert made.classes == (("007", "7", "x"), ("a", "b"))
    assert made.index_AN.tolist() == [[2, 0, -1, 1, 2], [1, -1, 0, 1, -1]]
    want = [[0, 0, 1, 0, 1], [1, 0, 0, 0, 0], [0, 0, 0, 1, 0]]
    assert made.targets(np.array([0, 1, 2])).tolist() == want
    assert Auxiliary.of(CELLS, {}) is None


@given(
    cells=st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["", "x"])), min_size=1, max_size=9),
    seed=st.integers(0, 99),
)
def test_the_loss_is_each_column_s_mean_over_its_known_cells(cells: list[tuple[str, str]], seed: int) -> None:
    kinds, sites = (np.array(column) for column in zip(*cells, strict=True))
    made = columns({"kind": kinds, "site": sites})
    logit_BE = torch.randn(len(cells), sum(made.sizes), generator=torch.Generator().manual_seed(seed))
    got = made.loss(logit_BE, made.weighed(made.targets(np.arange(len(cells)))))
    want = torch.zeros(())
    blocks = logit_BE.split_with_sizes(made.sizes, dim=1)
    for block, index_N, weight in zip(blocks, made.index_AN, made.weights, strict=True):
        if (index_N >= 0).any():
            want += weight * cross_entropy(block, torch.from_numpy(index_N), ignore_index=-1)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)


def test_mixed_cells_by_hand() -> None:
    """A share of 1 - lambda of a known cell counts so much less, whatever it is mixed with."""
    made = columns(weights={"kind": 2.0})
    logit_BE = torch.randn(5, 2, generator=torch.Generator().manual_seed(1))
    _, mixed_BE = mixup(torch.zeros(5, 3, 4, 4), made.targets(ROWS), np.random.default_rng(3), alpha=0.4)
    rng = np.random.default_rng(3)
    share, other_B = rng.beta(0.4, 0.4), rng.permutation(5)
    got = made.loss(logit_BE, made.weighed(mixed_BE))
    want, log_p_BE = 0.0, torch.log_softmax(logit_BE, dim=1).numpy()
    for row, other in enumerate(other_B):
        for part, source in ((share, row), (1 - share, other)):
            if CELLS["kind"][source]:
                want -= part * log_p_BE[row]["ab".index(CELLS["kind"][source])]
    assert float(got) == pytest.approx(2.0 * want / 3, rel=1e-5)


def test_only_known_cells_reach_the_body() -> None:
    made = columns(weights={"kind": 2.0})
    layer = made.layer(4)
    net = Network(nn.Identity(), nn.Linear(4, 3), layer)
    net.head.forward = lambda x_BD, _: x_BD[:, :3] * 0  # type: ignore[method-assign]
    x_BD = torch.randn(5, 4, requires_grad=True)

    def slope() -> torch.Tensor:
        made.loss(net(x_BD)[:, 3:], made.weighed(made.targets(ROWS))).backward()  # type: ignore[no-untyped-call]
        found, x_BD.grad = x_BD.grad, None
        assert found is not None
        return found

    assert not slope().any()  # the layer begins at zeros
    nn.init.normal_(layer.weight)
    known = np.array([True, False, True, True, False])
    assert (slope().numpy().any(axis=1) == known).all()
    net.eval()
    assert net(x_BD).shape == (5, 3)


def test_the_layer_learns_at_the_head_s_rate_and_answers_nothing(workshop: Any) -> None:
    of_images(workshop)
    training = workshop.training(workshop.plan(("last 30 %", 1)))
    training.enter(0)
    rates = {id(p): group["base_lr"] for group in training.optimiser.param_groups for p in group["params"]}
    assert [rates[id(p)] for p in training.net.auxiliary.parameters()] == [0.02, 0.02]
    advance(training, *first_batch(training))
    assert training.sums[2] / training.sums[1] == pytest.approx(np.log(5))  # five classes, a layer of zeros
    finetune(training, watched=np.arange(24, 40))
    arrays = load_file(training.folder / "weights-0.safetensors")
    assert arrays["auxiliary.weight"].any()
    assert head_state(training.net.head, tags=False)["bias0_C"].shape == (4,)
    assert logits(training, np.arange(3)).shape == (3, 4)


def first_batch(training: Any) -> tuple[Any, Any]:
    step = next(steps(training.plan, training.rows, 0))
    batch: tuple[Any, Any] = next(training.feed.shown(training.plan, lambda: iter([step]), "cpu"))
    return batch


@pytest.mark.parametrize(("weight", "known"), [(0.0, True), (1.0, False)])
def test_no_weight_and_nothing_known_are_no_column(workshop: Any, weight: float, known: bool) -> None:
    plan = workshop.plan(("last 30 %", 1), ("all", 1), mix="mixup(alpha=0.4)", mix_last=1, ema=0.9)
    want = workshop.tuned(plan, "without")
    of_images(workshop, weight, known=known)
    got = workshop.tuned(plan, "with")
    of_images(workshop)
    other = workshop.tuned(plan, "else")

    named = {one: load_file(workshop.folder / one / "weights-1.safetensors") for one in ("without", "with", "else")}
    assert all(np.array_equal(named["with"][name], array) for name, array in named["without"].items())
    assert not named["with"]["auxiliary.weight"].any()
    assert not all(np.array_equal(named["else"][name], array) for name, array in named["without"].items())
    for one, two in zip(got.curves, want.curves, strict=True):
        assert one == two | {"auxiliary_loss": 0.0}
    assert other.curves[0]["auxiliary_loss"] > 0


def test_micro_batches_have_the_whole_batch_s_gradients(workshop: Any) -> None:
    of_images(workshop)
    grads = []
    for micro in (8, 3):
        training = workshop.training(workshop.plan(("all", 1), mix="mixup(alpha=0.4)"), micro=micro)
        nn.init.constant_(training.net.auxiliary.weight[0], 0.1)
        training.enter(0)
        advance(training, *first_batch(training))
        grads.append([p.grad.clone() for p in network.trained(training.net)])
    assert any(grad.any() for grad in grads[0])
    for whole, parts in zip(*grads, strict=True):
        torch.testing.assert_close(whole, parts, rtol=1e-5, atol=1e-5)


def test_two_ranks_weigh_their_cells_by_all_that_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank 0 has rows 0 to 2, rank 1 the other two; the mean of their losses is the whole batch's."""
    made = columns()
    logit_BE = torch.randn(5, 5, generator=torch.Generator().manual_seed(2))
    want = made.loss(logit_BE, made.weighed(made.targets(ROWS)))
    share_A = torch.tensor([4 / 5, 3 / 5])
    monkeypatch.setattr(ranks, "mean", lambda own_A, num_rows: share_A)
    parts = [(rows, made.weighed(made.targets(rows))) for rows in (ROWS[:3], ROWS[3:])]
    got = sum(made.loss(logit_BE[rows], target_BE) * len(rows) / 5 for rows, target_BE in parts)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize(
    "changes",
    [
        {"mix": "mixup_or_cutmix", "mix_last": 1, "sam": 0.05, "ema": 0.9, "clip": 1.0},
        {"prefix": "crossings", "head": "dense(units=8, dropout=0.5)"},
    ],
)
def test_killed_again_and_again_it_ends_in_the_same_bytes(
    workshop: Any, killed: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    of_images(workshop)
    prefix = workshop.folder / changes.pop("prefix") if "prefix" in changes else None
    plan = workshop.plan(("last 30 %", 1), ("all", 1), **changes)
    want = workshop.tuned(plan, "whole", prefix=prefix)
    monkeypatch.setattr(loop, "EVERY_S", 0.0)
    kill, kills = killed("after-step", 2), 0
    while True:
        got = workshop.training(plan, "killed", prefix=prefix)
        try:
            finetune(got, watched=np.arange(24, 40))
            break
        except kill:
            kills += 1

    assert kills == 5
    assert got.curves == want.curves
    for epoch in range(2):
        name = f"weights-{epoch}.safetensors"
        assert (got.folder / name).read_bytes() == (want.folder / name).read_bytes()
