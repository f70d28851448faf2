"""timm names: from the hub's cache, from a hub served here, and without any hub."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from medalist.backbones import hub as hub_module
from medalist.backbones import open_backbone
from medalist.backbones.runtimes import open_runtime
from medalist.errors import BackboneError

NAME = "test_resnet.r160_in1k"
REPOSITORY = "timm/test_resnet.r160_in1k"
REVISION = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def weights() -> bytes:
    """What the hub would hold: timm's own keys, random numbers."""
    import timm
    import torch
    from safetensors.torch import save

    torch.manual_seed(1)
    return save(timm.create_model("test_resnet", pretrained=False).state_dict())


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty hub cache, and a hub that refuses connections."""
    from huggingface_hub import constants

    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_XET_CACHE", str(tmp_path / "xet"), raising=False)
    _serve_from(monkeypatch, "http://127.0.0.1:1")
    return tmp_path


def _serve_from(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    from huggingface_hub import constants, file_download

    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    for module in (constants, file_download):
        monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", template, raising=False)


def _cache(home: Path, weights: bytes) -> Path:
    folder = home / "hub" / f"models--{REPOSITORY.replace('/', '--')}"
    snapshot = folder / "snapshots" / REVISION
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(REVISION)
    (snapshot / "model.safetensors").write_bytes(weights)
    return snapshot / "model.safetensors"


@pytest.fixture
def hub(weights: bytes) -> Iterator[tuple[str, list[str]]]:
    """A hub on this machine that has the one file; its address, and the requests it got. `etag` may be overwritten."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            requests.append(f"{self.command} {self.path}")
            found = self.path.endswith("/model.safetensors") and REPOSITORY in self.path
            self.send_response(200 if found else 404)
            self.send_header("X-Repo-Commit", REVISION)
            self.send_header("ETag", f'"{hashlib.sha256(weights).hexdigest()}"')
            self.send_header("Content-Length", str(len(weights)) if found else "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(weights)

        def log_message(self, format: str, *args: object) -> None:
            """Silence."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", requests
    server.shutdown()
    server.server_close()


def test_a_cached_name_needs_no_network_and_gives_what_timm_gives(home: Path, weights: bytes) -> None:
    import timm
    import torch
    from safetensors.torch import load

    file = _cache(home, weights)
    backbone = open_backbone(NAME)
    cfg = timm.get_pretrained_cfg(NAME)
    assert backbone.weights_hash == hashlib.sha256(weights).hexdigest()
    assert backbone.provenance["revision"] == REVISION
    assert backbone.preprocessing["height"] == cfg.input_size[1]
    assert backbone.preprocessing["crop_pct"] == cfg.crop_pct
    assert (backbone.licence, backbone.source) == (cfg.license, "hub")

    reference = timm.create_model("test_resnet", pretrained=False).eval()
    reference.load_state_dict(load(weights))
    pixels = np.random.default_rng(0).integers(0, 256, (1, 160, 160, 3), dtype=np.uint8)
    tensor = (torch.from_numpy(pixels) / 255 - torch.tensor(cfg.mean)) / torch.tensor(cfg.std)
    with torch.inference_mode():
        features = reference.forward_features(tensor.permute(0, 3, 1, 2))
        want = reference.forward_head(features, pre_logits=True).numpy()
    got = open_runtime(backbone, runtime="torch_f32", batch=1)(pixels)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4 * np.abs(want).max())

    file.write_bytes(weights[:-1] + b"\0")
    with pytest.raises(BackboneError, match="expected " + backbone.weights_hash):
        open_backbone(NAME).build()


def test_the_second_use_needs_no_torch(home: Path, weights: bytes) -> None:
    _cache(home, weights)
    first = open_backbone("test_resnet")
    assert first.name == NAME
    code = (
        "import sys; from medalist.backbones import open_backbone;"
        f"hashes = [open_backbone(name).weights_hash for name in ('test_resnet', {NAME!r})];"
        f"sys.exit(hashes != [{first.weights_hash!r}] * 2 or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert open_backbone(NAME) == first


def test_a_name_is_fetched_and_pinned(
    home: Path, hub: tuple[str, list[str]], weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, requests = hub
    _serve_from(monkeypatch, endpoint)
    backbone = open_backbone(NAME)
    assert backbone.weights_hash == hashlib.sha256(weights).hexdigest()
    assert backbone.provenance["revision"] == REVISION
    assert any(request.startswith("GET") and REVISION in request for request in requests)
    _serve_from(monkeypatch, "http://127.0.0.1:1")
    assert open_backbone(NAME) == backbone


def test_an_unreachable_hub_says_so_and_what_to_do(home: Path) -> None:
    with pytest.raises(BackboneError, match=r"cannot be reached .*'embedded'.*hf download timm/test_resnet"):
        open_backbone(NAME)


def test_a_hub_that_takes_no_connection_is_told_in_seconds(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that hangs, as without a network: the client would wait for it again and again."""

    def hangs(*_: object) -> None:
        time.sleep(2)
        raise OSError

    monkeypatch.setattr("medalist.backbones.hub.create_connection", hangs)
    monkeypatch.setattr("medalist.backbones.hub.PROBE_S", 0.2)
    start = time.perf_counter()
    with pytest.raises(BackboneError, match=r"TimeoutError: no answer within 0\.2 s"):
        open_backbone(NAME)
    assert time.perf_counter() - start < 20  # timm is imported, too
    time.sleep(2)  # the thread's end is this test's own


def test_a_hub_that_answers_on_its_second_address_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first leads nowhere, as with a broken IPv6; refused on all, or unknown, it is silent at once."""
    places = [(0, 0, 0, "", (host, 443)) for host in ("::1", "127.0.0.1")]
    behaviours = {"::1": lambda: time.sleep(1), "127.0.0.1": lambda: None}

    def connects(place: tuple[str, int], _: float) -> contextlib.nullcontext[None]:
        behaviours[place[0]]()
        return contextlib.nullcontext()

    def refuses() -> None:
        raise ConnectionRefusedError

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror("no such name")

    monkeypatch.setattr(hub_module, "getproxies", dict)
    monkeypatch.setattr(hub_module, "PROBE_S", 0.5)
    monkeypatch.setattr(hub_module, "create_connection", connects)
    monkeypatch.setattr(hub_module, "getaddrinfo", lambda *_, **__: places)
    assert hub_module._silent("https://hub.example") is None
    start = time.perf_counter()
    behaviours |= dict.fromkeys(behaviours, refuses)
    assert isinstance(hub_module._silent("https://hub.example"), ConnectionRefusedError)
    monkeypatch.setattr(hub_module, "getaddrinfo", unknown)
    assert isinstance(hub_module._silent("https://hub.example"), socket.gaierror)
    assert time.perf_counter() - start < 0.4
    time.sleep(1)  # the thread's end is this test's own


def test_an_unreachable_name_offers_a_card_at_hand_of_a_near_one(home: Path) -> None:
    cards = home / "cards"
    cards.mkdir()
    (cards / "test_resnet.json").touch()
    with pytest.raises(BackboneError, match=r"cannot be reached .*; did you mean 'test_resnet'\? That card is at hand"):
        open_backbone(NAME, cards=cards)


def test_weights_outside_the_hub_ask_for_a_card(home: Path) -> None:
    with pytest.raises(BackboneError, match=r"write a card"):
        open_backbone("gcvit_base.in1k")
