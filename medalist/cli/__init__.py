"""The command line: parse, call one verb, print. Heavy packages are imported by the verbs, never here."""

from __future__ import annotations

import signal
import sys

# Importing them registers their verbs.
from medalist.cli import asking, bank, competing, expanding, looking, podium, recipes, records, reporting  # noqa: F401
from medalist.cli.app import app
from medalist.errors import MedalistError

INTERRUPTED = 128 + signal.SIGINT  # what a shell expects of a command that Ctrl-C ended


def main() -> None:
    """Entry point: errors that a user can cause are printed without a traceback and exit with 1, Ctrl-C with 130."""
    try:
        app()
    except MedalistError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error
    except (KeyboardInterrupt, SystemExit) as stop:
        # typer makes an exit of an interrupt.
        if isinstance(stop, SystemExit) and stop.code != INTERRUPTED:
            raise
        print("stopped; the same command goes on where it was", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from stop
