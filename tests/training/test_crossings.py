"""What crosses from the frozen bottom is kept, and the training is the one that would have been without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from medalist.training import crossings, underway
from medalist.training.crossings import Crossings
from medalist.training.finetune import finetune

WATCHED = np.arange(24, 40)


@pytest.fixture(autouse=True)
def _in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bottom by torch: compiling it for OpenVINO takes seconds, and test_prefix does it."""
    from medalist.training import prefix

    monkeypatch.setattr(prefix, "find_spec", lambda name: None)


def files_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mtime_ns)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.mark.parametrize("train", ["head", "from: layer4"])
def test_the_same_training_as_without(workshop: Any, train: str) -> None:
    """But for the 11 bits of float16 in which a view is kept."""
    plan = workshop.plan((train, 3), head="dense(units=8, dropout=0.5)", ema=0.9, optimiser="momentum")
    plain = workshop.tuned(plan, "plain", watched=WATCHED)
    kept = workshop.tuned(plan, "kept", watched=WATCHED, prefix=workshop.folder / "prefix")

    assert isinstance(kept.feed, Crossings)
    assert [fact["epoch"] for fact in kept.curves] == [0, 1, 2]
    for one, other in zip(plain.curves, kept.curves, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=0.01)
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=0.01)
    for name, array in plain.net.state_dict().items():
        torch.testing.assert_close(array, kept.net.state_dict()[name], rtol=0.05, atol=2e-3)


def test_what_crosses_is_what_the_bottom_says_of_each_epoch_s_augmented_images(workshop: Any) -> None:
    plan = workshop.plan(("from: layer4", 2))
    training = workshop.training(plan, prefix=workshop.folder / "prefix")
    training.enter(0)
    for epoch in (0, 1):
        pixels_NHWC = np.stack(list(workshop.images.pixels_of(plan, epoch)))
        (want,) = training.feed.forward(pixels_NHWC)
        (got,) = training.feed.view(epoch)
        assert got.dtype == np.float16
        np.testing.assert_allclose(got, want, rtol=2e-3, atol=1e-4)
    first, second = training.feed.view(0)[0], training.feed.view(1)[0]
    assert np.abs(np.float32(first) - second).max() > 0.1


def test_folds_share_it(workshop: Any) -> None:
    plan, folder = workshop.plan(("from: layer4", 2)), workshop.folder / "prefix"
    workshop.tuned(plan, "fold 1", prefix=folder)
    before = files_of(folder)
    rows = np.arange(8, 40)
    second = workshop.tuned(plan, "fold 2", rows=rows, watched=np.arange(8), prefix=folder)
    assert files_of(folder) == before
    alone = workshop.tuned(plan, "alone", rows=rows, watched=np.arange(8), prefix=workshop.folder / "own")
    assert second.curves == alone.curves


def test_nothing_is_compiled_where_all_views_are_there(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, folder = workshop.plan(("from: layer4", 1)), workshop.folder / "prefix"
    want = workshop.tuned(plan, "first", prefix=folder)
    monkeypatch.setattr(crossings, "fast_bottom", None)
    assert workshop.tuned(plan, "second", prefix=folder).curves == want.curves


ONE_VIEW = 40 * 2 * 320  # N images, float16, D features


def settled(folder: Path, phase: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"phase{phase}" / crossings.SETTLED).read_text())
    return found


@pytest.mark.parametrize(("epochs", "kept"), [(2, True), (3, False)])
def test_each_epoch_and_the_originals_count_for_the_disk(
    workshop: Any, monkeypatch: pytest.MonkeyPatch, epochs: int, kept: bool
) -> None:
    monkeypatch.setattr(crossings, "MOST_BYTES", 3 * ONE_VIEW)
    plan, folder = workshop.plan(("head", epochs)), workshop.folder / "prefix"
    training = workshop.tuned(plan, prefix=folder)
    assert isinstance(training.feed, Crossings) is kept
    assert settled(folder)["bytes"] == (epochs + 1) * ONE_VIEW
    assert sum(np.load(file).nbytes for file in folder.rglob("*.npy")) == (3 * ONE_VIEW if kept else 0)
    if not kept:
        assert "phase 1: what crosses" in training.facts["prefix"]
        assert "would take 0.000102 GB of the disk, which has room for 7.68e-05" in training.facts["prefix"]
        assert training.curves == workshop.tuned(plan, "whole").curves


def test_all_phases_share_the_room(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossings, "MOST_BYTES", 4 * ONE_VIEW)
    folder = workshop.folder / "prefix"
    training = workshop.training(workshop.plan(("head", 1), ("head", 2), ("head", 1)), prefix=folder)
    whole = []
    for phase in range(3):
        training.enter(phase)
        whole.append(training.feed is training.images)
    assert whole == [False, True, False]
    assert [settled(folder, phase)["room"] // ONE_VIEW for phase in range(3)] == [4, 2, 2]


def test_a_quarter_of_the_free_disk(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossings.shutil, "disk_usage", lambda path: SimpleNamespace(free=8 * ONE_VIEW - 1))
    training = workshop.training(workshop.plan(("head", 1)), prefix=workshop.folder / "prefix")
    training.enter(0)
    assert training.feed is training.images


def test_whether_views_are_kept_is_settled_by_the_first_who_asks(
    workshop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Views fill the disk: a killed run must not count anew, or it would train another way."""
    plan, folder = workshop.plan(("head", 4)), workshop.folder / "prefix"
    want = workshop.tuned(plan, "whole", prefix=workshop.folder / "own")
    finetune(workshop.training(plan, "killed", prefix=folder), watched=WATCHED, until=2)
    monkeypatch.setattr(crossings.shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    got = workshop.tuned(plan, "killed", prefix=folder)
    assert isinstance(got.feed, Crossings)
    assert got.curves == want.curves


@pytest.mark.parametrize("late", [1e5, np.inf, np.nan])
def test_what_float16_does_not_hold_trains_whole_in_all_folds(
    workshop: Any, monkeypatch: pytest.MonkeyPatch, late: float
) -> None:
    """Also where only the last view passes it: no step was taken on the ones before."""
    plan, folder = workshop.plan(("head", 2)), workshop.folder / "prefix"
    real, calls = crossings.fast_bottom, []

    def bottom(*args: Any, **kwargs: Any) -> Callable[[np.ndarray], list[np.ndarray]]:
        forward = real(*args, **kwargs)

        def overflowing(pixels_BHWC: np.ndarray) -> list[np.ndarray]:
            (x_BD,) = forward(pixels_BHWC)
            calls.append(len(x_BD))
            return [np.where(np.arange(320) == 7, late, x_BD) if len(calls) >= 6 else x_BD]

        return overflowing

    monkeypatch.setattr(crossings, "fast_bottom", bottom)
    got = workshop.tuned(plan, "first", prefix=folder)
    assert 6 <= len(calls) <= 7  # a blank batch, two of each view, one of which may be under way
    assert "passes float16's 65504" in got.facts["prefix"]
    assert [file.name for file in folder.rglob("*") if file.is_file()] == [crossings.SETTLED]
    assert got.curves == workshop.tuned(plan, "whole").curves

    monkeypatch.setattr(crossings, "fast_bottom", real)
    again = workshop.tuned(plan, "second", prefix=folder)
    assert again.curves == got.curves
    assert again.facts["prefix"] == got.facts["prefix"]


def test_a_draft_of_a_killed_process_is_written_over(workshop: Any, killed: Callable[..., Any]) -> None:
    plan, folder = workshop.plan(("head", 1)), workshop.folder / "prefix"
    kill = killed("before-view", 1)
    with pytest.raises(kill):
        workshop.tuned(plan, "killed", prefix=folder)
    (draft,) = folder.rglob("*.tmp")
    draft.write_bytes(b"of another make")
    killed("never", 1)
    workshop.tuned(plan, "killed", prefix=folder)
    assert not list(folder.rglob("*.tmp"))


@pytest.mark.parametrize(
    ("phases", "changes", "cached"),
    [
        ((("head", 1), ("from: layer4", 1)), {}, [True, True]),
        ((("all", 1), ("head", 1)), {}, [False, False]),
        ((("from: layer3", 1), ("from: layer4", 1)), {}, [True, False]),
        ((("from: layer4", 1),), {"mix": "mixup(alpha=0.2)"}, [False]),
        ((("from: layer4", 1),), {"batchnorm": "affine-frozen"}, [False]),
    ],
)
def test_only_what_no_phase_has_changed_is_kept(workshop: Any, phases: Any, changes: Any, cached: list[bool]) -> None:
    training = workshop.training(workshop.plan(*phases, **changes), prefix=workshop.folder / "prefix")
    for phase, want in enumerate(cached):
        training.enter(phase)
        assert isinstance(training.feed, Crossings) is want


def test_killed_before_a_view_is_whole(workshop: Any, killed: Callable[..., Any]) -> None:
    plan, folder = workshop.plan(("head", 1), ("from: layer4", 2), ema=0.9), workshop.folder / "prefix"
    want = workshop.tuned(plan, "whole", prefix=workshop.folder / "own")
    kill, kills = killed("before-view", 2), 0
    while True:
        try:
            got = workshop.tuned(plan, "killed", prefix=folder)
            break
        except kill:
            kills += 1
    assert kills == 4  # two views of one epoch and the originals in the first phase, three in the second
    assert got.curves == want.curves
    for file in want.folder.glob("weights-*"):
        assert (got.folder / file.name).read_bytes() == file.read_bytes()


def test_a_network_that_cannot_be_cut_trains_whole(workshop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from medalist.errors import BackboneError

    def refuse(*_: Any) -> Any:
        raise BackboneError("cannot be traced")

    plan = workshop.plan(("from: layer4", 1))
    want = workshop.tuned(plan, "whole")
    monkeypatch.setattr(underway, "split", refuse)
    got = workshop.tuned(plan, "uncut", prefix=workshop.folder / "prefix")
    assert got.facts["prefix"] == "phase 1: cannot be traced"
    assert got.curves == want.curves


def test_a_phase_of_another_size_is_judged_in_the_size_of_the_answers(workshop: Any) -> None:
    plan = workshop.plan(("from: layer4", 1), size=64)
    plain = workshop.tuned(plan, "plain")
    kept = workshop.tuned(plan, "kept", prefix=workshop.folder / "prefix")
    assert kept.curves[0]["loss"] == pytest.approx(plain.curves[0]["loss"], rel=0.01)
    assert not list((workshop.folder / "prefix").rglob("plain*"))
    (view,) = (workshop.folder / "prefix").rglob("*.npy")
    assert settled(workshop.folder / "prefix")["bytes"] == np.load(view).nbytes
