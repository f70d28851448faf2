"""Who asks, how much is let in, and what of the machine it goes through: plain values that travel to every request."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import medalist
from medalist.errors import RecipeError

CONTACT = re.compile(r"https?://[!-~]{3,200}|[!-?A-~]{1,64}@[!-?A-~]{3,190}")


@dataclass(frozen=True)
class Limits:
    """What one download, and all of them together, may cost.

    Args:
        bytes: of one file.
        pixels: of one image, told by its header before anything is decoded.
        seconds: of one download from its first look-up to its last byte, redirects included.
        silence: seconds without a byte, or until a connection stands.
        patience: seconds of the longest `Retry-After` that is waited for.
        workers: downloads at once.
        per_host: of them, from one host.
        total: bytes of all files in the folder.
        free: bytes that stay free on its disk.
    """

    bytes: int = 20_000_000
    pixels: int = 80_000_000
    seconds: float = 60.0
    silence: float = 15.0
    patience: float = 600.0
    workers: int = 8
    per_host: int = 2
    total: int = 5_000_000_000
    free: int = 1_000_000_000


def look_up(host: str, port: int) -> list[str]:
    """Every address of a host, in the system's order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect(address: str, port: int, seconds: float) -> Any:
    """A TCP connection to exactly that address, as httpcore2's stream."""
    import httpcore2

    return httpcore2.SyncBackend().connect_tcp(address, port, timeout=seconds)


@dataclass(frozen=True)
class Outside:
    """What requests need of the machine; tests put their own in its place.

    Args:
        look_up: `(host, port) -> addresses`.
        connect: `(address, port, seconds) -> stream`.
        now: seconds of a clock that never goes back.
        sleep: waits for so many seconds.
    """

    look_up: Callable[[str, int], list[str]] = look_up
    connect: Callable[[str, int, float], Any] = connect
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Web:
    """How this expansion speaks to the web.

    Args:
        contact: mail address or URL of whoever runs it; needed for the first request.
        limits: of downloads.
        outside: the machine.
        allow_loopback: servers on this machine are let in, on any port; for tests.
    """

    contact: str = ""
    limits: Limits = field(default_factory=Limits)
    outside: Outside = field(default_factory=Outside)
    allow_loopback: bool = False

    @property
    def agent(self) -> str:
        """The User-Agent header, which says whom to write to.

        Raises:
            RecipeError: there is no contact, or it is neither a mail address nor a URL.
        """
        if not CONTACT.fullmatch(self.contact):
            got = f"got {self.contact[:80]!r}" if self.contact else "none was given"
            raise RecipeError(
                f"requests to the web say whom to write to when they are a nuisance (Wikimedia blocks those that do"
                f" not), {got}; type --contact with your mail address or a URL"
            )
        return f"medalist/{medalist.__version__} ({self.contact})"
