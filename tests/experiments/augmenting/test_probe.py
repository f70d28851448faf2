"""What a training would see of an operation, as a probe shows it; and when the label is lost."""

from __future__ import annotations

import pytest

from medalist.evidence import Comparison
from medalist.experiments.augmenting.probe import Probed, mixture


@pytest.mark.parametrize(
    ("factor", "shown"),
    [
        ("flip", ("flip(p=1.0)", 1)),  # half and half
        ("rotation(limit=10)", ("rotation(limit=10)", 0)),  # always
        ("random_erasing(p=0.25)", ("random_erasing(p=1.0)", 3)),  # one in four
        ("jpeg(p=0.01)", ("jpeg(p=1.0)", 3)),  # never rarer
        ("jpeg(p=0)", ("", 0)),  # never
        ("one_of(jpeg, blur)", ("one_of(jpeg, blur, p=1.0)", 1)),
    ],
)
def test_a_view_in_which_it_happens_beside_images_as_they_are(factor: str, shown: tuple[str, int]) -> None:
    assert mixture(factor) == shown


def test_the_label_is_lost_where_both_questions_say_so() -> None:
    worse, equal = Comparison(-0.3, 0.05, "worse", 0.0), Comparison(0.01, 0.05, "equal", 0.8)
    assert Probed(gain=worse, survival=worse).lost
    assert not Probed(gain=worse, survival=equal).lost
    assert not Probed(gain=equal, survival=worse).lost
