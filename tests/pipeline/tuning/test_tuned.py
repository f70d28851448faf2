"""Fine-tuned members of a run: killed anywhere the same bytes, honest scores, the same answers to new images."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medalist.data.splits import Folds
from medalist.errors import DataError
from medalist.fitted import Fitted
from medalist.pipeline import run
from medalist.pipeline.blend import blend
from medalist.pipeline.predict import predict
from medalist.pipeline.records.entries import read as entry_of
from medalist.pipeline.way import decide, embed, fit, read, split, tune
from medalist.predictions import Predictions
from medalist.recipe import Recipe, load_recipe
from medalist.store import FAILPOINT, hash_bytes

pytestmark = pytest.mark.usefixtures("one_core")
TWO_DEPTHS = "[{train: 'from: layer4', epochs: 1, lr: 0.001}, {train: all, epochs: 1, lr: 0.001}]"
SMALL = ["folds.k=3", "heads=ridge", "views=center", "finetune.size=32", "finetune.precision=fp32"]
SMALL += ["finetune.workers=0", "finetune.batch=16", f"finetune.phases={TWO_DEPTHS}"]
VARIANTS = {
    "plain": ["finetune.ema=0.9", "finetune.head=dense(units=8, dropout=0.5)"],
    "folds": ["final=folds", "views=[center, flip]", "fuse=answers", "finetune.mix=mixup(alpha=0.2)"],
    "fused": ["finetune.fuse=both", "finetune.sam=0.05", "finetune.prefix=off"],
    "continue": ["finetune.ema=0.9", "finetune.head=dense(units=8, dropout=0.5)", "finetune.refit=continue"],
    "by heart": ["finetune.augment=flip", "final=folds"],
    "steered": ["finetune.steer=fold", "finetune.batchnorm=affine-frozen", "final=folds"],
}
SAME = ("fitted", "predictions", "tuned", "submission.csv", "folds.csv", "decision.json")
# What says how long something took.
CLOCKS = ("pace-",)
POINTS = ["after-step:1", "after-step:5", "before-checkpoint:1", "before-checkpoint:4", "after-checkpoint:3"]
POINTS += ["before-view:2", "in-fit:2", "before-rename:20", "before-rename:45", "before-rename:60"]


@pytest.fixture(scope="module")
def done(drawn: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a variant's run that nobody killed."""
    folder = tmp_path_factory.mktemp("runs")

    def make(name: str) -> Path:
        if not (folder / name).exists():
            run(recipe_of(name), drawn, folder / name, cache=cache)
        return folder / name

    return make


def recipe_of(name: str, *overrides: str, metric: str = "log_loss") -> Recipe:
    return load_recipe(None, [*SMALL, *VARIANTS[name], *overrides], metric=metric, backbones=("embedded",))


def bytes_of(out: Path) -> dict[str, str]:
    """Hash of every file that a run's answer consists of; not of a kill's own temporary file."""
    files = [file for name in SAME for file in [out / name, *(out / name).rglob("*")] if file.is_file()]
    return {
        str(file.relative_to(out)): hash_bytes(file.read_bytes())
        for file in files
        if not file.name.startswith(CLOCKS) and file.suffix != ".tmp"
    }


def rows(text: str) -> dict[str, list[str]]:
    _, *found = csv.reader(text.splitlines())
    return {Path(row[0]).stem: row[1:] for row in found}


class KilledError(BaseException):
    """Not an Exception: nothing that handles errors handles it."""


def arm(monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    """Let the n-th passing of a point end the run."""
    wanted, _, count = point.partition(":")
    left = [int(count)]

    def failpoint(name: str) -> None:
        left[0] -= name == wanted
        if left[0] == 0 and name == wanted:
            raise KilledError(point)

    for name, module in list(sys.modules.items()):
        if name.startswith("medalist.") and hasattr(module, "failpoint"):
            monkeypatch.setattr(module, "failpoint", failpoint)


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("plain", ["before-view:2", "before-checkpoint:5", "in-fit:1"]),
        pytest.param("plain", ["after-step:2", "before-rename:20", "after-step:3"], marks=pytest.mark.slow),
        pytest.param("folds", ["after-step:4", "after-checkpoint:6", "in-fit:1"], marks=pytest.mark.slow),
        pytest.param("fused", ["after-step:4", "before-checkpoint:6", "in-fit:1"], marks=pytest.mark.slow),
        pytest.param("continue", ["after-step:14", "before-checkpoint:2", "in-fit:1"], marks=pytest.mark.slow),
        pytest.param("steered", ["after-step:4", "before-checkpoint:6", "in-fit:1"], marks=pytest.mark.slow),
    ],
)
def test_stopped_again_and_again_it_ends_in_the_same_bytes(
    done: Callable[[str], Path], drawn: Path, cache: Path, tmp_path: Path, name: str, points: list[str]
) -> None:
    want, recipe = bytes_of(done(name)), recipe_of(name)
    for point in points:
        with pytest.MonkeyPatch.context() as patch:
            arm(patch, point)
            with pytest.raises(KilledError):
                run(recipe, drawn, tmp_path / "out", cache=cache)
    run(recipe, drawn, tmp_path / "out", cache=cache)
    assert bytes_of(tmp_path / "out") == want
    assert not list((tmp_path / "out" / "tuned").rglob("training-*"))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("name", "point"),
    [
        *(("plain", point) for point in POINTS),
        *((name, point) for name in ("fused", "folds") for point in POINTS[::3]),
    ],
)
def test_killed_anywhere_the_same_bytes(
    done: Callable[[str], Path], drawn: Path, cache: Path, tmp_path: Path, name: str, point: str
) -> None:
    """By SIGKILL, in processes of their own."""
    script = (
        "import sys; from pathlib import Path; from medalist.pipeline import run\n"
        "from medalist.recipe import load_recipe\n"
        "root, out, cache, *keys = sys.argv[1:]\n"
        "recipe = load_recipe(None, keys, metric='log_loss', backbones=('embedded',))\n"
        "run(recipe, Path(root), Path(out), cache=Path(cache))"
    )
    arguments = [sys.executable, "-c", script, str(drawn), str(tmp_path / "out"), str(cache), *SMALL, *VARIANTS[name]]
    ended = [
        subprocess.run(arguments, env={**os.environ, FAILPOINT: armed}, check=False).returncode for armed in (point, "")
    ]
    assert ended == [-signal.SIGKILL, 0]
    assert bytes_of(tmp_path / "out") == bytes_of(done(name))


def test_a_finished_learner_is_not_trained_again(
    done: Callable[[str], Path], drawn: Path, cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(done("plain"), tmp_path / "out")
    (tmp_path / "out" / "summary.json").unlink()
    left = tmp_path / "out" / "tuned" / "tuned-embedded" / "training-0"
    left.mkdir()  # as a kill leaves it, between the predictions and the clearing away
    with pytest.MonkeyPatch.context() as patch:
        arm(patch, "after-step:1")
        run(recipe_of("plain"), drawn, tmp_path / "out", cache=cache)
    assert bytes_of(tmp_path / "out") == bytes_of(done("plain"))
    assert not left.exists()


@pytest.mark.parametrize(
    "name", ["plain", "folds", *(pytest.param(n, marks=pytest.mark.slow) for n in ("fused", "continue", "steered"))]
)
def test_new_images_are_answered_as_the_test_images_were(
    done: Callable[[str], Path], drawn: Path, tmp_path: Path, name: str
) -> None:
    """Bit for bit, with a feature bank of its own."""
    out = done(name)
    test = Predictions.load(out / "predictions" / "blend").test_ids
    images = [next(file for file in (drawn / "test").iterdir() if file.stem == Path(one).stem) for one in test]
    new, submitted = rows(predict(out, images, cache=tmp_path)), rows((out / "submission.csv").read_text())
    assert len(new) == len(test) == 6
    assert new == {one: submitted[one] for one in new}


def test_every_row_is_answered_by_weights_that_never_saw_its_fold(done: Callable[[str], Path], drawn: Path) -> None:
    """Out-of-fold rows again from the fold's card, through timm and torch alone."""
    import torch

    from medalist.backbones.cards import open_card
    from medalist.backbones.runtimes.on_torch import normaliser
    from medalist.data.decode import Picture, Preprocessing
    from medalist.training.neural.answers import neural_predict

    out = done("plain")
    member = Predictions.load(out / "predictions" / "tuned-embedded")
    fitted = Fitted.load(out / "fitted" / "tuned-embedded")
    with (out / "folds.csv").open(newline="", encoding="utf-8") as lines:
        fold_of = {row["id"]: int(row["fold"]) for row in csv.DictReader(lines)}
    for k in range(3):
        backbone = open_card(out / "tuned" / "tuned-embedded" / f"fold{k}.json")
        how = Preprocessing.from_dict(backbone.preprocessing)
        held = [row for row, name in enumerate(member.ids) if fold_of[name] == k]
        files = [next(drawn.rglob(f"train/{member.ids[row]}*"), None) or drawn / member.ids[row] for row in held]
        pixels = np.stack([Picture(file.read_bytes()).prepare(how) for file in files])
        with torch.no_grad():
            x_nD = backbone.build(("pooled",))(normaliser(backbone, "cpu")(pixels)).numpy()
        np.testing.assert_allclose(neural_predict(fitted.states[k], x_nD), member.oof_NC[held], atol=1e-4)


def test_runs_are_blended_and_the_blend_answers_new_images(
    done: Callable[[str], Path], drawn: Path, cache: Path, tmp_path: Path
) -> None:
    summary = blend([done("plain"), done("folds")], tmp_path / "both")
    assert len(summary.heads) == 6  # ridge and the network; both of them on each of two views
    new = rows(predict(tmp_path / "both", [drawn / "test"], cache=cache))
    submitted = rows((tmp_path / "both" / "submission.csv").read_text())
    known = {Path(one).stem for one in Predictions.load(tmp_path / "both" / "predictions" / "blend").test_ids}
    assert {one: new[one] for one in known} == {one: submitted[one] for one in known}


def test_the_summary_says_how_far_networks_trained(done: Callable[[str], Path]) -> None:
    notes = json.loads((done("plain") / "summary.json").read_text())["notes"]
    (note,) = [note for note in notes if note.startswith("tuned embedded: ")]
    counted = Fitted.load(done("plain") / "fitted" / "tuned-embedded").meta["epochs"]
    assert f"after {', '.join(map(str, counted[:3]))} of 2 epochs answer the folds" in note
    assert not any("steered by the rows that score" in note for note in notes)


def test_the_summary_says_how_fast_networks_trained(done: Callable[[str], Path]) -> None:
    summary, table = (json.loads((done("plain") / name).read_bytes()) for name in ("summary.json", "table.json"))
    told = {one["what"]: one for one in summary["paces"] if one["what"].startswith("training ")}
    *folds, last = told.values()
    assert list(told)[-1] == "training embedded all rows" and len(folds) == 3
    # Each row is outside two of three folds, and shown in each of two epochs.
    assert sum(one["images"] for one in folds) == 2 * 2 * len(table["ids"])
    assert last["images"] in (len(table["ids"]), 2 * len(table["ids"])) and not any(
        one["kept"] for one in told.values()
    )
    entry = entry_of(done("plain"))
    assert entry.trained_s == pytest.approx(
        sum(one["images"] for one in told.values()) / sum(one["seconds"] for one in told.values()), abs=0.06
    )


def test_a_score_that_its_own_rows_steered_is_called_too_good(done: Callable[[str], Path]) -> None:
    notes = json.loads((done("steered") / "summary.json").read_text())["notes"]
    assert any("steered by the rows that score" in note and "too good" in note for note in notes)


def test_a_blend_says_that_a_member_s_own_rows_steered_it(done: Callable[[str], Path], tmp_path: Path) -> None:
    notes = blend([done("steered")], tmp_path / "blend").notes
    assert sum("steered by the rows that score" in note and "too good" in note for note in notes) == 1


@pytest.mark.slow
def test_all_rows_are_learnt_anew_or_by_going_on(done: Callable[[str], Path]) -> None:
    """The folds' networks are the same; that of all rows begins with fold 0's, and stays nearer to it."""
    from safetensors.numpy import load_file

    folders = {name: done(name) / "tuned" / "tuned-embedded" for name in ("plain", "continue")}
    for k in range(3):
        names = [f"fold{k}.json", f"fold{k}.safetensors"]
        assert all((folders["plain"] / n).read_bytes() == (folders["continue"] / n).read_bytes() for n in names)
    first = load_file(folders["plain"] / "fold0.safetensors")
    away = {}
    for name, folder in folders.items():
        refit = load_file(folder / "refit.safetensors")
        away[name] = sum(float(np.abs(refit[key] - first[key]).sum()) for key in first)
    assert away["plain"] != away["continue"]
    assert away["continue"] > 0


def tuning_of(recipe: Recipe, root: Path, out: Path, cache: Path) -> Any:
    """What `fit` makes of a recipe with one backbone."""
    from medalist.pipeline.backbones import tuned_backbones
    from medalist.pipeline.tuning.shared import Tuning
    from medalist.progress import ignore

    features = embed(recipe, read(recipe, root), cache=cache)
    (backbone,) = tuned_backbones(recipe)
    return Tuning(backbone, recipe, features, split(recipe, features), out, cache, ignore)


def test_inner_steering_never_looks_at_the_fold_s_rows(drawn: Path, cache: Path, tmp_path: Path) -> None:
    """Other labels in fold 0: the network that is trained without it has the same bytes."""
    from medalist.pipeline.tuning.epochs import choose_epochs, values
    from medalist.pipeline.tuning.trainings import keep, learnt_of, run_one

    keys = ["finetune.steer=inner", "finetune.start=random", "finetune.phases=[{train: head, epochs: 3}]"]
    tuning = tuning_of(recipe_of("plain", *keys), drawn, tmp_path / "one", cache)
    fold_N, train = tuning.folds.fold_N, tuning.features.train
    moved_N = np.where(fold_N == 0, (train.labels + 3) % len(train.classes), train.labels)
    other = replace(tuning, features=replace(tuning.features, train=replace(train, labels=moved_N)))
    found = []
    for one, folder in ((tuning, "one"), (replace(other, folder=tmp_path / "two"), "two")):
        rows, watched = learnt_of(one, 0)
        curve = run_one(one, 0, rows, lambda: [None] * 4, watched=watched)
        keep(one, 0, choose_epochs([values(one, curve)] * 3, own=True)[0])
        found.append([curve, (tmp_path / folder / "fold0.safetensors").read_bytes()])
    assert found[0] == found[1]


def test_an_inner_watch_is_a_tenth_of_the_rows_with_groups_whole(drawn: Path, cache: Path, tmp_path: Path) -> None:
    from medalist.pipeline.tuning.trainings import learnt_of

    tuning = tuning_of(recipe_of("plain", "finetune.steer=inner"), drawn, tmp_path, cache)
    given = np.flatnonzero(tuning.folds.fold_N != 1)
    learnt, watched = learnt_of(tuning, 1)
    assert sorted([*learnt, *watched]) == given.tolist()
    group_N = tuning.features.group_N
    assert not set(group_N[learnt]) & set(group_N[watched])
    assert 0 < len(watched) <= 0.3 * len(given)


def test_epochs_are_chosen_by_the_other_folds() -> None:
    """Planted curves: each fold's own says another epoch than the mean of the others."""
    from medalist.pipeline.tuning.epochs import choose_epochs

    metric_KE = np.array([[0.9, 0.1, 0.2], [0.1, 0.5, 0.55], [0.1, 0.7, 0.5]])
    curves = [np.stack([row, np.zeros(3)], axis=1) for row in metric_KE]
    assert choose_epochs(curves, own=True) == [0, 2, 1, 1]
    others = [int(metric_KE[[j for j in range(3) if j != k]].mean(axis=0).argmax()) for k in range(3)]
    assert choose_epochs(curves, own=False) == [*others, int(metric_KE.mean(axis=0).argmax())]
    for k in range(3):
        for planted in ([9.0, 0, 0], [0, 0, 9.0]):
            changed = [*curves]
            changed[k] = np.stack([planted, np.zeros(3)], axis=1)
            assert choose_epochs(changed, own=False)[k] == others[k]


def test_between_equal_metrics_the_loss_decides() -> None:
    from medalist.pipeline.tuning.epochs import choose_epochs

    curve = np.array([[0.8, -0.5], [0.8, -0.3], [0.8, -0.4]])
    assert choose_epochs([curve] * 3, own=False) == [1] * 4


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("fuse", ["answers", "both"])
def test_shuffled_labels_score_at_chance(drawn: Path, cache: Path, tmp_path: Path, fuse: str) -> None:
    """Forty epochs learn every label by heart; rows that were not among them are answered no better than by chance."""
    phases = "finetune.phases=[{train: all, epochs: 40, lr: 0.003}]"
    gains, errors = [], []
    for seed in range(2):
        recipe = recipe_of("by heart", phases, f"finetune.fuse={fuse}", metric="accuracy")
        features = embed(recipe, read(recipe, drawn), cache=cache)
        label_N = np.random.default_rng(seed).permutation(features.train.labels)
        features = replace(features, train=replace(features.train, labels=label_N))
        folds = split(recipe, features)
        out = tmp_path / str(seed)
        runs = (*fit(recipe, features, folds, out), *tune(recipe, features, folds, out, cache=cache))
        decision = decide(recipe, runs, features, folds)
        share = np.bincount(label_N).max() / len(label_N)
        alone = [run for run in runs if run.name == "tuned embedded"]
        hits = [float((run.oof_NC.argmax(axis=1) == label_N).mean()) for run in alone]
        gains += [decision.estimate.score - share, *(hit - share for hit in hits)]
        errors += [decision.estimate.stderr] * (1 + len(hits))
        assert alone[0].meta["curves"][0][-1]["train_metric"] > 0.8  # it did learn them
    assert np.mean(gains) <= 2 * np.sqrt(np.square(errors).mean() / len(gains))


def test_the_refit_follows_the_rates_that_the_folds_plateaus_cut() -> None:
    """Two phases of two and three epochs: each begins with whole rates, then the folds' mean after each cut."""
    from medalist.pipeline.tuning.epochs import factors
    from medalist.training.plan import Phase, Plan

    phase = Phase("all", 2, 0.1, 0.1, 1.0, "plateau(patience=1)", (32, 32))
    plan = Plan(phases=(phase, replace(phase, epochs=3)))
    curves = [[{"factor": f} for f in (1.0, 0.5, 0.5, 0.25, 0.25)], [{"factor": f} for f in (0.5, 0.5, 1.0, 1.0, 0.5)]]
    assert factors(plan, curves) == [1.0, 0.75, 1.0, 0.75, 0.625]


def test_inner_rows_are_unknown_to_the_head_that_training_begins_with(drawn: Path, cache: Path, tmp_path: Path) -> None:
    """A head that nothing changes answers the tenth that steers as it was fitted without it, row by row."""
    from medalist.pipeline.tuning.trainings import learnt_of, network_of, starts

    tuning = tuning_of(recipe_of("plain", "finetune.steer=inner", "finetune.head=linear"), drawn, tmp_path, cache)
    learnt = [learnt_of(tuning, k)[0] for k in range(tuning.folds.num_folds)]
    watched = learnt_of(tuning, 0)[1]
    label_N = np.array(tuning.features.train.labels)
    label_N[watched] = (label_N[watched] + 1) % tuning.num_classes
    train = replace(tuning.features.train, labels=label_N)
    other = replace(tuning, features=replace(tuning.features, train=train))
    weights = []
    for one in (tuning, other):
        head = network_of(one, starts(one, learnt)[0]).head
        weight = next(iter(head.parameters())).detach().numpy()
        weights.append(weight / np.linalg.norm(weight))  # the tenth may have a say in penalty and temperature alone
    assert float((weights[0] * weights[1]).sum()) > 0.98


def test_an_epoch_without_a_score_is_never_chosen() -> None:
    from medalist.pipeline.tuning.epochs import choose_epochs

    curve = [[0.5, -1.0], [0.6, -0.9], [0.7, -0.8]]
    none = [[np.nan, -1.0], [np.nan, -0.9], [np.nan, -0.8]]
    assert choose_epochs([curve, curve, none], own=False) == [2, 2, 2, 2]
    assert choose_epochs([none, none, none], own=False) == [2, 2, 2, 2]  # then the loss decides
    assert choose_epochs([[[np.nan, -0.1], *curve[1:]]] * 3, own=True) == [2, 2, 2, 2]


def test_a_folder_forgets_another_training(drawn: Path, cache: Path, tmp_path: Path) -> None:
    from medalist.pipeline.tuning.shared import settle

    one = tuning_of(recipe_of("plain"), drawn, tmp_path / "net", cache)
    settle(one)
    (one.folder / "training-0").mkdir()
    settle(one)
    assert (one.folder / "training-0").is_dir()  # a kill's own
    settle(tuning_of(recipe_of("plain", "finetune.batch=7"), drawn, tmp_path / "net", cache))
    assert not (one.folder / "training-0").exists()


def test_a_training_knows_its_groups_by_its_key(drawn: Path, cache: Path, tmp_path: Path) -> None:
    """They say which rows watch inside a fold, and which folds lie inside a holdout."""
    one = tuning_of(recipe_of("plain"), drawn, tmp_path, cache)
    apart = replace(one.features, group_N=np.arange(len(one.features.train)))
    together = replace(one.features, group_N=np.arange(len(one.features.train)) // 2)
    assert replace(one, features=apart).key != replace(one, features=together).key


def test_going_on_is_timed_for_itself(
    drawn: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its only phase is the plan's last, under the number of the first."""
    from medalist.pipeline.tuning import shared

    one = tuning_of(recipe_of("continue"), drawn, tmp_path, cache)
    on = replace(one, begin={})
    assert (one.compiles, on.compiles) == (None, None)
    monkeypatch.setattr(shared, "this_device", lambda: "cuda")
    assert one.compiles != on.compiles
    for folder in (one.compiles, on.compiles):
        assert folder is not None
        folder.mkdir()
    one.clear()
    assert not list(tmp_path.glob("training-*"))


def test_folds_that_are_not_numbered_from_0_are_refused(drawn: Path, cache: Path, tmp_path: Path) -> None:
    from medalist.pipeline.tuning.shared import check_folds

    one = tuning_of(recipe_of("plain"), drawn, tmp_path, cache)
    check_folds(one)
    moved = Folds((one.folds.fold_N + 1).astype(np.int8), one.folds.ids, 4, 0)
    with pytest.raises(DataError, match=r"fold 0 of 4 has no rows; number the folds of folds\.file from 0 on"):
        check_folds(replace(one, folds=moved))
