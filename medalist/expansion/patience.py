"""When to ask again: what a server's `Retry-After` means, and how long a failure is left alone."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from medalist.errors import WebError
from medalist.expansion.plain import plain

ATTEMPTS = 4
FIRST_PAUSE = 1.0  # seconds after the first failure; doubled after each further one
BUSY = (408, 425, 429)  # and all from 500 on


def retry_after(text: str, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3: a number or a date); None: it says nothing."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # the latter of a zone ages away
        return None
    then = then if then.tzinfo else then.replace(tzinfo=UTC)
    return max(0.0, (then - now).total_seconds())


def refused_by(status: int, headers: dict[str, str], body: bytes = b"") -> WebError:
    """The error that an answer other than 200 is."""
    again = status in BUSY or status >= 500
    said = plain(body.decode("utf-8", "replace"), 200)
    after = retry_after(headers.get("retry-after", ""), datetime.now(UTC)) if again else None
    return WebError(f"answered {status}" + (f": {said}" if said else ""), again=again, after_s=after)


def pause_after(error: WebError, failures: int, patience: float) -> float | None:
    """Seconds to wait before asking again; None where it is not worth it, or the server wants more than `patience`.

    Args:
        error: the last one.
        failures: how many there were, at least one.
        patience: in seconds.
    """
    if not error.again or failures >= ATTEMPTS:
        return None
    pause = FIRST_PAUSE * 2 ** (failures - 1) if error.after_s is None else error.after_s
    return pause if pause <= patience else None
