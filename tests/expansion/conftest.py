"""A server that behaves badly, a clock that is moved by hand, and services whose answers were written down."""

from __future__ import annotations

import gzip
import io
import json
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpcore2
import numpy as np
import pytest
from PIL import Image

from medalist.data.drawn import CLASSES, draw_competition, draw_image, jpeg
from medalist.expansion.web import Limits, Outside, Web

PUBLIC = "93.184.215.14"
SMALL = Limits(bytes=50_000, pixels=1_000_000, seconds=30, silence=30, total=10_000_000, free=0)


def picture(seed: int, *, kind: str = "PNG", size: int = 16) -> bytes:
    """An image file of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def claims(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be large."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


class Clock:
    """Time goes on by itself, and jumps when somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return time.monotonic() + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Handler(BaseHTTPRequestHandler):
    """`/KIND/...`: each kind is a method below."""

    protocol_version = "HTTP/1.1"
    server: BadServer

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        with self.server.lock:
            self.server.hits[self.path] += 1
            self.server.requests.append((self.path, dict(self.headers)))
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
        self.counted = True
        try:
            getattr(self, path.split("/")[1])(*path.split("/")[2:])
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self.answered()
            self.close_connection = True

    def answered(self) -> None:
        """Count down, once: before the last write, as the next request may come right after it."""
        if self.counted:
            self.counted = False
            with self.server.lock:
                self.server.at_once -= 1

    def log_message(self, *words: Any) -> None:
        pass

    def say(self, body: bytes, status: int = 200, *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.answered()
        self.end_headers()
        self.wfile.write(body)

    def drip(self, data: bytes) -> None:
        for byte in data:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.02)

    def ok(self, seed: str) -> None:
        self.say(picture(int(seed.partition(".")[0])), Content_Type="image/png", Set_Cookie="who=you")

    def jpeg(self, seed: str) -> None:
        self.say(picture(int(seed), kind="JPEG"), Content_Type="text/plain")

    def held(self, seed: str) -> None:
        """Nobody is answered before two have come, whom a third would find here."""
        until = time.monotonic() + 10
        while self.server.most_at_once < 2 and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.05)
        self.ok(seed)

    def slow(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.drip(picture(1) * 10)

    def slow_headers(self) -> None:
        self.drip(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 200)

    def silent(self) -> None:
        self.server.over.wait(5)

    def hundreds(self) -> None:
        self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000)
        self.ok("1")

    def many_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.server.over.is_set():
            self.wfile.write(b"X-A: " + b"b" * 10_000 + b"\r\n")

    def endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(picture(1))
        while not self.server.over.is_set():
            self.wfile.write(bytes(10_000))

    def tiny_chunks(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"14\r\n" + picture(1)[:20] + b"\r\n")
        self.wfile.write((b"1;" + b"x" * 200 + b"\r\nx\r\n") * 2_000 + b"0\r\n\r\n")

    def large(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(picture(1) + bytes(60_000))

    def huge(self) -> None:
        self.say(picture(1), length=10**12)

    def claims_more(self) -> None:
        self.say(picture(1), length=len(picture(1)) + 100)

    def claims_less(self) -> None:
        self.say(picture(1), length=40)

    def gzip(self) -> None:
        self.say(gzip.compress(bytes(10_000_000)), Content_Encoding="gzip")

    def claims(self, side: str) -> None:
        self.say(claims(int(side), int(side)), Content_Type="image/png")

    def file(self, *path: str) -> None:
        self.say(Path("/", *map(unquote, path)).read_bytes(), Content_Type="image/jpeg")

    def half(self, *path: str) -> None:
        data = Path("/", *map(unquote, path)).read_bytes()
        self.say(data[: len(data) // 2], Content_Type="image/jpeg")

    def html(self, *name: str) -> None:
        self.say(b"<!DOCTYPE html><html><body>Hot-linking is not allowed</body></html>", Content_Type="image/jpeg")

    def svg(self, *name: str) -> None:
        self.say(b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', Content_Type="image/svg+xml")

    def empty(self) -> None:
        self.say(b"")

    def garbage(self) -> None:
        self.wfile.write(b"\0\1\2 no HTTP at all\r\n\r\n")

    def hangs_up(self) -> None:
        pass

    def to(self, *where: str) -> None:
        self.say(b"", 302, Location=unquote(urlsplit(self.path).query))

    def loop(self, number: str) -> None:
        self.say(b"", 301, Location=f"/loop/{int(number) + 1}")

    def far(self) -> None:
        self.say(b"", 302, Location="http://" + "a" * 3000)

    def nowhere(self) -> None:
        self.say(b"", 302)

    def status(self, code: str) -> None:
        self.say(b"\x1b[31mred <b>text</b>", int(code))

    def busy(self, times: str, after: str, *name: str) -> None:
        if self.server.hits[self.path] <= int(times):
            self.say(b"later", 429, Retry_After=unquote(after))
        else:
            self.ok("7")

    def fails(self, times: str) -> None:
        if self.server.hits[self.path] <= int(times):
            self.say(b"", 500)
        else:
            self.ok("8")


class BadServer(ThreadingHTTPServer):
    """The server, and what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.hits: Counter[str] = Counter()
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.at_once = self.most_at_once = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    def as_public(self, hosts: dict[str, list[list[str]]]) -> Outside:
        """A machine on which names have the given addresses, look-up by look-up, and public ones lead here."""
        looked = {host: iter(answers) for host, answers in hosts.items()}

        def look_up(host: str, port: int) -> list[str]:
            if host not in looked:
                return [host]
            return next(looked[host])

        def connect(address: str, port: int, seconds: float) -> Any:
            assert address == PUBLIC, f"a connection to {address}"
            return httpcore2.SyncBackend().connect_tcp("127.0.0.1", self.server_port, timeout=seconds)

        return Outside(look_up, connect)


@pytest.fixture
def server() -> Iterator[BadServer]:
    with BadServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def web(clock: Clock) -> Web:
    """Small limits, the loopback open, time moved by hand."""
    return Web("me@example.org", SMALL, Outside(now=clock.now, sleep=clock.sleep), allow_loopback=True)


@dataclass
class Service:
    """A service on the open internet, in TLS, that answers what was written down.

    Args:
        answers: bytes of HTTP, one a request, or what makes them of the request's query.
    """

    answers: list[bytes]
    queries: list[dict[str, str]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    timeouts: list[float] = field(default_factory=list)

    def web(self, clock: Clock, contact: str = "me@example.org") -> Web:
        outside = Outside(lambda host, port: [PUBLIC], lambda *where: Spoken(self), clock.now, clock.sleep)
        return Web(contact, SMALL, outside)


class Spoken(httpcore2.NetworkStream):
    """A connection to a `Service`."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.left = b""

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Spoken:
        assert ssl_context.check_hostname and ssl_context.verify_mode.name == "CERT_REQUIRED"
        self.service.names.append(str(server_hostname))
        self.service.timeouts.append(timeout or 1e9)
        return self

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.service.timeouts.append(timeout or 1e9)
        request = buffer.decode()
        if request:
            query = parse_qs(urlsplit(request.split(" ")[1]).query, keep_blank_values=True)
            self.service.queries.append({name: values[0] for name, values in query.items()})
            self.service.requests.append(request)
            self.left = self.service.answers.pop(0)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.service.timeouts.append(timeout or 1e9)
        data, self.left = self.left[:max_bytes], self.left[max_bytes:]
        return data

    def close(self) -> None:
        pass


def written(value: Any, status: int = 200, **headers: str) -> bytes:
    """An HTTP answer with JSON inside."""
    body = json.dumps(value).encode()
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture
def service() -> type[Service]:
    return Service


@pytest.fixture
def said() -> Callable[..., bytes]:
    """`said(value, status, Header=...)`: an answer in JSON."""
    return written


@pytest.fixture
def recorded() -> Callable[[str], Any]:
    """`recorded("openverse_1")`: an answer in the shape of a service's, written by us."""
    folder = Path(__file__).parent / "sources" / "recorded"
    return lambda name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def draw() -> Callable[..., bytes]:
    """`draw(seed, kind="PNG")`: the bytes that the server gives for `/ok/SEED`."""
    return picture


@dataclass(frozen=True)
class Drawn:
    """A drawn competition, a cache that knows its features, and more images of the same kind.

    Args:
        root: of the competition.
        cache: folder of facts and features.
    """

    root: Path
    cache: Path

    def more(self, folder: Path, per_class: int, *, shift: int = 0, seed: int = 7) -> Path:
        """A class folder each, with drawn images of the class `shift` places further."""
        rng = np.random.default_rng(seed)
        for place, name in enumerate(CLASSES):
            (folder / name).mkdir(parents=True, exist_ok=True)
            shown = CLASSES[(place + shift) % len(CLASSES)]
            for number in range(per_class):
                (folder / name / f"{shown}-{number:03d}.jpg").write_bytes(jpeg(draw_image(shown, rng), rng))
        return folder


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    """Few labelled images, so that more of them help."""
    folder = tmp_path_factory.mktemp("expansion")
    draw_competition(folder / "data", seed=2, num_train=130, num_test=12)
    return Drawn(folder / "data", folder / "cache")
