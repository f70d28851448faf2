"""Every command of the quickstart and the how-to pages is typed, in order, offline, at drawn competitions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = ["QUICKSTART.md", *sorted(f"howto/{file.name}" for file in (DOCS / "howto").glob("*.md"))]
BLOCK = re.compile(r"^```(sh|python)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Blocks that need a network, networks of that size, or hours: how many each page may have.
NOT_TYPED = {"QUICKSTART.md": 2, "howto/machines.md": 1, "howto/offline.md": 1, "howto/writeups.md": 5}
# Quicker, and with what is here; everything else is typed as it stands.
QUICK = "folds.k=3 size=64 finetune.holdout=true finetune.workers=0 'finetune.phases[0].epochs=1'"
HERE = (
    (r"\bNAME\b", "embedded"),
    (r"pretrained=True", "pretrained=False"),
    (
        r"^(medalist run .*--recipe (?:tags|mushrooms|characters|flowers|my\.yaml) (?!.*finetune=null).*)$",
        rf"\1 {QUICK}",
    ),
    (r"^(medalist ablate .*--augment .*)$", r"\1 --images 40 --views 1"),
    (r"^((?:medalist|torchrun) .*'finetune=\{\}'.*)$", rf"\1 {QUICK}"),
)


def blocks(page: str) -> list[tuple[str, str, str]]:
    """Language, mark and text of each block of shell or Python."""
    return BLOCK.findall((DOCS / page).read_text(encoding="utf-8"))


def script(page: str) -> str:
    """The page as a reader types it: files that Python blocks name in their first line, commands in their order."""
    parts = ["set -euo pipefail"]
    for language, mark, text in blocks(page):
        for pattern, here in HERE:
            text = re.sub(pattern, here, text, flags=re.MULTILINE)
        if language == "python":
            name = text.partition("\n")[0].removeprefix("# ")
            parts.append(f"cat > {name} <<'END-OF-FILE'\n{text}END-OF-FILE")
        elif not mark:
            parts.append(text)
    return "\n".join(parts)


def test_blocks_are_typed_but_for_those_listed_here() -> None:
    marks = {page: [mark.strip() for _, mark, _ in blocks(page) if mark] for page in PAGES}
    assert {page: len(found) for page, found in marks.items() if found} == NOT_TYPED
    assert {mark for found in marks.values() for mark in found} == {"offline-not"}
    for page in PAGES:
        text = (DOCS / page).read_text(encoding="utf-8")
        assert len(blocks(page)) == text.count("\n```sh") + text.count("\n```python") > 0, page


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the commands of this checkout, and one feature bank for all pages."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "medalist").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m medalist.cli "$@"\n', encoding="utf-8")
    (folder / "medalist").chmod(0o755)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_typed(page: str, home: Path, tmp_path: Path, draw: Callable[[Path, str], None]) -> None:
    draw(tmp_path, page)
    path = f"{home}:{Path(sys.executable).parent}:{os.defpath}"
    keys = {"PATH": path, "HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.run(
        ["bash", "-x", "-c", script(page)],
        cwd=tmp_path,
        env={**keys, "MEDALIST_CACHE": str(home / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, f"{process.stdout[-3000:]}\n{process.stderr[-3000:]}"
