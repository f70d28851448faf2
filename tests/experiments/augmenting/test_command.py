"""`medalist ablate --augment`: what it takes, and what it refuses before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import medalist.cli.asking  # noqa: F401  registers the verb
from medalist.cli.app import app


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "expected one question"),
        (["--augment", "flip", "--vary", "seed=1,2"], "two questions were given"),
        (["--augment", "flip", "--seeds", "3"], "are for --vary"),
        (["--vary", "normalise=none,l2", "--views", "2"], "are for --augment"),
        (["--vary", "normalise=none,l2", "--images", "100"], "are for --augment"),
    ],
)
def test_one_question_at_a_time(options: list[str], told: str, tmp_path: Path) -> None:
    found = CliRunner().invoke(app, ["ablate", str(tmp_path), "--metric", "accuracy", *options])
    assert found.exit_code == 2
    assert told in found.output
