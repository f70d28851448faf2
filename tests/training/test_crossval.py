"""Cross-validation: nothing about a row's fold reaches its out-of-fold probabilities but unlabelled statistics."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from types import ModuleType

import numpy as np
import pytest

from medalist.errors import DataError, RecipeError
from medalist.training import rows as rows_module
from medalist.training.choice import Grid
from medalist.training.crossval import crossval
from medalist.training.heads import heads, passes, predict
from medalist.training.heads.contract import LinearFit

FOLD_N = np.arange(100) // 2 % 5
LINEAR = [name for name in heads if "problem" in heads.bind(name).facts]


def rows(signal: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 100).astype(np.int32)
    return (rng.normal(size=(100, 150)) + signal * y[:, None]).astype(np.float32), y


@pytest.mark.parametrize("name", list(heads))
def test_labels_of_a_fold_do_not_reach_its_rows(name: str) -> None:
    x, y = rows(0.3)
    other = np.where(FOLD_N == 1, 1 - y, y).astype(np.int32)
    one, two = (crossval(heads.bind(name), x, truth, FOLD_N, x[:1], num_classes=2)[1].oof_NC for truth in (y, other))
    assert one[FOLD_N == 1].tobytes() == two[FOLD_N == 1].tobytes()
    assert one[FOLD_N != 1].tobytes() != two[FOLD_N != 1].tobytes()


@pytest.mark.parametrize(
    ("name", "module", "limit", "num_seeds"),
    [
        *((name, rows_module, limit, 20) for name in ("ridge", "logistic", "lda") for limit in ("", "LARGE")),
        ("logistic", passes, "NARROW", 8),
    ],
)
def test_neither_paths_nor_models_side_by_side_tell_a_fold_its_labels(
    name: str, module: ModuleType, limit: str, num_seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit:
        monkeypatch.setattr(rows_module, "LARGE", 0)
        monkeypatch.setattr(module, limit, 0)
    head = heads.bind(name)
    for seed in range(num_seeds):
        rng, num_folds = np.random.default_rng(seed), 3 + 2 * (seed % 2)
        fold = np.arange(60) % num_folds
        y = rng.integers(0, 2, 60).astype(np.int32)
        x = (rng.normal(size=(60, 30)) + 0.3 * y[:, None]).astype(np.float32)
        flipped = np.where(fold == 1, 1 - y, y).astype(np.int32)
        one, two = (crossval(head, x, truth, fold, x[:1], num_classes=2)[1].oof_NC for truth in (y, flipped))
        assert one[fold == 1].tobytes() == two[fold == 1].tobytes(), f"seed {seed}"


@pytest.mark.parametrize("name", LINEAR)
def test_shuffled_labels_score_at_chance(name: str) -> None:
    x, y = rows()
    losses = []
    for seed in range(8):
        shuffled = np.random.default_rng(seed).permutation(y)
        prob = crossval(heads.bind(name), x, shuffled, FOLD_N, x[:1], num_classes=2)[1].oof_NC
        losses.append((prob.argmax(axis=1) == shuffled).mean())
    assert np.mean(losses) < 0.5 + 2 * 0.05 / np.sqrt(8)


@pytest.mark.parametrize("name", LINEAR)
def test_meta_tells_the_choices_and_the_refit_predicts_new_rows(name: str) -> None:
    x, y = rows()
    fitted, result = crossval(heads.bind(name), x, y, FOLD_N, x[:3], num_classes=2)
    assert len(result.meta["penalties"]) == len(result.meta["temperatures"]) == 6
    penalty, loss = zip(*result.meta["curve"], strict=True)
    assert dict(result.meta["curve"])[result.meta["penalties"][-1]] == min(loss)
    assert list(penalty) == sorted(penalty, reverse=True)
    assert predict(fitted.name, fitted.refit, x).tobytes() == result.fit_NC.tobytes()
    assert predict(fitted.name, fitted.states[2], x[:3]).tobytes() == result.test_KMC[2].tobytes()


def test_a_path_ends_two_penalties_past_its_least_loss() -> None:
    grid, asked = Grid((5.0, 4.0, 3.0, 2.0, 1.0, 0.5), (1.0,)), list[float]()

    def fits() -> Iterator[LinearFit]:
        for penalty in grid.penalties:
            asked.append(penalty)
            yield LinearFit(np.full((1, 1), penalty), np.zeros(1), np.zeros(1))

    def judge(best: float, fit: LinearFit) -> list[float]:
        return [abs(float(fit.weight_DC[0, 0]) - best)]

    loss_2PT = grid.walk(fits(), [partial(judge, 4.0), partial(judge, 3.0)])
    assert asked == [5.0, 4.0, 3.0, 2.0, 1.0]
    # Each judge sees to its own end only, although the path goes on for the other's sake.
    assert loss_2PT[:, :, 0].tolist() == [[1, 0, 1, 2, np.inf, np.inf], [2, 1, 0, 1, 2, np.inf]]


def test_a_loss_that_is_no_number_is_not_chosen() -> None:
    grid = Grid((3.0, 2.0, 1.0), (1.0, 2.0))
    assert grid.best(np.array([[np.nan, 5.0], [4.0, np.nan], [np.nan, np.inf]])) == (1, 0)
    assert grid.best(np.full((3, 2), np.nan)) == (0, 0)
    fit = LinearFit(np.zeros((1, 1)), np.zeros(1), np.zeros(1))
    losses = iter([[np.nan, 5.0], [4.0, np.nan], [6.0, 6.0]])
    assert grid.walk([fit] * 3, [lambda _: next(losses)]).tolist() == [[[np.inf, 5], [4, np.inf], [6, 6]]]


def test_a_penalty_of_the_recipe_is_kept() -> None:
    x, y = rows()
    _, result = crossval(heads.bind("logistic(penalty=0.5)"), x, y, FOLD_N, x[:1], num_classes=2)
    assert result.meta["penalties"] == [0.5] * 6


@pytest.mark.parametrize("limit", [2**28, 0])
@pytest.mark.parametrize(("num_classes", "a_class", "num_features"), [(3, 2, 6), (15, 2, 20), (3, 1, 3)])
@pytest.mark.parametrize("name", ["lda", "lda(shrinkage='auto')"])
def test_lda_of_one_image_a_class_outside_two_folds(
    name: str, num_classes: int, a_class: int, num_features: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows_module, "LARGE", limit)
    rng, num_rows = np.random.default_rng(4), num_classes * a_class
    y = (np.arange(num_rows) % num_classes).astype(np.int32)
    x = (3 * rng.normal(size=(num_classes, num_features))[y] + rng.normal(size=(num_rows, num_features))).astype("f4")
    fold = (np.arange(num_rows) // num_classes + y) % 3
    _, result = crossval(heads.bind(name), x, y, fold, x[:1], num_classes=num_classes)
    np.testing.assert_allclose(result.oof_NC.sum(axis=1), 1, atol=1e-5)
    if a_class > 1:
        assert (result.oof_NC.argmax(axis=1) == y).mean() > 0.8


def test_one_class_and_two_folds_are_refused() -> None:
    x, y = rows()
    with pytest.raises(DataError, match="one class"):
        crossval(heads.bind("ridge"), x, 0 * y, FOLD_N, x[:1], num_classes=2)
    with pytest.raises(DataError, match="outside fold 0"):
        crossval(heads.bind("ridge"), x, (FOLD_N == 0).astype(np.int32), FOLD_N, x[:1], num_classes=2)
    with pytest.raises(RecipeError, match="at least 3"):
        crossval(heads.bind("ridge"), x, y, FOLD_N % 2, x[:1], num_classes=2)
