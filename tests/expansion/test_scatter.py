"""How much of what was let in shows its class, worked by hand."""

from __future__ import annotations

import math

import pytest

from medalist.expansion.scatter import PURE, purity


@pytest.mark.parametrize(("right", "own", "other"), [(0.9, 0.85, 0.05), (0.5, 0.8, 0.1), (0.1, 0.85, 0.2)])
def test_a_mixture_is_taken_apart(right: float, own: float, other: float) -> None:
    passed = round(10_000 * (right * own + (1 - right) * other))
    want = right * own / (right * own + (1 - right) * other)
    assert purity(passed, 10_000, own=own, other=other) == pytest.approx(want, abs=1e-3)


def test_more_than_labelled_images_do_is_all_of_it() -> None:
    assert purity(8, 8, own=0.53, other=0.38) == 1


def test_what_passes_no_more_than_others_do_is_not_the_class() -> None:
    assert purity(5, 100, own=0.85, other=0.05) == 0
    assert purity(0, 100, own=0.85, other=0.0) == 0


def test_few_finds_and_blind_backbones_say_nothing() -> None:
    assert purity(0, 4, own=0.85, other=0.05) is None
    assert purity(50, 100, own=0.5, other=0.45) is None
    assert purity(50, 100, own=math.nan, other=0.05) is None


def test_right_images_of_another_look_are_kept() -> None:
    """Half of them pass where 85 % of labelled ones do: still nearly all that pass are right."""
    kept = purity(50, 100, own=0.85, other=0.05)
    assert kept is not None and kept > PURE
