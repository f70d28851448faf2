"""What recipes may write, and what they are told where they slip."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.data.views import Policy, ops
from medalist.data.views.grammar import MAX_LENGTH, Group, Step, leaves, read_chain
from medalist.errors import RecipeError

WRITE_UP_1 = (
    "random_order(crop_and_pad(percent=(-0.1, 0.1)), sometimes(gaussian_blur(sigma=(0, 0.5)), p=0.5),"
    " contrast_normalisation(alpha=(0.75, 1.5)), additive_gaussian_noise(scale=0.05))"
)
WRITE_UP_3 = (
    "random_scale_crop | flip | vertical_flip | shift_scale_rotate(limit=15) | brightness_contrast"
    " | one_of(gauss_noise, clahe, jpeg, gamma, posterize, blur) | random_erasing"
)


@pytest.mark.parametrize("text", ["", "flip", WRITE_UP_1, WRITE_UP_3, "sometimes(one_of(crop, squash))"])
def test_canonical_text_is_read_back_equal(text: str) -> None:
    policy = Policy.parse(text)
    assert Policy.parse(policy.text) == policy


def test_spelling_does_not_matter() -> None:
    assert Policy.parse(" flip\n  |blur( side=(3,5) ,p=0.50)").text == "flip | blur(side=(3, 5))"
    assert Policy.parse("blur(p=0.25, side=(3, 5))").text == "blur(p=0.25, side=(3, 5))"
    assert Policy.parse("one_of(flip, blur, p=0.5)").text == "one_of(flip, blur)"


def test_a_chain_is_in_the_order_written() -> None:
    first, second, third = read_chain("blur | one_of(jpeg(p=0.2), gamma, p=0.9) | flip")
    assert isinstance(first, Step) and first.bound.name == "blur" and first.place == "0:blur"
    assert isinstance(second, Group) and second.p == 0.9
    assert [step.place for step in leaves([second])] == ["1:one_of/0:jpeg", "1:one_of/1:gamma"]
    assert third.place == "2:flip"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("flop", "did you mean 'flip'"),
        ("clahi | flip", "did you mean 'clahe'"),
        ("one_off(flip, blur)", "did you mean 'one_of'"),
        ("rotation(limt=3)", "did you mean 'limit'.*it takes: limit, border, p"),
        ("rotation(15)", r"write rotation\(limit=...\)"),
        ("rotation(limit=-3)", r"operation rotation\(limit=-3\): limit is a number of 0 to 180"),
        ("rotation(limit='x')", "limit is a number of 0 to 180, got 'x'"),
        ("rotation(limit=True)", "got True"),
        ("rotation(border='reflct')", "did you mean 'reflect'"),
        ("random_erasing(area=0.3)", "area is a pair of 0 to 1"),
        ("random_erasing(fill='nose')", "did you mean 'noise'"),
        ("gauss_noise(std=(0.3, 0.1))", "std is a pair"),
        ("posterize(bits=2.5)", "whole number of 1 to 8"),
        ("blur(side=(4, 4))", r"write side=\(3, 5\)"),
        ("sometimes(one_of(flip, hue(limit=0.7)))", "limit is a number of 0 to 0.5"),
        ("flip(p=1.5)", "p is a number of 0 to 1"),
        ("crop(target=1)", "takes no 'target'"),
        ("flip(p=0.1, p=0.2)", "gives an argument twice"),
        ("flip(**{'p': 1})", "gives an argument twice, or unpacks some"),
        ("hue(limit=x)", "no literal"),
        ("hue(limit=__import__('os').getpid())", "no literal"),
        ("sometimes(flip, blur)", "sometimes takes one operation"),
        ("one_of()", "takes operations"),
        ("one_of(flip, weight=2)", "takes operations"),
        ("one_of(flip(p=0), blur(p=0))", "nothing to choose"),
        ("one_of(flip, crop)", "'crop', which brings the image to the network's size"),
        ("random_order(squash, flip)", "give it a place of its own"),
        ("crop | flip | random_resized_crop", "keep one"),
        ("flip |", "not a chain"),
        ("flip, blur", "is no operation"),
        ("numpy.flip", "is no operation"),
        ("flip & blur", "is no operation"),
        ("3", "is no operation"),
        ("(" * 900, "not a chain"),
        ("flip|" * 500, f"at most {MAX_LENGTH} characters"),
    ],
)
def test_slips_are_told_with_what_to_type(text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Policy.parse(text)


@given(st.text(alphabet="flip blur|()=,.p05'_*[]{}:\n\x00", max_size=60))
def test_any_text_is_a_policy_or_a_recipe_error(text: str) -> None:
    try:
        policy = Policy.parse(text)
    except RecipeError:
        return
    assert all(step.bound.name in ops for step in leaves(policy.steps))


def test_a_long_chain_needs_no_deep_stack() -> None:
    assert len(read_chain("|".join(["flip"] * 390))) == 390
