"""Drawing ahead: order, errors, and an early end."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from medalist.engines.ahead import ahead


def test_ahead_keeps_order_hands_on_errors_and_closes() -> None:
    closed = threading.Event()

    def numbers(fail_at: int) -> Iterator[int]:
        try:
            for i in range(100):
                if i == fail_at:
                    raise ValueError("no more")
                yield i
        finally:
            closed.set()

    assert list(ahead(numbers(-1), 3)) == list(range(100))
    drawn = ahead(numbers(5), 3)
    assert [next(drawn) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="no more"):
        next(drawn)
    closed.clear()
    early = ahead(numbers(-1), 3)
    assert next(early) == 0
    early.close()
    assert closed.is_set()
