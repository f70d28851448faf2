"""The strength of augmentation over epochs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.data.views import strength_of
from medalist.errors import RecipeError


def test_by_hand() -> None:
    strengths = [strength_of(epoch, 10, first=2, fade=4, last=2) for epoch in range(10)]
    assert strengths == pytest.approx([0, 0, 1, 1, 0.8, 0.6, 0.4, 0.2, 0, 0])


def test_without_parts_it_is_full() -> None:
    assert [strength_of(epoch, 3) for epoch in range(3)] == [1, 1, 1]


@given(st.data())
def test_it_is_nothing_then_full_then_falls_then_nothing(data: st.DataObject) -> None:
    epochs = data.draw(st.integers(1, 40))
    first = data.draw(st.integers(0, epochs))
    fade = data.draw(st.integers(0, epochs - first))
    last = data.draw(st.integers(0, epochs - first - fade))
    strengths = [strength_of(epoch, epochs, first=first, fade=fade, last=last) for epoch in range(epochs)]
    full = epochs - first - fade - last
    assert strengths[:first] == [0] * first
    assert strengths[first : first + full] == [1] * full
    falling = strengths[first + full : epochs - last]
    assert falling == pytest.approx([1 - step / (fade + 1) for step in range(1, fade + 1)])
    assert strengths[epochs - last :] == [0] * last


@pytest.mark.parametrize("parts", [{"first": 3, "last": 3}, {"fade": 6}, {"first": -1}])
def test_parts_that_do_not_fit_are_refused(parts: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match="do not fit into 5"):
        strength_of(0, 5, **parts)
