"""The repository's own promises: pins without addresses, commands that exist, no trace of anyone's machine."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
EXTRAS = {"openvino", "augment", "search", "quality", "expand", "ddgs", "web", "ray", "export", "kaggle", "docs", "dev"}


def tracked_files() -> list[Path]:
    """Files under version control; skips where this is no checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def normal(name: str) -> str:
    """A package's name as indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make without what an outer make (`make test`) would hand on."""
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "VENV")}
    return subprocess.run(
        ["make", "--dry-run", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, env=environment
    )


def needed() -> set[str]:
    """Names of all packages that pyproject.toml asks for, in any extra."""
    lines = sum(PROJECT["optional-dependencies"].values(), PROJECT["dependencies"])
    return {normal(re.split(r"[\[<>=]", line)[0]) for line in lines}


def test_constraints_are_names_and_versions_only() -> None:
    for line in PINS:
        assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[0-9][A-Za-z0-9.+!]*", line), line
    names = [normal(line.partition("==")[0]) for line in PINS]
    assert len(names) == len(set(names))


def test_every_need_is_pinned() -> None:
    assert needed() <= {normal(line.partition("==")[0]) for line in PINS}


def test_extras() -> None:
    assert set(PROJECT["optional-dependencies"]) == EXTRAS


def test_torch_is_new_enough_to_work_with_torchvision() -> None:
    assert "torch>=2.14" in PROJECT["dependencies"]


@pytest.mark.parametrize("target", ["help", "demo", "test", "test-slow", "check", "docs", "bench", "clean"])
def test_make_target_parses(target: str) -> None:
    done = make(target)
    assert done.returncode == 0, done.stderr


def test_make_says_first_what_it_downloads(tmp_path: Path) -> None:
    done = make("demo", f"VENV={tmp_path}/new")
    first = done.stdout.splitlines()[0]
    assert "torch" in first
    assert "GB" in first


def test_hooks_are_local() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    assert {repository["repo"] for repository in config["repos"]} == {"local"}


def test_package_data_is_tracked() -> None:
    tracked = {file.relative_to(ROOT).as_posix() for file in tracked_files()}
    assert {
        "medalist/py.typed",
        "medalist/backbones/embedded/embedded.json",
        "medalist/backbones/embedded/embedded.safetensors",
        "medalist/recipes/cats-dogs.yaml",
        "medalist/report/page.css",
        "medalist/report/sort.js",
    } <= tracked


def test_no_machine_path_in_tracked_files() -> None:
    # Spelt in pieces, so that this file does not find itself.
    absolute = re.compile(rb"(?<![\w./-])/(" + rb"|".join([rb"work", rb"root", rb"home", rb"tmp/env"]) + rb")/")
    for file in tracked_files():
        assert not absolute.search(file.read_bytes()), file
