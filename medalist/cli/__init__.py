"""The command line: parse, call one verb, print. Heavy packages are imported by the verbs, never here."""

from __future__ import annotations

import sys

from medalist.cli import asking, bank, competing, looking, podium  # noqa: F401  (importing them registers their verbs)
from medalist.cli.app import app
from medalist.errors import MedalistError


def main() -> None:
    """Entry point: errors that a user can cause are printed without a traceback and exit with 1."""
    try:
        app()
    except MedalistError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error
