"""One backbone's way through the images: pixels that arrive become full batches, batches become rows of the bank.

Axes: B batch, H W pixels, C channels, D features of all taps side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, product

import numpy as np

from medalist.backbones import Backbone
from medalist.backbones.runtimes import Runtime, describe_runtime, open_runtime
from medalist.data.decode import Preprocessing, decoder_version
from medalist.features.bank import FeatureBank, Space
from medalist.features.lanes import Lanes
from medalist.features.views import VIEWS


@dataclass(frozen=True)
class Look:
    """How one backbone looks at an image.

    Args:
        backbone: its weights are loaded only when rows are missing.
        runtime: one of `backbones.runtimes.RUNTIMES`.
        views: names of `views.VIEWS`, from the same pixels.
        taps: what is read off one pass, see `backbones.taps`.
        batch: rows of every forward pass; None: what suits the runtime.
    """

    backbone: Backbone
    runtime: str
    views: tuple[str, ...] = ("center",)
    taps: tuple[str, ...] = ("pooled",)
    batch: int | None = None

    @cached_property
    def preparation(self) -> Preprocessing:
        """What is asked of the decoder."""
        return Preprocessing.from_dict(self.backbone.preprocessing)

    def called(self, view: str) -> str:
        """What a record calls a view of it: `mobilenetv2, 224 px, view flip`."""
        return f"{self.backbone.name}, {self.backbone.preprocessing['height']} px, view {view}"

    def spaces(self) -> list[Space]:
        """Spaces that are filled, of unknown width: all taps of the first view, then of the second; loads no torch."""
        runtime = describe_runtime(runtime=self.runtime, batch=self.batch, taps=self.taps)
        same = {
            "name": self.backbone.name,
            "weights_hash": self.backbone.weights_hash,
            "preprocessing": self.backbone.preprocessing,
            "runtime": runtime,
            "decoder": decoder_version(),
        }
        return [Space({**same, "view": view, "tap": tap}, 0) for view, tap in product(self.views, self.taps)]


@dataclass
class Column:
    """Images that arrived, pixels that wait for a full batch, passes under way, hashes of the cell's rows."""

    look: Look
    bank: FeatureBank
    lanes: Lanes
    _arrived: dict[str, np.ndarray] = field(default_factory=dict)
    _waiting: dict[str, np.ndarray] = field(default_factory=dict)
    _running: list[Future[np.ndarray]] = field(default_factory=list)
    _done: dict[str, None] = field(default_factory=dict)

    @cached_property
    def spaces(self) -> list[Space]:
        """One a view and tap; a width that neither card nor bank tells is asked of the network."""
        return [Space(space.key, width) for space, width in zip(self.look.spaces(), self._widths(), strict=True)]

    def _widths(self) -> list[int]:
        told = {"pooled": self.look.backbone.num_features, "logits": self.look.backbone.num_classes}
        spaces = self.look.spaces()
        widths = [told.get(space.key["tap"]) or self.bank.width(space.name) for space in spaces]
        measured = {} if all(widths) else tap_widths(self.look.backbone, self.look.taps)
        return [width or measured[space.key["tap"]] for width, space in zip(widths, spaces, strict=True)]

    @cached_property
    def forward(self) -> Runtime:
        """The network, ready to run."""
        look = self.look
        return open_runtime(
            look.backbone, runtime=look.runtime, batch=look.batch, taps=look.taps, networks=self.bank.networks
        )

    def missing(self, hashes: Sequence[str], *, fresh: bool = True) -> set[str]:
        """Hashes that lack a row in any space."""
        return {key for space in self.spaces for key in self.bank.missing(space, hashes, fresh=fresh)}

    def add(self, hash: str, pixels_HWC: np.ndarray) -> None:
        """Take an image; the forward pass runs when a batch is full."""
        self._arrived[hash] = pixels_HWC
        if len(self._arrived) == self.forward.batch:
            self._admit()

    def finish_cell(self) -> None:
        """Run what waits, and write the cell's rows, a shard a space."""
        self._admit()
        self._run(list(self._waiting))
        passes = [future.result() for future in self._running]
        for place, space in enumerate(self.spaces):
            view, tap = divmod(place, len(self.look.taps))
            if keys := self.bank.missing(space, list(self._done)):
                x_ND = np.concatenate([x_BD[:, self._part(tap)] for x_BD in passes[view :: len(self.look.views)]])
                row_of = {key: row for row, key in enumerate(self._done)}
                self.bank.write(space, keys, x_ND[[row_of[key] for key in keys]])
        self._running.clear()
        self._done.clear()

    def _part(self, tap: int) -> slice:
        """Columns of a tap in a pass's rows."""
        edges = np.cumsum([0, *(space.num_features for space in self.spaces[: len(self.look.taps)])]).tolist()
        return slice(*list(pairwise(edges))[tap])

    def _admit(self) -> None:
        """Let in those that arrived and whose rows the bank and this cell lack: a renamed file costs nothing."""
        absent = self.missing(list(self._arrived), fresh=False) - self._done.keys()
        self._waiting |= {key: pixels for key, pixels in self._arrived.items() if key in absent}
        self._arrived.clear()
        while len(self._waiting) >= self.forward.batch:
            self._run(list(self._waiting)[: self.forward.batch])

    def _run(self, keys: list[str]) -> None:
        if not keys:
            return
        pixels_BHWC = np.stack([self._waiting.pop(key) for key in keys])
        for view in self.look.views:
            self._running.append(self.lanes.submit(self.forward, VIEWS[view](pixels_BHWC), self.look.called(view)))
        self._done |= dict.fromkeys(keys)


def tap_widths(backbone: Backbone, taps: tuple[str, ...]) -> dict[str, int]:
    """D of each tap, by a pass over one black image."""
    import torch

    image = torch.zeros(1, 3, backbone.preprocessing["height"], backbone.preprocessing["width"])
    with torch.inference_mode():
        return {tap: int(backbone.build((tap,))(image).shape[1]) for tap in taps}
