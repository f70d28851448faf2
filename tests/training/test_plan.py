"""Which rows come when: every row once an epoch, in an order that only seed and epoch decide."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.training.plan import Phase, Plan, steps

ROWS = np.arange(100, 123)


def plan_of(*epochs: int, **changes: object) -> Plan:
    phases = tuple(Phase("all", number, 0.1, 0.1, 1.0, "constant", (32, 32)) for number in epochs)
    return Plan(phases, **{"batch": 8, **changes})  # type: ignore[arg-type]


@given(
    num_rows=st.integers(1, 60),
    batch=st.integers(1, 20),
    epochs=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    seed=st.integers(0, 9),
)
def test_every_row_once_an_epoch_in_batches_of_about_one_size(
    num_rows: int, batch: int, epochs: list[int], seed: int
) -> None:
    plan, rows = plan_of(*epochs, batch=batch, seed=seed), np.arange(num_rows) * 3
    seen: dict[int, list[np.ndarray]] = {}
    for phase in range(len(epochs)):
        for step in steps(plan, rows, phase):
            assert plan.place(step.epoch)[0] == phase
            seen.setdefault(step.epoch, []).append(step.rows)
            assert step.last == (len(seen[step.epoch]) == math.ceil(num_rows / batch) == step.num_steps)
    assert list(seen) == list(range(plan.epochs))
    for batches in seen.values():
        sizes = [len(some) for some in batches]
        assert max(sizes) <= batch
        assert max(sizes) - min(sizes) <= 1
        np.testing.assert_array_equal(np.sort(np.concatenate(batches)), rows)


@given(epoch=st.integers(0, 4), number=st.integers(0, 2))
def test_going_on_gives_the_steps_that_were_left(epoch: int, number: int) -> None:
    plan = plan_of(2, 3)
    every = [step for phase in (0, 1) for step in steps(plan, ROWS, phase)]
    left = [step for phase in (0, 1) for step in steps(plan, ROWS, phase, (epoch, number))]
    want = every[epoch * 3 + number :]
    assert [(s.epoch, s.number, s.progress) for s in left] == [(s.epoch, s.number, s.progress) for s in want]
    for one, other in zip(left, want, strict=True):
        np.testing.assert_array_equal(one.rows, other.rows)


def test_epochs_and_seeds_differ_and_folds_do_not_share_an_order_by_chance() -> None:
    plan = plan_of(2)
    first, second = (np.concatenate([s.rows for s in steps(plan, ROWS, 0) if s.epoch == e]) for e in (0, 1))
    other = np.concatenate([s.rows for s in steps(plan_of(2, seed=1), ROWS, 0) if s.epoch == 0])
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_it_stops_before_an_epoch() -> None:
    assert {step.epoch for step in steps(plan_of(2, 3), ROWS, 1, (0, 0), 4)} == {2, 3}
    assert not list(steps(plan_of(2, 3), ROWS, 1, (0, 0), 2))


def test_progress_is_the_middle_of_each_step_of_its_phase() -> None:
    shares = [step.progress for step in steps(plan_of(1, 2), ROWS, 1)]
    np.testing.assert_allclose(shares, (np.arange(6) + 0.5) / 6)


def test_epochs_of_phases() -> None:
    plan = plan_of(2, 3)
    assert [plan.place(epoch) for epoch in range(5)] == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    with pytest.raises(IndexError):
        plan.place(5)


def test_the_last_epochs_are_not_mixed_nor_augmented() -> None:
    plan = plan_of(4, 2, mix="mixup", mix_last=2, ramp=(1, 2, 1))
    assert [plan.mixes(epoch) for epoch in range(6)] == [True] * 4 + [False] * 2
    strengths = [plan.strength(epoch) for epoch in range(6)]
    assert strengths[0] == strengths[-1] == 0
    assert strengths[1] == 1
    assert 0 < strengths[4] < 1
    assert not plan_of(2).mixes(0)
