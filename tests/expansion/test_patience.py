"""When a server is asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medalist.errors import WebError
from medalist.expansion.patience import ATTEMPTS, pause_after, refused_by, retry_after

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90.0),
        ("Sun, 01 Mar 2026 14:01:30 +0200", 90.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("9" * 5000, 999_999_999.0),
        ("Sun, 99 Mar 2026 12:01:30 GMT", None),
        ("Mon, 01 Jan 2030 00:00:00 +99999999999999", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


@given(seconds=st.integers(0, 10**6), offset=st.integers(-12, 12))
def test_a_date_means_the_same_in_every_zone(seconds: int, offset: int) -> None:
    then = (NOW + timedelta(seconds=seconds)).astimezone(timezone(timedelta(hours=offset)))
    assert retry_after(format_datetime(then), NOW) == seconds


@given(st.text(max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    seconds = retry_after(text, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("status", "again"), [(400, False), (404, False), (410, False), (206, False), (429, True), (500, True), (503, True)]
)
def test_which_answers_may_get_better(status: int, again: bool) -> None:
    error = refused_by(status, {"retry-after": "7"})
    assert (error.again, error.after_s) == (again, 7.0 if again else None)
    assert str(error) == f"answered {status}"


def test_what_the_server_said_is_plain_text() -> None:
    assert str(refused_by(403, {}, b"<p>go\x1b[31m away</p>\xff\n" + b"x" * 9999)).startswith(
        "answered 403: go [31m away"
    )


def test_pauses_grow_and_end() -> None:
    error = WebError("answered 500", again=True)
    assert [pause_after(error, failures, 600) for failures in range(1, ATTEMPTS + 1)] == [1, 2, 4, None]
    assert pause_after(WebError("answered 404"), 1, 600) is None
    assert pause_after(WebError("answered 429", again=True, after_s=30), 1, 600) == 30
    assert pause_after(WebError("answered 429", again=True, after_s=601), 1, 600) is None
