"""The feature bank: features of images by the hash of their bytes -> shards on disk, a folder for each space.

A space is all that a row's bits depend on beside the image: weights, preprocessing, view, runtime, decoder. Rows are
kept as float16 unless that loses them. Axes: N images, D features.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medalist.errors import MissingExtraError, StoreError
from medalist.features.rows import Block, Rows, compact
from medalist.store import (
    SET_ASIDE,
    Shard,
    hash_json,
    open_shard,
    set_aside,
    verify_shard,
    write_atomic,
    write_shard,
)

NETWORKS = "networks"
GARBAGE_AGE_S = 3600.0


@dataclass(frozen=True)
class Space:
    """What a row's bits depend on, beside the image's bytes.

    Args:
        key: JSON: name, weights_hash, preprocessing, view, tap, runtime, decoder.
        num_features: D.
    """

    key: dict[str, Any]
    num_features: int

    @property
    def name(self) -> str:
        """Its folder: 16 hex digits. What a backbone is called is not part of it."""
        return hash_json({name: value for name, value in self.key.items() if name != "name"})[:16]


@dataclass
class _Index:
    """Where rows are, as far as this process has looked: shards by file name, rows by key."""

    shards: dict[str, Shard] = field(default_factory=dict)
    rows: dict[str, tuple[str, int]] = field(default_factory=dict)
    verified: set[str] = field(default_factory=set)


class FeatureBank:
    """Features on disk, shared by all runs and processes of a cache folder.

    Attributes:
        folder: of the spaces.
        networks: folder beside it where runtimes keep what they convert.
        damaged: sidecars of shards that this process found damaged and set aside.

    >>> bank = FeatureBank(Path("cache"))  # doctest: +SKIP
    >>> bank.write(space, hashes, x_ND)  # doctest: +SKIP
    >>> bank.read(space, hashes).dtype  # doctest: +SKIP
    dtype('float32')
    """

    def __init__(self, cache: Path) -> None:
        self.folder, self.networks = cache / "bank", cache / NETWORKS
        self.damaged: list[Path] = []
        self._indices: dict[str, _Index] = {}

    def missing(self, space: Space, hashes: Sequence[str], *, fresh: bool = True) -> list[str]:
        """Those of `hashes` without an intact row, each once, in order.

        `fresh=False` trusts the last look at the folder: rows that another process wrote since then count as missing.
        """
        rows = self._look(space, hashes, fresh=fresh).rows
        return [key for key in dict.fromkeys(hashes) if key not in rows]

    def write(self, space: Space, hashes: Sequence[str], x_ND: np.ndarray) -> None:
        """Keep rows as one shard.

        Raises:
            StoreError: a feature is not finite, or the shape is not the space's.
        """
        if x_ND.shape != (len(hashes), space.num_features):
            raise StoreError(f"got features {x_ND.shape} for {len(hashes)} images in a space of {space.num_features}")
        if not np.isfinite(x_ND).all():
            raise StoreError(f"features of {space.key.get('name')} are not finite; use runtime=torch_f32")
        folder = self._folder(space)
        if not (folder / "space.json").is_file():
            folder.mkdir(parents=True, exist_ok=True)
            head = {"key": space.key, "num_features": space.num_features}
            write_atomic(folder / "space.json", json.dumps(head, indent=1, sort_keys=True).encode())
        write_shard(folder, hashes, compact(x_ND))

    def read(self, space: Space, hashes: Sequence[str]) -> np.ndarray:
        """Rows as float32 (N, D), in the order of `hashes`.

        Raises:
            StoreError: a row is missing.
        """
        return self.rows([space], hashes)[:]

    def rows(self, spaces: Sequence[Space], hashes: Sequence[str], *, normalise: str = "none") -> Rows:
        """Rows of several spaces side by side, (N, sum of D), read from disk when they are asked for.

        Args:
            spaces: blocks of columns, in order.
            hashes: images in order; an empty hash gives a row of zeros.
            normalise: see `Rows`.

        Raises:
            StoreError: a row is missing.
        """
        blocks = [self._block(space, hashes) for space in spaces]
        return Rows(blocks, num_rows=len(hashes), normalise=normalise)

    def _block(self, space: Space, hashes: Sequence[str]) -> Block:
        """Where rows lie, in shards whose checksums were compared."""
        index = self._look(space, hashes)
        if absent := [key for key in dict.fromkeys(hashes) if key and key not in index.rows]:
            raise StoreError(
                f"{len(absent)} of {len(hashes)} images have no features in {self._folder(space)} (first: {absent[0]});"
                " run `medalist run` again, it computes what is missing"
            )
        names = sorted({index.rows[key][0] for key in hashes if key})
        number = {name: i for i, name in enumerate(names)}
        place_N2 = np.full((len(hashes), 2), -1, np.int32)
        for i, key in enumerate(hashes):
            if key:
                name, row = index.rows[key]
                place_N2[i] = number[name], row
        return Block([index.shards[name].array for name in names], place_N2, space.num_features)

    def spaces(self) -> list[Space]:
        """All spaces on disk, by folder name."""
        heads = [json.loads(file.read_bytes()) for file in sorted(self.folder.glob("*/space.json"))]
        return [Space(head["key"], head["num_features"]) for head in heads]

    def text(self) -> str:
        """A line a space for people: rows, bytes, and what it is."""
        lines = [self._line(space) for space in self.spaces()]
        return "\n".join(lines) if lines else f"the bank {self.folder} is empty"

    def verify(self) -> list[Path]:
        """Compare every shard with its checksum; the damaged ones, now set aside."""
        before = len(self.damaged)
        self._indices.clear()
        for space in self.spaces():
            self._verify(self._scan(space), set(self._scan(space).shards))
        return self.damaged[before:]

    def collect(self, *, weights: Collection[str] | None = None) -> list[Path]:
        """Remove garbage: shards set aside, and temporary files and halves of shards that a kill left an hour ago.

        Args:
            weights: hashes of the weights still in use; spaces and converted networks of any other weights are removed
                too. None: keep all.

        Returns:
            What was removed.
        """
        removed = []
        for space in self.spaces():
            if weights is not None and space.key["weights_hash"] not in weights:
                shutil.rmtree(self._folder(space))
                removed.append(self._folder(space))
        for file in list(self._garbage()):
            file.unlink(missing_ok=True)
            removed.append(file)
        for folder in list(self._idle_networks(weights)):
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
        self._indices.clear()
        return removed

    def export_hdf5(
        self, file: Path, spaces: Sequence[Space], hashes: Mapping[str, Sequence[str]], labels: Mapping[str, np.ndarray]
    ) -> None:
        """Write the spaces side by side for other tools: `train_x`, `train_label`, `valid_x`, `valid_label`, `test`.

        Args:
            file: HDF5 file to write; replaced if it exists.
            spaces: blocks of columns, in order.
            hashes: images of `train`, `valid` and `test`, in the order of the rows; an empty hash gives a row of zeros.
            labels: of `train` and `valid`.

        Raises:
            MissingExtraError: h5py is not installed. StoreError: a row is missing.
        """
        try:
            import h5py
        except ImportError as error:
            raise MissingExtraError("HDF5 needs h5py: pip install 'medalist[export]'") from error
        temporary = file.with_name(f".{file.name}.tmp")
        with h5py.File(temporary, "w") as hdf5:
            for part in ("train", "valid", "test"):
                hdf5["test" if part == "test" else f"{part}_x"] = self.rows(spaces, hashes.get(part, ()))[:]
            for part in ("train", "valid"):
                hdf5[f"{part}_label"] = np.asarray(labels.get(part, np.zeros(0, np.int32)))
            hdf5.attrs["spaces"] = json.dumps([space.key for space in spaces], sort_keys=True)
        temporary.replace(file)

    def _folder(self, space: Space) -> Path:
        return self.folder / space.name

    def width(self, space_name: str) -> int | None:
        """D of a space on disk, None where there is no such space."""
        file = self.folder / space_name / "space.json"
        return int(json.loads(file.read_bytes())["num_features"]) if file.is_file() else None

    def _look(self, space: Space, hashes: Sequence[str], *, fresh: bool = True) -> _Index:
        """The index with every shard verified that holds one of `hashes`; again after a damaged one was set aside."""
        while True:
            known = None if fresh else self._indices.get(space.name)
            index = self._scan(space) if known is None else known
            wanted = {index.rows[key][0] for key in hashes if key in index.rows}
            if self._verify(index, wanted):
                return index

    def _scan(self, space: Space) -> _Index:
        """Bring the index up to date with the folder; a sidecar is parsed once, its name vouches for it."""
        index = self._indices.setdefault(space.name, _Index())
        sidecars = {file.stem: file for file in self._folder(space).glob("*.json") if file.name != "space.json"}
        if gone := index.shards.keys() - sidecars.keys():
            self._forget(index, gone)
        for name in sorted(sidecars.keys() - index.shards.keys()):
            try:
                index.shards[name] = open_shard(sidecars[name])
            except StoreError:
                self._set_aside(sidecars[name])
                continue
            index.rows.update({key: (name, row) for row, key in enumerate(index.shards[name].keys)})
        return index

    def _verify(self, index: _Index, names: Collection[str]) -> bool:
        """Compare shards that were not compared yet; set the damaged ones aside. Whether all were intact."""
        damaged = set()
        for name in sorted(set(names) - index.verified):
            try:
                verify_shard(index.shards[name])
                index.verified.add(name)
            except StoreError:
                self._set_aside(index.shards[name].sidecar)
                damaged.add(name)
        self._forget(index, damaged)
        return not damaged

    def _forget(self, index: _Index, names: Collection[str]) -> None:
        for name in names:
            del index.shards[name]
            index.verified.discard(name)
        if names:
            index.rows = {k: (name, row) for name, shard in index.shards.items() for row, k in enumerate(shard.keys)}

    def _set_aside(self, sidecar: Path) -> None:
        set_aside(sidecar)
        self.damaged.append(sidecar)

    def _garbage(self) -> Iterator[Path]:
        old = time.time() - GARBAGE_AGE_S
        for file in sorted(self.folder.glob("*/*")):
            half = file.suffix == ".npy" and not file.with_suffix(".json").exists()
            half |= file.suffix == ".json" and file.name != "space.json" and not file.with_suffix(".npy").exists()
            left = file.suffix == ".tmp" or half
            # A young one may belong to a process that is writing it right now.
            if file.name.endswith(SET_ASIDE) or (left and file.stat().st_mtime < old):
                yield file

    def _idle_networks(self, weights: Collection[str] | None) -> Iterator[Path]:
        """Converted networks of other weights, and those that a kill left unfinished an hour ago."""
        old = time.time() - GARBAGE_AGE_S
        for folder in sorted(self.networks.glob("*")):
            described = folder / "network.json"
            if not described.is_file():
                if folder.stat().st_mtime < old:
                    yield folder
            elif weights is not None and json.loads(described.read_bytes())["key"]["weights_hash"] not in weights:
                yield folder

    def _line(self, space: Space) -> str:
        index, folder = self._scan(space), self._folder(space)
        size = sum(file.stat().st_size for file in folder.iterdir())
        key = space.key
        return (
            f"{space.name}  {len(index.rows):>8} images x {space.num_features:<5} {size / 2**20:8.1f} MiB"
            f"  {key['name']}  {key['preprocessing']['height']} px  {key['view']}  {key['tap']}"
            f"  {key['runtime']['runtime']}"
        )
