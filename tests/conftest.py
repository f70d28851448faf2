"""Fixtures for all tests: the shared image sets and weights, where this machine has them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# A slow machine is no fault of the code: no test judges by time.
settings.register_profile("medalist", deadline=None)
settings.load_profile("medalist")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """`shared("data/cats-dogs")`: a folder of the real sets or weights beside the checkout, or a skip."""

    def find(name: str) -> Path:
        path = SHARED / name
        if path.exists():
            return path
        if os.environ.get("CI") == "true" and SHARED.exists():
            pytest.fail(f"{name} is missing from the shared folder beside the checkout")
        pytest.skip(f"needs the shared folder beside the checkout: {name} is missing")

    return find
