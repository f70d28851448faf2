"""One small exception tree: every error a user can cause says what was got, what was expected, what to type next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MedalistError(Exception):
    """Base of all errors that medalist raises for a user; the command line prints it without a traceback."""


class RecipeError(MedalistError):
    """A recipe, an override or an option is wrong."""


class DataError(MedalistError):
    """A dataset folder, an annotation file or an image cannot be used as asked."""


class BackboneError(MedalistError):
    """A backbone is unknown, unreachable, or its file is not what its card says."""


class StoreError(MedalistError):
    """Something on disk is damaged, from another version, or cannot be written."""


class MismatchError(MedalistError):
    """Two artefacts disagree on their images, classes or folds."""


class SubmissionError(MedalistError):
    """A submission fails a check; it was not written."""


class WebError(MedalistError):
    """A request to the web was refused before it was sent, failed, or was answered by something else than asked for.

    Args:
        reason: what a person reads.
        again: the same request may go better another time.
        after_s: seconds that the server asked to be left alone, where it did.
    """

    def __init__(self, reason: str, *, again: bool = False, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.again = again
        self.after_s = after_s


class MissingExtraError(MedalistError):
    """An optional package is not installed; the message gives the pip command."""


def near(name: str, choices: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` for the nearest of `choices`, or an empty string."""
    close = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
