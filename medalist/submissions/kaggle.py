"""Handing in by the `kaggle` command: argv only, never a shell, after the file was checked."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from medalist.errors import MissingExtraError, SubmissionError

SLUG = re.compile(r"[a-z0-9][a-z0-9-]*")


def check_slug(slug: str) -> None:
    """Refuse what is no competition's name in its address.

    Raises:
        SubmissionError: anything but small letters, digits and hyphens: an option in disguise would be one.
    """
    if not SLUG.fullmatch(slug):
        raise SubmissionError(f"{slug!r} is no competition; expected its name in the address, such as digit-recognizer")


def command() -> str:
    """Where the `kaggle` command is.

    Raises:
        MissingExtraError: it is not installed.
    """
    found = shutil.which("kaggle")
    if found is None:
        raise MissingExtraError("handing in needs the kaggle command: pip install 'medalist[kaggle]'")
    return found


def hand_in(slug: str, file: Path, message: str) -> str:
    """`kaggle competitions submit`, and what it said.

    Args:
        slug: the competition.
        file: checked submission.
        message: goes with it.

    Raises:
        MissingExtraError: no `kaggle` command. SubmissionError: it failed; with what it wrote.
    """
    check_slug(slug)
    argv = [command(), "competitions", "submit", "-c", slug, "-f", str(file), "-m", message]
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL)
    said = "\n".join(part.strip() for part in (done.stdout, done.stderr) if part.strip())
    if done.returncode:
        raise SubmissionError(
            f"kaggle failed (exit {done.returncode}); nothing was noted as handed in. It said:\n{said}"
        )
    return said
