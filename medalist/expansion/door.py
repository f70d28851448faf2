"""A URL from strangers -> the bytes behind it, or the reason why not: the one door through which anything comes in.

A name is looked up once, every address of it must be public, and the connection goes to one of those addresses; TLS
still names the host and checks its certificate. A redirect passes the same door. There is a connection a request and no
client around it: no cookies, no credentials, no proxies of the environment, no decoding of what the server compressed.
"""

from __future__ import annotations

import functools
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from medalist.errors import MissingExtraError, WebError
from medalist.expansion.addresses import is_loopback, is_public
from medalist.expansion.plain import plain
from medalist.expansion.web import Web

try:
    import httpcore2
    import httpx2
except ImportError as error:
    raise MissingExtraError("images from the web need httpx2: pip install 'medalist[expand]'") from error

REDIRECTS = 5
URL_LENGTH = 2_000  # characters
PORTS = {"http": 80, "https": 443}
MOVED = (301, 302, 303, 307, 308)
ADDRESSES = 3  # of one host that are tried
BEGINNING = 16  # bytes after which a file's kind is told
REMARK = 2_000  # bytes that are read of an answer that is no success
HEADERS = 250_000  # bytes on the wire beside the body: headers, and the sizes of chunks


@dataclass(frozen=True)
class Answer:
    """What a server said.

    Args:
        status: of HTTP, never a redirect.
        headers: the last of each name, names in lower case.
        body: all of it with status 200, else its beginning.
    """

    status: int
    headers: dict[str, str]
    body: bytes


def get(web: Web, url: str, *, accept: str, begins: Callable[[bytes], object] | None = None) -> Answer:
    """Ask for `url`, following at most REDIRECTS redirects, all within one deadline.

    Args:
        web: who asks, and the limits.
        url: http or https.
        accept: the Accept header.
        begins: called with the first bytes of a body; what it raises ends the download.

    Raises:
        WebError: see its reason. RecipeError: no contact.
    """
    ask = _Ask(web, web.outside.now() + web.limits.seconds, accept, begins)
    target = checked_url(url)
    for _ in range(REDIRECTS + 1):
        answer = ask.once(target)
        if answer.status not in MOVED:
            return answer
        target = _moved(target, answer)
    raise WebError(f"sends on from place to place more than {REDIRECTS} times")


def checked_url(url: str) -> httpx2.URL:
    """Parse a URL that may be asked for, as far as its text tells.

    Raises:
        WebError: it is too long, no http(s), holds credentials, or names no host.
    """
    if len(url) > URL_LENGTH:
        raise WebError(f"a URL of {len(url):,} characters, longer than {URL_LENGTH:,}")
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise WebError(f"no URL: {plain(str(error))}") from error
    if parsed.scheme not in PORTS:
        raise WebError(f"a URL of scheme {plain(parsed.scheme, 20)!r}, where only http and https are asked")
    if parsed.userinfo:
        raise WebError("a URL with a user name or password inside")
    if not parsed.raw_host:
        raise WebError("a URL without a host")
    return parsed


def _moved(target: httpx2.URL, answer: Answer) -> httpx2.URL:
    """Where a redirect leads."""
    location = answer.headers.get("location")
    if not location:
        raise WebError(f"answered {answer.status} (moved) without saying where to")
    try:
        onward = checked_url(str(target.join(location[: URL_LENGTH + 1])))
    except (httpx2.InvalidURL, ValueError) as error:
        raise WebError(f"redirects to no URL: {plain(str(error))}") from error
    except WebError as error:
        raise WebError(f"redirects to {error}") from error
    if target.scheme == "https" and onward.scheme == "http":
        raise WebError("redirects from https to http")
    return onward


@dataclass(frozen=True)
class _Ask:
    """One question, with what must hold on every hop."""

    web: Web
    deadline: float
    accept: str
    begins: Callable[[bytes], object] | None

    def once(self, target: httpx2.URL) -> Answer:
        """Ask one server once."""
        silence = self.web.limits.silence
        wire = _Wire(self.web, self._addresses(target), self.deadline)
        try:
            with (
                httpcore2.ConnectionPool(_tls(), max_connections=1, network_backend=wire) as pool,
                pool.stream(
                    "GET",
                    httpcore2.URL(
                        scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path
                    ),
                    headers=self._headers(target),
                    extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), silence)},
                ) as response,
            ):
                return self._read(response)
        except httpcore2.TimeoutException as error:
            wire.seconds_left()
            raise WebError(f"was silent for {silence:g} s", again=True) from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, ValueError) as error:
            again = not isinstance(error, ValueError)
            raise WebError(f"no proper answer: {plain(str(error)) or type(error).__name__}", again=again) from error

    def _headers(self, target: httpx2.URL) -> list[tuple[bytes, bytes]]:
        return [
            (b"Host", target.netloc),
            (b"User-Agent", self.web.agent.encode()),
            (b"Accept", self.accept.encode()),
            (b"Accept-Encoding", b"identity"),
            (b"Connection", b"close"),
        ]

    def _addresses(self, target: httpx2.URL) -> list[str]:
        """Look the host up, once; every address must be one that may be asked, and so must the port."""
        host, port = target.raw_host.decode("ascii"), target.port or PORTS[target.scheme]
        try:
            addresses = self.web.outside.look_up(host, port)
        except (OSError, UnicodeError) as error:
            raise WebError(f"{plain(host)} has no address", again=True) from error
        if self.web.allow_loopback and addresses and all(map(is_loopback, addresses)):
            return addresses
        closed = [address for address in addresses if not is_public(address)]
        if closed or not addresses:
            raise WebError(f"{plain(host)} is at {', '.join(map(plain, closed[:3])) or 'no address'}, not a public one")
        if port not in PORTS.values():
            raise WebError(f"port {port}; only {', '.join(map(str, PORTS.values()))} are asked")
        return addresses

    def _read(self, response: httpcore2.Response) -> Answer:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        if response.status in MOVED:
            return Answer(response.status, headers, b"")
        if response.status != 200:
            return Answer(response.status, headers, _remark(response))
        if headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise WebError(f"is compressed ({plain(headers['content-encoding'], 40)}), which was not asked for")
        self._claimed(headers.get("content-length", ""))
        return Answer(200, headers, self._body(response))

    def _claimed(self, length: str) -> None:
        if length.isascii() and length.isdigit() and int(length[:20]) > self.web.limits.bytes:
            raise _too_large(self.web)

    def _body(self, response: httpcore2.Response) -> bytes:
        data, begins = bytearray(), self.begins
        for piece in response.iter_stream():
            data += piece
            if len(data) > self.web.limits.bytes:
                raise _too_large(self.web)
            if begins and len(data) >= BEGINNING:
                begins(bytes(data[:BEGINNING]))
                begins = None
        return bytes(data)


def _remark(response: httpcore2.Response) -> bytes:
    """The beginning of an error's text; that it cannot be read changes nothing about the error."""
    data = bytearray()
    try:
        for piece in response.iter_stream():
            data += piece
            if len(data) >= REMARK:
                break
    except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError, WebError):
        return bytes(data[:REMARK])
    return bytes(data[:REMARK])


def _too_large(web: Web) -> WebError:
    return WebError(f"more than the {web.limits.bytes:,} bytes that are read of a file")


@functools.cache
def _tls() -> ssl.SSLContext:
    """Certificates and host names are checked; made once, as reading the authorities takes long."""
    return httpcore2.default_ssl_context()


class _Wire(httpcore2.NetworkBackend):
    """Connects to the addresses that were checked, whatever host it is told, and counts bytes and seconds."""

    def __init__(self, web: Web, addresses: list[str], deadline: float) -> None:
        self._web = web
        self._addresses = addresses
        self._deadline = deadline
        self._bytes = 0

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address that takes it."""
        failed: Exception | None = None
        for address in self._addresses[:ADDRESSES]:
            try:
                return _Stream(self, self._web.outside.connect(address, port, self.patience(timeout)))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout, OSError) as error:
                failed = error
        raise WebError(f"cannot be reached: {plain(str(failed)) or type(failed).__name__}", again=True) from failed

    def seconds_left(self) -> float:
        """Until the deadline, more than none."""
        left = self._deadline - self._web.outside.now()
        if left <= 0:
            raise WebError(f"took more than {self._web.limits.seconds:g} s", again=True)
        return left

    def patience(self, timeout: float | None) -> float:
        """How long one step may take."""
        left = self.seconds_left()
        return left if timeout is None else min(timeout, left)

    def count(self, data: bytes) -> bytes:
        """Let bytes from the wire through, as long as they are not too many."""
        self._bytes += len(data)
        if self._bytes > self._web.limits.bytes + HEADERS:
            raise _too_large(self._web)
        return data


class _Stream(httpcore2.NetworkStream):
    """A connection whose every step is watched by its `_Wire`."""

    def __init__(self, wire: _Wire, inner: httpcore2.NetworkStream) -> None:
        self._wire = wire
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._wire.count(self._inner.read(max_bytes, self._wire.patience(timeout)))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._wire.patience(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, self._wire.patience(timeout))
        return _Stream(self._wire, inner)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
