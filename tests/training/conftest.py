"""Drawn images on disk, and trainings of the embedded backbone on them, small enough to take a step in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.backbones import open_backbone
from medalist.backbones.backbone import override
from medalist.data.decode import Picture
from medalist.data.drawn import CLASSES, draw_image, jpeg
from medalist.data.pixels import Pixels
from medalist.store import hash_bytes

NUM_CLASSES = 4
SIZE = 32


@dataclass
class Workshop:
    """Images, and what makes a training of them.

    Args:
        images: of `feeds.Images`.
        folder: an empty one for each test.
    """

    images: Any
    folder: Path

    def plan(self, *phases: tuple[str, int], **changes: Any) -> Any:
        """A plan of (what trains, epochs); a batch is 8 rows."""
        from medalist.training.plan import Phase, Plan

        size = changes.pop("size", SIZE)
        schedule = changes.pop("schedule", "cosine(warmup=0.1)")
        rates = {"lr": 0.01, "head_lr": 0.02, "decay": 0.8, "schedule": schedule, "size": (size, size)}
        made = tuple(Phase(train, epochs, **rates) for train, epochs in phases)
        return Plan(**{"phases": made, "augment": "flip | rotation(limit=10)", "batch": 8, **changes})

    def training(self, plan: Any, folder: str = "one", **changes: Any) -> Any:
        """A training of the first 24 rows, or those of `rows`."""
        import torch

        from medalist.training.network import Network
        from medalist.training.neural.heads import neural
        from medalist.training.underway import Training

        head = neural.bind(plan.head)(self.images.backbone.num_features, NUM_CLASSES, seed=plan.seed)
        columns = self.images.auxiliary
        others = columns.layer(self.images.backbone.num_features) if columns else None
        net = Network(self.images.backbone.build(("pooled",)), head, others)
        facts: dict[str, Any] = {"rows": np.arange(24), "better": "higher", "score": self.accuracy, **changes}
        net = net.to(memory_format=torch.channels_last)
        return Training(plan=plan, net=net, images=self.images, folder=self.folder / folder, **facts)

    def accuracy(self, rows: np.ndarray, prob_nC: np.ndarray) -> float:
        return float((prob_nC.argmax(axis=1) == self.images.labels[rows]).mean())

    def tuned(self, plan: Any, folder: str = "one", **changes: Any) -> Any:
        """A training, done."""
        from medalist.training.finetune import finetune

        watched = changes.pop("watched", np.arange(24, 40))
        training = self.training(plan, folder, **changes)
        finetune(training, watched=watched)
        return training


@pytest.fixture(scope="session")
def drawn_images(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """40 drawn images of four things, 32 pixels a side for the network."""
    from medalist.training.feeds import Images

    root, rng = tmp_path_factory.mktemp("drawn"), np.random.default_rng(7)
    labels = np.arange(40) % NUM_CLASSES
    paths = tuple(f"{row:03d}.jpg" for row in range(len(labels)))
    for path, label in zip(paths, labels, strict=True):
        (root / path).write_bytes(jpeg(draw_image(CLASSES[label], rng), rng))
    hashes = [hash_bytes((root / path).read_bytes()) for path in paths]
    cache = tmp_path_factory.mktemp("cache")
    return Images(
        backbone=override(open_backbone("embedded"), size=SIZE),
        root=root,
        paths=paths,
        ids=paths,
        labels=labels,
        num_classes=NUM_CLASSES,
        pixels=Pixels.build(root, list(paths), hashes, side=40, cache=cache),
        cache=cache,
        workers=0,
    )


@pytest.fixture
def workshop(drawn_images: Any, tmp_path: Path, one_thread: None) -> Workshop:
    return Workshop(replace(drawn_images), tmp_path)


def prepared(root: Path, paths: Sequence[str], preparation: Any, *, cache: Path) -> Iterator[tuple[int, np.ndarray]]:
    """What `loader.originals` gives, in this process."""
    for i, path in enumerate(paths):
        yield i, Picture((root / path).read_bytes()).prepare(preparation)


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small matrices cost more to share out than to multiply; and few files more to start workers for than to read."""
    import torch

    from medalist.training import crossings, feeds, finetune

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for module in (finetune, crossings):
        monkeypatch.setattr(module, "usable_cores", lambda: 1)
    monkeypatch.setattr(feeds, "originals", prepared)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], type[Exception]]:
    """`killed("after-step", 2)`: from here on the second step of each attempt is its last; what it raises."""

    class KilledError(Exception):
        pass

    def arm(point: str, count: int) -> type[Exception]:
        from medalist.training import checkpoint, crossings, finetune

        passed: list[str] = []

        def failpoint(name: str) -> None:
            passed.append(name)
            if passed.count(point) == count:
                passed.clear()
                raise KilledError

        for module in (finetune, checkpoint, crossings):
            monkeypatch.setattr(module, "failpoint", failpoint)
        return KilledError

    return arm
