"""The command line as a process of its own: it imports what this one would, and dies with whoever started it.

A run that outlived its experiment would hold its folder against the next one; that it is killed costs little, as runs
go on where they stood.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

# PR_SET_PDEATHSIG is 1, SIGKILL 9. A starter that died before that call is seen by its process id.
STUB = """import sys
if sys.platform == "linux":
    import ctypes
    import os
    ctypes.CDLL(None).prctl(1, 9)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
del sys.argv[1]
from medalist.cli import main
main()
"""


def shared_options(cache: Path | None, code: Sequence[str]) -> list[str]:
    """What a run needs of what was typed for its experiment, beside its recipe.

    >>> shared_options(Path("bank"), ["mine:score"])
    ['--cache=bank', '--allow-code=mine:score']
    """
    return [*([f"--cache={cache}"] if cache is not None else []), *(f"--allow-code={one}" for one in code)]


def begin(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start `medalist ARGUMENTS`.

    Args:
        arguments: of the command line.
        log: file that takes what it prints.
    """
    # Without -P a random.py in the working directory would be imported for the library's.
    search_path = os.pathsep.join(folder or os.getcwd() for folder in sys.path)
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", STUB, str(os.getpid()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": search_path},
            start_new_session=True,  # Ctrl-C in a terminal is ours; what it starts ends with it
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it started; nothing where it is gone."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
