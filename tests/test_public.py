"""The public names, and that asking for help stays cheap."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

import medalist

HEAVY = ("torch", "timm", "pandas", "sklearn", "scipy", "cv2", "PIL", "openvino")


def test_public_list() -> None:
    assert sorted(medalist.__all__) == [
        "FeatureBank",
        "Fitted",
        "ImageTable",
        "Predictions",
        "__version__",
        "decide",
        "embed",
        "ensemble",
        "fit",
        "load_recipe",
        "predict",
        "read",
        "run",
        "split",
        "submit",
        "tune",
    ]


@pytest.mark.parametrize("name", medalist.__all__)
def test_every_public_name_exists_and_says_what_it_is(name: str) -> None:
    value = getattr(medalist, name)
    assert name == "__version__" or value.__doc__


def test_version_is_the_installed_one() -> None:
    assert medalist.__version__ == importlib.metadata.version("medalist")


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(AttributeError, match="it has: FeatureBank"):
        medalist.fitt  # noqa: B018


def loaded_by(code: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has imported after `code`."""
    report = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", report], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.split())


def test_import_loads_nothing_heavy() -> None:
    assert loaded_by("import medalist") == set()


def test_help_loads_nothing_heavy() -> None:
    code = """
import sys
from medalist.cli import main
sys.argv = ["medalist", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code
"""
    assert loaded_by(code) == set()


@pytest.mark.parametrize("command", ["run", "check", "predict", "lint", "backbones", "demo", "bank"])
def test_every_command_explains_itself(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "medalist.cli", command, "--help"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, "Usage" in done.stdout) == (0, True), done.stderr
