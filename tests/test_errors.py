"""One exception tree, and the near name."""

from __future__ import annotations

import inspect

import pytest

from medalist import errors
from medalist.errors import MedalistError, near


def test_every_error_is_of_the_one_tree() -> None:
    classes = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]
    assert len(classes) > 5
    for kind in classes:
        assert issubclass(kind, MedalistError)
        assert kind.__doc__


@pytest.mark.parametrize(
    ("name", "hint"),
    [("acuracy", "; did you mean 'accuracy'?"), ("f1", "; did you mean 'f1_x'?"), ("zzzzzz", ""), ("", "")],
)
def test_the_near_name_is_offered(name: str, hint: str) -> None:
    assert near(name, ("accuracy", "f1_x", "log_loss")) == hint


def test_no_choices_no_hint() -> None:
    assert near("accuracy", iter(())) == ""
