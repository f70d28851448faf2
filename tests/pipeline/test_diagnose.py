"""Planted causes: each ranks first where it is, and none is named where nothing is wrong."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from medalist.errors import MismatchError
from medalist.evidence import Forecast
from medalist.features.bank import FeatureBank, Space
from medalist.pipeline.adversary import _auc, separation
from medalist.pipeline.blend import blend
from medalist.pipeline.causes import Cause
from medalist.pipeline.diagnose import _facts, _table, diagnose, ranked_causes
from medalist.pipeline.folds import folds_csv, read_field
from medalist.pipeline.holdout import inside
from medalist.pipeline.join import join
from medalist.pipeline.kept import save_folds, save_table
from medalist.pipeline.way import read
from medalist.predictions import Predictions
from medalist.recipe import load_recipe

CLASSES = ("cat", "dog", "elk")
NUM_TRAIN, NUM_TEST = 180, 90


@dataclass(frozen=True)
class Planted:
    """A dataset of tiny images and a script's predictions of it, as a run folder."""

    data: Path
    out: Path
    cache: Path
    y_test: np.ndarray

    @property
    def forecast(self) -> Forecast:
        found = json.loads((self.out / "summary.json").read_text(encoding="utf-8"))["forecast"]
        return Forecast(found["score"], found["stderr"], tuple(found["interval95"]), found["num_test"])

    @property
    def test_score(self) -> float:
        run = Predictions.load(self.out / "predictions" / "net")
        return float((run.test_KMC[0].argmax(axis=1) == self.y_test).mean())

    def causes(self, lb: float, data: bool = True) -> list[Cause]:
        source = self.data if data else None
        return ranked_causes(self.out, lb, self.forecast, data=source, cache=self.cache)


def draw(rng: np.random.Generator) -> np.ndarray:
    """A small picture of blotches, more red than blue."""
    blotch = rng.integers(0, 256, (6, 6, 3)) * np.array([1.0, 0.7, 0.4])
    return np.kron(blotch, np.ones((8, 8, 1))).astype(np.uint8)


def plant(
    folder: Path,
    *,
    prior: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3),
    test_prior: tuple[float, ...] = (1 / 3, 1 / 3, 1 / 3),
    copies: int = 0,
    held: bool = False,
    leaked: float = 0.0,
    spoil: Any = lambda image: image,
) -> Planted:
    """Draw it. Classes 0 and 1 lie near each other, 2 lies apart; probabilities are the true posterior.

    Args:
        prior, test_prior: class frequencies.
        copies: how many training images are copies of the one before them, torn apart by the folds, known by heart.
        held: fold 0 alone is scored, as by a run that holds it out.
        leaked: share of the labelled rows that the script answers as they are labelled.
        spoil: what is done to test images.
    """
    rng, data = np.random.default_rng(3), folder / "data"
    y, y_test = rng.choice(3, NUM_TRAIN, p=prior), rng.choice(3, NUM_TEST, p=test_prior)
    image = draw(rng)
    for row, c in enumerate(y):
        image = image if row and row % 2 and row < 2 * copies else draw(rng)
        if row % 2 and row < 2 * copies:
            y[row] = c = y[row - 1]
        (data / "train" / CLASSES[c]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(data / "train" / CLASSES[c] / f"{row:03d}.png")
    (data / "test").mkdir()
    for row in range(NUM_TEST):
        Image.fromarray(spoil(draw(rng))).save(data / "test" / f"t{row:03d}.png")
    ids = [f"t{row:03d}" for row in range(NUM_TEST)]
    write(data / "sample_submission.csv", [["id", "label"], *([name, "cat"] for name in ids)])
    recipe = load_recipe(None, ["folds.duplicates=false"], metric="accuracy")
    (folder / "folds.csv").write_text(folds_csv(recipe, data, cache=folder / "cache"), encoding="utf-8")
    field = read_field(folder / "folds.csv")
    assert field.table.classes == CLASSES
    prob_NC = posterior(np.asarray(field.table.labels), prior, rng)
    number_N = np.array([int(Path(name).stem) for name in field.table.ids])
    fold_of = dict(zip(number_N.tolist(), field.truth.fold_N.tolist(), strict=True))
    torn_N = np.array([fold_of[number] != fold_of[number ^ 1] for number in number_N])  # 6 and 7 are a pair
    twin_N = (number_N < 2 * copies) & torn_N
    prob_NC[twin_N] = 0.98 * np.eye(3)[field.table.labels[twin_N]] + 0.02 / 3
    leaked_N = number_N < leaked * NUM_TRAIN
    prob_NC[leaked_N] = np.eye(3)[field.table.labels[leaked_N]]
    oof = [[name, *row] for name, row in zip(field.table.ids, prob_NC.tolist(), strict=True)]
    test_rows = posterior(y_test, prior, rng).tolist()
    write(folder / "oof.csv", [["id", *CLASSES], *oof])
    test_ids = read(recipe, data).test().ids
    assert [Path(name).stem for name in test_ids] == ids
    write(folder / "test.csv", [["id", *CLASSES], *([n, *row] for n, row in zip(test_ids, test_rows, strict=True))])
    if held:
        (folder / "first").mkdir()
        rows, own = inside(field.folds, field.truth.labels, field.truth.group_N)
        save_folds(own, folder / "first", outer=field.folds)
        save_table(field.table.take(rows), field.truth.group_N[rows], list(test_ids), folder / "first")
    files = folder / "oof.csv", folder / "test.csv", folder / ("first/folds.csv" if held else "folds.csv")
    join(*files, folder / "out", metric="accuracy", name="net", data=read(recipe, data))
    return Planted(data, folder / "out", folder / "cache", y_test)


def posterior(y: np.ndarray, prior: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """P(class | x) of x = the class's place and unit noise."""
    place_C = np.array([0.0, 1.2, 5.0])
    x_N = place_C[y] + rng.normal(size=len(y))
    power_NC = np.array(prior) * np.exp(-0.5 * (x_N[:, None] - place_C) ** 2)
    return np.asarray(power_NC / power_NC.sum(axis=1, keepdims=True))


def write(file: Path, rows: Any) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows(rows)


def test_nothing_is_named_where_nothing_is_wrong(tmp_path: Path) -> None:
    planted = plant(tmp_path)
    assert [one.name for one in planted.causes(0.4) if one.drop > 0] == []
    text = diagnose(planted.out, planted.forecast.score, data=planted.data, cache=planted.cache)
    assert "no surprise" in text and "no sign of it" in text
    assert "nothing that was looked for explains it" in diagnose(planted.out, 0.3, cache=planted.cache)
    assert "on 30 test images" in diagnose(planted.out, 0.3, cache=planted.cache, share=1 / 3)


def test_copies_across_folds(tmp_path: Path) -> None:
    planted = plant(tmp_path, copies=60)
    first, second, *_ = planted.causes(planted.test_score)
    assert first.name == "duplicates across folds"
    assert first.drop > 3 * second.drop
    assert first.drop == pytest.approx(planted.forecast.score - planted.test_score, abs=0.12)
    text = diagnose(planted.out, planted.test_score, data=planted.data, cache=planted.cache)
    assert "1. duplicates across folds: can explain" in text and "surprising" in text


def test_copies_of_held_out_rows_among_those_that_were_learnt_from(tmp_path: Path) -> None:
    planted = plant(tmp_path, copies=60, held=True)
    with (planted.out / "folds.csv").open(newline="", encoding="utf-8") as lines:
        fold_of = {int(Path(row["id"]).stem): int(row["fold"]) for row in csv.DictReader(lines)}
    with (planted.out / "scored.csv").open(newline="", encoding="utf-8") as lines:
        own = {int(Path(row["id"]).stem): int(row["fold"]) for row in csv.DictReader(lines)}
    torn = [n for n in own if n < 120 and (fold_of[n ^ 1] != 0 or own[n ^ 1] != own[n])]
    (found,) = (one for one in planted.causes(0.4) if one.name == "duplicates across folds")
    assert f"{len(torn)} of {len(own)} labelled images have the same picture in another fold" in found.evidence
    assert sum(fold_of[n ^ 1] != 0 for n in torn) > 5


@pytest.mark.parametrize("leaked", [0.6, 1.0])
@pytest.mark.parametrize("data", [True, False])
def test_out_of_fold_rows_that_were_trained_on(tmp_path: Path, leaked: float, data: bool) -> None:
    planted = plant(tmp_path, leaked=leaked)
    first, second, *_ = planted.causes(planted.test_score, data)
    gap = planted.forecast.score - planted.test_score
    assert first.name == "out-of-fold rows seen in training"
    assert first.drop == pytest.approx(leaked * gap, rel=0.35) and first.drop > 2 * second.drop
    text = diagnose(planted.out, planted.test_score, cache=planted.cache)
    assert "worse than forecast" in text and "what cannot be seen from here" in text
    if leaked == 1:
        assert "z more than 100" in text
    both = tmp_path / "both"
    blend([planted.out], both)
    assert diagnose(both, planted.test_score, cache=planted.cache).count("1. out-of-fold rows seen in training") == 1


def test_a_run_counts_once_and_other_runs_count_too(tmp_path: Path) -> None:
    planted = plant(tmp_path)
    files = tmp_path / "oof.csv", tmp_path / "test.csv", tmp_path / "folds.csv"
    join(*files, tmp_path / "other", metric="accuracy", name="other")
    alone = diagnose(planted.out, 0.4, cache=planted.cache)
    assert "one configuration is known of" in alone
    summary = json.loads((planted.out / "summary.json").read_text(encoding="utf-8"))
    both = diagnose(planted.out, 0.4, cache=planted.cache, tried=[tmp_path / "other"])
    assert (
        f"the best of 2 configurations (one that blends several learners counts once) scores {summary['score']:.4f}"
        in both
    )


def test_the_best_of_200_of_noise(tmp_path: Path) -> None:
    planted, rng = plant(tmp_path), np.random.default_rng(0)
    run = Predictions.load(planted.out / "predictions" / "net")
    y = np.asarray(read_field(planted.out / "folds.csv").table.labels)
    noise = [rng.dirichlet(np.ones(3), NUM_TRAIN).astype(np.float32) for _ in range(200)]
    noise.sort(key=lambda prob_NC: -(prob_NC.argmax(axis=1) == y).mean())
    for i, prob_NC in enumerate(noise):
        name = "net" if i == 0 else f"noise{i}"
        test_1MC = rng.dirichlet(np.ones(3), (1, NUM_TEST)).astype(np.float32)
        replace(run, name=name, oof_NC=prob_NC, test_KMC=test_1MC).save(planted.out / "predictions" / name)
    best = (noise[0].argmax(axis=1) == y).mean()
    forecast = Forecast(best, 0.06, (best - 0.12, best + 0.12), NUM_TEST)
    first, *others = ranked_causes(planted.out, 1 / 3, forecast, data=planted.data, cache=planted.cache)
    assert first.name == "selection among many"
    assert first.drop == pytest.approx(best - 1 / 3, abs=0.05)
    assert all(one.drop < first.drop / 3 for one in others)


def test_other_features(tmp_path: Path) -> None:
    planted, rng = plant(tmp_path), np.random.default_rng(1)
    run = Predictions.load(planted.out / "predictions" / "net")
    table = read(load_recipe(metric="accuracy"), planted.data)
    train, test = _facts(table, run.ids, run.test_ids, planted.cache, lambda event: None)
    space = Space({"name": "drawn", "weights_hash": "0"}, 40)
    bank = FeatureBank(planted.cache)
    bank.write(space, [one.hash for one in train], rng.normal(size=(NUM_TRAIN, 40)).astype(np.float32))
    bank.write(space, [one.hash for one in test], rng.normal(0.8, 1, (NUM_TEST, 40)).astype(np.float32))
    decision = json.loads((planted.out / "decision.json").read_text(encoding="utf-8"))
    (planted.out / "decision.json").write_text(json.dumps({**decision, "spaces": [space.name]}), encoding="utf-8")
    first, second, *_ = planted.causes(0.4)
    assert first.name == "test images of another kind" and "40 features" in first.evidence
    assert first.drop > 3 * second.drop


@pytest.mark.parametrize("data", [True, False])
def test_other_class_frequencies(tmp_path: Path, data: bool) -> None:
    planted = plant(tmp_path, prior=(0.15, 0.15, 0.7), test_prior=(0.45, 0.45, 0.1))
    first, second, *_ = planted.causes(planted.test_score, data)
    assert first.name == "class frequencies" and "'elk' seems to be" in first.evidence
    assert first.drop > 2 * second.drop
    assert first.drop == pytest.approx(planted.forecast.score - planted.test_score, abs=0.1)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda image: image[..., ::-1], "blue"),
        (lambda image: np.asarray(Image.fromarray(image).resize((40, 48))), "log width"),
    ],
)
def test_images_made_differently(tmp_path: Path, spoil: Any, told: str) -> None:
    planted = plant(tmp_path, spoil=spoil)
    first, second, *_ = planted.causes(0.4)
    assert first.name == "images made differently" and told in first.evidence
    assert first.drop > 3 * second.drop


def test_the_auc_is_scikit_learns() -> None:
    rng = np.random.default_rng(2)
    score_P, test_P = rng.integers(0, 30, 500) + 0.0, rng.random(500) < 0.4
    weight_P = rng.random(500) + 0.1
    auc, stderr = _auc(
        score_P, test_P, np.where(test_P, weight_P / weight_P[test_P].sum(), weight_P / weight_P[~test_P].sum())
    )
    assert auc == pytest.approx(roc_auc_score(test_P, score_P, sample_weight=weight_P))
    assert 0.01 < stderr < 0.05


def test_equal_sets_are_hardly_ever_told_apart() -> None:
    rng = np.random.default_rng(3)
    found = [separation(rng.normal(size=(150, 6)), rng.normal(size=(100, 6)), seed=i) for i in range(60)]
    assert sum(one.share > 0 for one in found) <= 4
    apart = separation(rng.normal(size=(150, 6)), rng.normal(4, 1, (100, 6)))
    assert apart.auc > 0.99 and apart.share > 0.95


def test_data_is_read_as_the_run_read_it(tmp_path: Path) -> None:
    data, run, both = tmp_path / "data", tmp_path / "run", tmp_path / "both"
    (data / "train").mkdir(parents=True)
    for row in range(6):
        Image.fromarray(draw(np.random.default_rng(row))).save(data / "train" / f"{row}.png")
    for name, classes in (("first", "ab"), ("second", "xy")):
        rows = [[f"{row}.png", classes[row % 2]] for row in range(6)]
        write(data / f"{name}.csv", [["id", "label"], *rows])
    for folder, facts in ((run, {"kind": "run"}), (both, {"kind": "blend", "sources": [{"folder": "../run/p/a"}]})):
        folder.mkdir()
        (folder / "decision.json").write_text(json.dumps(facts), encoding="utf-8")
        (folder / "summary.json").write_text(json.dumps({"metric": "accuracy"}), encoding="utf-8")
    for name, classes in (("first", ("a", "b")), ("second", ("x", "y"))):
        recipe = load_recipe(None, [f"data.labels={name}.csv"], metric="accuracy")
        (run / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
        assert [_table(folder, data).classes for folder in (run, both)] == [classes] * 2


def test_another_dataset_is_refused(tmp_path: Path) -> None:
    planted = plant(tmp_path)
    for file in sorted((planted.data / "train" / "cat").iterdir())[:3]:
        file.unlink()
    with pytest.raises(MismatchError, match="is another dataset: 3 images"):
        planted.causes(0.4)
