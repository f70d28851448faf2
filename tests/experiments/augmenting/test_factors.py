"""Operations as factors."""

from __future__ import annotations

import pytest

from medalist.data.views import Policy
from medalist.errors import RecipeError
from medalist.experiments.augmenting.factors import USUAL, factors_of, policy_of, views_of


def test_the_usual_ones_are_a_dozen_that_make_one_policy() -> None:
    factors = factors_of(USUAL)
    assert len(factors) == 12
    assert Policy.parse(policy_of(factors, factors)).text == " | ".join(factors)


def test_a_policy_keeps_the_order_in_which_they_were_named() -> None:
    assert policy_of(("a", "b", "c"), ["c", "a"]) == "a | c"
    assert policy_of(("a", "b"), []) == ""


def test_groups_are_one_factor() -> None:
    assert factors_of("one_of(jpeg, gamma) | flip") == ("one_of(jpeg, gamma)", "flip")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("flip | flip", "names flip twice"),
        ("", "1 to 15 operations with | between them, got 0"),
        (" | ".join(f"gamma(p={p / 100})" for p in range(16)), "got 16"),
        ("flop", "did you mean 'flip'"),
    ],
)
def test_slips_are_told(text: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told.replace("|", r"\|")):
        factors_of(text)


def test_fixed_views_serve_prediction_too() -> None:
    assert views_of(["flip", "rotation(limit=5)", "vertical_flip(p=0.3)"]) == ("center", "flip", "vertical_flip")
    assert views_of(["hue"]) == ("center",)
