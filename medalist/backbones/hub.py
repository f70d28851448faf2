"""timm names on the Hugging Face hub -> a Backbone whose revision and hash are recorded at the first use.

What was learnt about a name stays beside the weights as a small JSON record: the next use needs neither the network
nor torch, and loads the very same bytes.
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from socket import SOCK_STREAM, create_connection, getaddrinfo
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from medalist.backbones.backbone import Backbone, Timm, build_timm, cut_classifier
from medalist.errors import BackboneError
from medalist.store import hash_bytes, write_atomic

TIMEOUT_S = 5.0
PROBE_S = 3.0  # for a connection, before anything is asked
FILES = ("model.safetensors", "pytorch_model.bin")
CROP_MODES = {"center": "crop", "squash": "squash", "border": "letterbox"}
RECORD_FORMAT = 1


def names() -> list[str]:
    """All pretrained names of the installed timm, with their tags."""
    import timm

    return [str(name) for name in timm.list_pretrained()]


def knows(name: str) -> bool:
    """Whether timm has pretrained weights under `name`, with or without a tag."""
    import timm

    return bool(timm.is_model_pretrained(name))


def remembered(name: str) -> Backbone | None:
    """The backbone as its first use recorded it, if its weights are still in the hub's cache."""
    file = _records() / f"{name}.json"
    if Path(name).name != name or not file.is_file():
        return None
    record = json.loads(file.read_text(encoding="utf-8"))
    if record["format"] != RECORD_FORMAT or not Path(record["file"]).is_file():
        return None
    return _backbone(record)


def open_hub(name: str) -> Backbone:
    """Find the weights of a timm name in the hub's cache, or fetch them; then record revision and hash.

    Args:
        name: a pretrained timm name; without a tag, timm's default one.

    Raises:
        BackboneError: the hub cannot be reached, has no such file, or timm offers none there.
    """
    import timm

    cfg: Any = timm.get_pretrained_cfg(name)
    full = f"{cfg.architecture}.{cfg.tag}" if cfg.tag else str(cfg.architecture)
    if not cfg.hf_hub_id:
        raise BackboneError(
            f"timm keeps {full!r} outside the hub ({cfg.url}); fetch that file, save it as safetensors and write a card"
            " (docs/CARDS.md)"
        )
    repository = cfg.hf_hub_id
    file = _cached(repository) or _fetched(full, repository)
    num_params, num_features = measure(full)
    record = {
        "format": RECORD_FORMAT,
        "name": full,
        "file": str(file),
        "sha256": hash_bytes(file.read_bytes()),
        "preprocessing": preprocessing_of(cfg),
        "num_classes": cfg.num_classes,
        "num_features": num_features,
        "params": num_params,
        "licence": cfg.license or "not stated",
        "provenance": {
            "hub": repository,
            "revision": file.parent.name,
            "origin": cfg.origin_url,
            "timm": timm.__version__,
        },
    }
    _records().mkdir(parents=True, exist_ok=True)
    for alias in {full, name}:
        write_atomic(_records() / f"{alias}.json", json.dumps(record, indent=1, sort_keys=True).encode())
    return _backbone(record)


def _backbone(record: dict[str, Any]) -> Backbone:
    build = partial(
        build_timm,
        name=record["name"],
        source=Timm(record["name"], {}, Path(record["file"]), record["sha256"]),
        num_classes=record["num_classes"],
        num_features=record["num_features"],
    )
    return Backbone(
        name=record["name"],
        weights_hash=record["sha256"],
        preprocessing=record["preprocessing"],
        num_features=record["num_features"],
        num_classes=record["num_classes"],
        num_params=record["params"],
        licence=record["licence"],
        source="hub",
        provenance=record["provenance"],
        build=build,
    )


def _records() -> Path:
    """Beside the hub's cache: who moves one moves both."""
    home = Path(
        os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    )
    return home / "medalist"


def _cached(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for filename in FILES:
        found = try_to_load_from_cache(repository, filename)
        if isinstance(found, str):
            return Path(found)
    return None


def _fetched(name: str, repository: str) -> Path:
    """Download the weights; one request with a short time-out first, so that a missing network is told at once.

    The hub's ETag of a large file is its SHA-256: what arrives must be what was announced.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError

    if (silent := _silent(hf_hub_url(repository, FILES[0]))) is not None:
        raise BackboneError(_unreachable(name, repository, silent))
    for filename in FILES:
        try:
            announced = get_hf_file_metadata(hf_hub_url(repository, filename), timeout=TIMEOUT_S)
            file = Path(hf_hub_download(repository, filename, revision=announced.commit_hash, etag_timeout=TIMEOUT_S))
        except RepositoryNotFoundError as error:
            raise BackboneError(f"the hub has no {repository!r} (or wants a login: `hf auth login`)") from error
        except EntryNotFoundError:
            continue
        except Exception as error:  # The client raises errors of three HTTP libraries, and its own for offline mode.
            raise BackboneError(_unreachable(name, repository, error)) from error
        if announced.etag is not None and len(announced.etag) == 64 and hash_bytes(file.read_bytes()) != announced.etag:
            raise BackboneError(
                f"{file} is not what the hub announced ({announced.etag}); delete it and fetch it again"
            )
        return file
    raise BackboneError(f"the hub's {repository!r} holds neither {' nor '.join(FILES)}; choose another pretrained tag")


def _silent(url: str) -> OSError | None:
    """Why the hub's host takes no connection; the client by itself would try again for half a minute.

    None: it does, or nothing is known before the client asks, as a proxy is set or the hub is told to be offline.
    """
    from huggingface_hub.constants import HF_HUB_OFFLINE

    at = urlsplit(url)
    if HF_HUB_OFFLINE or at.scheme in getproxies() or "all" in getproxies():
        return None
    answers, errors = SimpleQueue[OSError | None](), list[OSError]()

    def knock(place: tuple[str, int], of: int) -> None:
        try:
            with create_connection(place, PROBE_S):
                answers.put(None)
        except OSError as error:
            errors.append(error)
            if len(errors) == of:
                answers.put(error)

    def ask() -> None:
        try:
            found = getaddrinfo(at.hostname or "", at.port or (443 if at.scheme == "https" else 80), type=SOCK_STREAM)
        except OSError as error:
            answers.put(error)
            return
        places = {(str(one[4][0]), int(one[4][1])) for one in found}
        for place in places:  # all at once: a first one that hangs must not take the time of the others
            Thread(target=knock, args=(place, len(places)), daemon=True).start()

    Thread(target=ask, daemon=True).start()  # a resolver cannot be told to hurry
    try:
        return answers.get(timeout=PROBE_S)
    except Empty:
        return TimeoutError(f"no answer within {PROBE_S:g} s")


def _unreachable(name: str, repository: str, error: Exception) -> str:
    reason = f"{type(error).__name__}: {str(error)[:120]}"
    return (
        f"the model hub cannot be reached for {name!r} ({reason}). Offline, use 'embedded' or a card (docs/CARDS.md,"
        f" --cards DIR), or run `hf download {repository}` where there is a network and copy the folder of HF_HOME"
    )


def preprocessing_of(cfg: Any) -> dict[str, Any]:
    """timm's own configuration of these weights as the fields of `data.decode.Preprocessing`."""
    return {
        "height": int(cfg.input_size[1]),
        "width": int(cfg.input_size[2]),
        "mean": [float(value) for value in cfg.mean],
        "std": [float(value) for value in cfg.std],
        "interpolation": cfg.interpolation,
        "crop_pct": float(cfg.crop_pct),
        "resize": CROP_MODES[cfg.crop_mode],
    }


def measure(name: str) -> tuple[int, int]:
    """Parameters with the classifier, and the length of the pooled features; no memory is taken."""
    import timm
    import torch

    with torch.device("meta"):
        network = timm.create_model(name, pretrained=False)
    num_params = sum(parameter.numel() for parameter in network.parameters())
    return num_params, cut_classifier(network)
