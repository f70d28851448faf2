"""Where random numbers come from: every one from (seed, epoch, image id, place of the operation in its policy).

Nothing is carried from image to image, so that pixels do not depend on which worker made them, in which order, or in
which batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np


@dataclass(frozen=True)
class Draw:
    """One showing of one image: the seed of the run, the epoch, and the image's id."""

    seed: int
    epoch: int
    image: str

    def lot(self, place: str) -> tuple[float, int]:
        """A coin in [0, 1) and a key for `generator`, of an operation's place such as `2:one_of/1:jpeg`.

        The coin comes first and apart, so that operations which do not happen cost one hash (a microsecond).
        """
        name = f"{self.seed}\0{self.epoch}\0{place}\0{self.image}"
        digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=24).digest()
        return (int.from_bytes(digest[:8], "little") >> 11) / 2**53, int.from_bytes(digest[8:], "little")


def generator(key: int) -> np.random.Generator:
    """Random numbers of a 128-bit key; a counter cipher needs no mixing of seeds, so this is cheap."""
    return np.random.Generator(np.random.Philox(key=key))
