"""Every head: learns a separable toy, gives probabilities, repeats itself to the byte, saves and loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from medalist.fitted import Fitted
from medalist.training.crossval import crossval
from medalist.training.heads import heads, predict

TASKS = ("binary", "multiclass", "tags")


def toy(task: str, num_rows: int = 90, num_features: int = 12) -> tuple[np.ndarray, Any, int]:
    """Rows around the corners that their labels name, with a little noise."""
    rng = np.random.default_rng(1)
    num_classes = 2 if task == "binary" else 3
    target = np.eye(num_classes, dtype=bool)[np.arange(num_rows) % num_classes]
    if task == "tags":
        target |= rng.random(target.shape) < 0.3
    corner_CD = 3 * rng.normal(size=(num_classes, num_features))
    x = (target @ corner_CD + 0.3 * rng.normal(size=(num_rows, num_features))).astype(np.float32)
    return x, csr_array(target) if task == "tags" else target.argmax(axis=1).astype(np.int32), num_classes


def cases() -> list[tuple[str, str]]:
    return [(name, task) for name in heads for task in TASKS if task in heads.bind(name).facts["tasks"]]


@pytest.mark.parametrize(("name", "task"), cases())
def test_separable_toy_is_learnt_and_probabilities_are_probabilities(name: str, task: str) -> None:
    x, y, num_classes = toy(task)
    _, result = crossval(heads.bind(name), x, y, np.arange(len(x)) // 3 % 5, x[:7], num_classes=num_classes)
    assert result.oof_NC.dtype == result.test_KMC.dtype == result.fit_NC.dtype == np.float32
    assert result.test_KMC.shape == (5, 7, num_classes)
    assert (result.oof_NC >= 0).all() and (result.oof_NC <= 1).all()
    if task == "tags":
        assert ((result.oof_NC > 0.5) == y.toarray()).mean() > 0.9
    else:
        np.testing.assert_allclose(result.oof_NC.sum(axis=1), 1, atol=1e-5)
        assert (result.oof_NC.argmax(axis=1) == y).mean() > 0.95


@pytest.mark.parametrize(("name", "task"), cases())
def test_the_same_bytes_again_and_from_disk(name: str, task: str, tmp_path: Path) -> None:
    x, y, num_classes = toy(task)
    state_before = np.random.get_state()[1].copy()  # type: ignore[union-attr]
    runs = [crossval(heads.bind(name), x, y, np.arange(len(x)) // 3 % 3, x, num_classes=num_classes) for _ in range(2)]
    assert (np.random.get_state()[1] == state_before).all()  # type: ignore[union-attr]
    (fitted, first), (_, second) = runs
    assert first.oof_NC.tobytes() == second.oof_NC.tobytes()
    assert first.test_KMC.tobytes() == second.test_KMC.tobytes()
    fitted.save(tmp_path)
    loaded = Fitted.load(tmp_path)
    assert predict(loaded.name, loaded.refit, x).tobytes() == first.fit_NC.tobytes()


@pytest.mark.parametrize(("name", "task"), cases())
def test_another_seed_makes_another_head_only_where_it_says_so(name: str, task: str) -> None:
    x, y, num_classes = toy(task)
    bound, fold_N = heads.bind(name), np.arange(len(x)) // 3 % 3
    one, other = (crossval(bound, x, y, fold_N, x, num_classes=num_classes, seed=seed)[1] for seed in (0, 1))
    assert (one.oof_NC.tobytes() != other.oof_NC.tobytes()) == bound.facts.get("draws", False)


@pytest.mark.parametrize(("name", "task"), cases())
def test_a_row_has_the_same_bits_whoever_comes_with_it(name: str, task: str) -> None:
    x, y, num_classes = toy(task)
    fitted, _ = crossval(heads.bind(name), x, y, np.arange(len(x)) // 3 % 3, x[:0], num_classes=num_classes)
    together = predict(name, fitted.refit, x)
    alone = np.concatenate([predict(name, fitted.refit, x[i : i + 1]) for i in range(len(x))])
    assert together.tobytes() == alone.tobytes()


@pytest.mark.parametrize("name", list(heads))
def test_a_class_without_training_rows_keeps_its_column(name: str) -> None:
    x, y, _ = toy("multiclass")
    _, result = crossval(heads.bind(name), x, y, np.arange(len(x)) // 3 % 3, x[:2], num_classes=5)
    assert result.oof_NC.shape == (90, 5)
    assert np.isfinite(result.oof_NC).all()
    assert (result.oof_NC.argmax(axis=1) == y).mean() > 0.9
