"""A drawn competition, small enough to run in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from medalist.data.drawn import draw_competition


@pytest.fixture(scope="session")
def competition(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a drawn competition with broken files and duplicates among its images."""
    root = tmp_path_factory.mktemp("drawn") / "data"
    draw_competition(root, seed=1, num_train=90, num_test=30)
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One feature bank for all tests of a worker: images are embedded once."""
    return tmp_path_factory.mktemp("cache")
