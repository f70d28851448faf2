"""Schedules in closed form and against torch's; the plateau against torch's."""

from __future__ import annotations

import json
import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medalist.errors import RecipeError
from medalist.training.optim.schedules import (
    Plateau,
    constant,
    cosine,
    linear,
    one_cycle,
    plateau_of,
    schedules,
    step,
)


def test_cosine_in_closed_form() -> None:
    assert [cosine(p) for p in (0.0, 0.5, 1.0)] == pytest.approx([1, 0.5, 0])
    assert cosine(0.25) == pytest.approx((1 + math.sqrt(0.5)) / 2)
    assert [cosine(p, warmup=0.2, floor=0.1) for p in (0.0, 0.1, 0.2, 0.6, 1.0)] == pytest.approx(
        [0, 0.5, 1, 0.55, 0.1]
    )


def test_linear_and_constant_in_closed_form() -> None:
    assert [linear(p) for p in (0.0, 0.3, 1.0)] == pytest.approx([1, 0.7, 0])
    assert [linear(p, warmup=0.5, floor=0.2) for p in (0.25, 0.5, 0.75, 1.0)] == pytest.approx([0.5, 1, 0.6, 0.2])
    assert [constant(p) for p in (0.0, 1.0)] == [1, 1]
    assert [constant(p, warmup=0.1) for p in (0.05, 0.1, 0.7)] == pytest.approx([0.5, 1, 1])


def test_step_falls_at_each_drop() -> None:
    assert [step(p) for p in (0.0, 0.49, 0.5, 0.74, 0.75, 1.0)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
    assert schedules.bind("step(drops=[0.3, 0.6, 0.9], factor=0.5)")(0.95) == 0.125


def test_cosine_and_one_cycle_are_torchs() -> None:
    steps = 41
    parameter = torch.zeros(1, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no step of the optimiser: only the rates are looked at
        stepper = torch.optim.SGD([parameter], lr=1.0)
        annealing = torch.optim.lr_scheduler.CosineAnnealingLR(stepper, steps - 1)
        for i in range(steps):
            assert cosine(i / (steps - 1)) == pytest.approx(stepper.param_groups[0]["lr"], abs=1e-6)
            annealing.step()
        stepper = torch.optim.SGD([parameter], lr=1.0, momentum=0.9)
        # torch counts the peak in whole steps, one short: 0.3 of 41 steps is step 11.3.
        cycle = torch.optim.lr_scheduler.OneCycleLR(
            stepper, 1.0, total_steps=steps, pct_start=0.3, div_factor=25, final_div_factor=4000
        )
        for i in range(steps):
            ours = one_cycle(i / (steps - 1), peak=(0.3 * steps - 1) / (steps - 1))
            assert ours == pytest.approx(stepper.param_groups[0]["lr"], abs=1e-6)
            if i < steps - 1:
                cycle.step()


@pytest.mark.parametrize("name", list(schedules))
@given(progress=st.floats(0, 1))
def test_a_factor_lies_between_nothing_and_one(name: str, progress: float) -> None:
    assert 0 <= schedules.bind(name)(progress) <= 1


@pytest.mark.parametrize(
    "call",
    ["cosine(warmup=1.0)", "linear(warmup=-0.1)", "one_cycle(peak=2)", "step(drops=[30])", "cosine(warmup='a tenth')"],
)
def test_an_argument_that_is_no_share_is_told(call: str) -> None:
    with pytest.raises(RecipeError, match="must be a share of training"):
        schedules.bind(call)(0.5)


@pytest.mark.parametrize(
    "call",
    ["cosine(floor=2)", "linear(floor=-0.5)", "one_cycle(start=1.5)", "one_cycle(floor='low')", "step(factor=10)"],
)
def test_an_argument_that_is_no_factor_is_told_before_the_first_step(call: str) -> None:
    with pytest.raises(RecipeError, match="must be a factor of the learning rate, from 0 to 1"):
        schedules.bind(call)(0.0)


@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), max_size=30),
    st.integers(1, 4),
    st.sampled_from(["higher", "lower"]),
)
def test_plateau_is_torchs_and_resumes(values: list[float], patience: int, better: str) -> None:
    stepper = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        stepper,
        mode="max" if better == "higher" else "min",
        factor=0.5,
        patience=patience - 1,
        threshold=0,
        threshold_mode="abs",
        min_lr=0.1,
        eps=0,
    )
    plateau = Plateau(patience=patience, floor=0.1, better=better)
    for value in values:
        theirs.step(value)
        facts = json.loads(json.dumps(plateau.state()))
        plateau = Plateau(patience=patience, floor=0.1, better=better)
        plateau.load(facts)
        assert plateau.update(value) == pytest.approx(stepper.param_groups[0]["lr"])


def test_nan_is_no_better_than_anything() -> None:
    plateau = Plateau(patience=2)
    assert [plateau.update(value) for value in (math.nan, math.nan, 1.0, math.nan, math.nan)] == [
        1,
        0.5,
        0.5,
        0.5,
        0.25,
    ]


def test_a_schedule_is_a_plateau_or_none() -> None:
    assert plateau_of("plateau(patience=2, factor=0.1)", "higher") == Plateau(2, 0.1, better="higher")
    assert plateau_of(" plateau ", "lower") == Plateau(better="lower")
    assert plateau_of("cosine(warmup=0.1)", "higher") is None


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("platau", r"did you mean 'plateau'\? \(known: constant, cosine, linear, one_cycle, plateau, step\)"),
        ("plateau(better='lower')", "takes no 'better'"),
        ("plateau(now=0.5)", "takes no 'now'"),
        ("plateau(patience=1.5)", "patience=1.5 of plateau must be a whole number of epochs, at least 0"),
        ("plateau(patience=-1)", "patience=-1 of plateau must be a whole number"),
        ("plateau(factor='half')", "factor='half' of plateau must be a number above 0 and below 1"),
        ("plateau(floor=2)", "floor=2 of plateau must be a number from 0 to 1"),
    ],
)
def test_a_plateau_s_slip_is_told(call: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        plateau_of(call, "higher")
