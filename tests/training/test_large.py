"""Rows read in blocks: the same moments, solutions and honesty as with all of them in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression, Ridge

from medalist.training import moments as moments_module
from medalist.training import rows as rows_module
from medalist.training.crossval import crossval
from medalist.training.heads import heads, passes, predict
from medalist.training.heads.contract import indicators, link
from medalist.training.heads.lda import LdaProblem, LdaStreamed
from medalist.training.heads.passes import LogisticStreamed
from medalist.training.heads.ridge import RidgeProblem, RidgeStreamed
from medalist.training.moments import fold_moments, solvers, without
from medalist.training.reduce import standard
from medalist.training.rows import Rows, is_large, measure

NUM_ROWS, NUM_FEATURES = 3000, 20
FOLD_N = np.arange(NUM_ROWS) // 3 % 5
STREAMED = [name for name in heads if "streamed" in heads.bind(name).facts]


class Lazy:
    """A source with nothing but what `Source` asks for."""

    def __init__(self, x_ND: np.ndarray) -> None:
        self.x_ND, self.shape = x_ND, x_ND.shape

    def __len__(self) -> int:
        return len(self.x_ND)

    def __getitem__(self, rows: Any) -> np.ndarray:
        assert isinstance(rows, slice) or rows.dtype.kind == "i"
        return self.x_ND[rows]


def toy(num_classes: int, signal: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    y = rng.integers(0, num_classes, NUM_ROWS).astype(np.int32)
    x = signal * rng.normal(size=(num_classes, NUM_FEATURES))[y] + rng.normal(size=(NUM_ROWS, NUM_FEATURES))
    x = x @ rng.normal(size=(NUM_FEATURES, NUM_FEATURES))
    x[:, 0] = np.abs(x[:, 0])
    x[:, 1] -= 100
    return x.astype(np.float16), y


@pytest.fixture
def all_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every source counts as large."""
    monkeypatch.setattr(rows_module, "LARGE", 0)


def test_only_tall_and_heavy_rows_are_large() -> None:
    assert is_large(np.empty((25_000, 4_096), np.float16), 2)
    assert is_large(np.empty((100_000, 128), np.float16), 1000)
    assert not is_large(np.empty((2_000, 4_096), np.float16), 2)
    assert not is_large(np.empty((10_000, 20_000), np.float16), 2)


def test_a_source_is_measured_as_an_array_is() -> None:
    x, _ = toy(2)
    one, other = measure(Lazy(x)), standard(x.astype(np.float32))
    assert one.root_D.tolist() == other.root_D.tolist() == [True] + [False] * (NUM_FEATURES - 1)
    np.testing.assert_allclose(one.mean_D, other.mean_D, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(one.scale_D, other.scale_D, rtol=1e-5)


def test_moments_of_all_folds_but_two_are_those_of_their_rows() -> None:
    x, y = toy(4)
    rows = Rows(x, measure(x))
    moments = without(fold_moments(rows, indicators(y, 4), FOLD_N), (1, 3))
    inside = ~np.isin(FOLD_N, (1, 3))
    z, target = rows.scaling(x[inside]).astype(np.float64), np.eye(4)[y[inside]]
    assert moments.num_rows == inside.sum()
    np.testing.assert_allclose(moments.gram_DD, z.T @ z, atol=1e-2)
    np.testing.assert_allclose(moments.sum_CD, target.T @ z, atol=1e-2)
    np.testing.assert_allclose(moments.mean(), z.mean(axis=0), atol=1e-6)
    assert moments.count_C.tolist() == target.sum(axis=0).tolist()


@pytest.mark.parametrize("tags", [False, True])
def test_ridge_from_the_folds_moments_is_the_direct_fit_and_scikit_learns(tags: bool) -> None:
    x, y = toy(3)
    truth = csr_array(np.eye(3, dtype=bool)[y] | np.eye(3, dtype=bool)[y[::-1]]) if tags else y
    rows, train = Rows(x, measure(x)), np.flatnonzero(FOLD_N != 2)
    z = rows.read(slice(None))
    direct, streamed = RidgeProblem(z, truth, 3), RidgeStreamed(rows, truth, FOLD_N, 3)
    penalties = (10.0, 0.01)
    fits = zip(direct.path(train, penalties), streamed.path([2], penalties), strict=True)
    for penalty, (one, two) in zip(penalties, fits, strict=True):
        for name in ("weight_DC", "bias_C", "offset_C"):
            np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=1e-3, atol=1e-6)
        target = indicators(truth, 3).toarray()[train].astype(float)
        reference = Ridge(alpha=penalty * direct.unit).fit(z[train].astype(float), target)
        np.testing.assert_allclose(two.weight_DC.T, reference.coef_, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("shrinkage", [1.0, 0.01, "auto"])
def test_lda_from_the_folds_moments_is_the_direct_fit(shrinkage: Any) -> None:
    x, y = toy(3)
    rows, train = Rows(x, measure(x)), np.flatnonzero(FOLD_N != 2)
    (one,) = LdaProblem(rows.read(slice(None)), y, 3).path(train, [shrinkage])
    (two,) = LdaStreamed(rows, y, FOLD_N, 3).path([2], [shrinkage])
    for name in ("weight_DC", "bias_C", "offset_C"):
        np.testing.assert_allclose(getattr(two, name), getattr(one, name), rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("num_classes", [2, 4])
def test_logistic_in_passes_is_scikit_learns(num_classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "TOLERANCE", 1e-7)
    x, y = toy(num_classes)
    rows = Rows(x, measure(x))
    z = rows.read(slice(None))
    problem = LogisticStreamed(rows, y, FOLD_N, num_classes)
    left_out, penalties = [[0], [3], []], [1.0, 0.01, 0.1]
    for folds, penalty, fit in zip(left_out, penalties, problem.fits(left_out, penalties), strict=True):
        train = ~np.isin(FOLD_N, folds)
        reference = LogisticRegression(C=1 / (penalty * problem.unit), max_iter=5000, tol=1e-9)
        reference.fit(z[train].astype(float), y[train])
        ours = link(z @ fit.weight_DC + fit.bias_C, tags=False)
        np.testing.assert_allclose(ours, reference.predict_proba(z.astype(float)), atol=2e-3)


def test_logistic_of_tags_in_passes_and_of_rare_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "TOLERANCE", 1e-7)
    x, y = toy(4)
    tags = np.eye(4, dtype=bool)[y] | np.eye(4, dtype=bool)[y[::-1]]
    tags[40:, 3] = False
    rows = Rows(x, measure(x))
    problem = LogisticStreamed(rows, csr_array(tags), FOLD_N, 4)
    (fit,) = problem.fits([[]], [0.1])
    z = rows.read(slice(None))
    for c in range(4):
        reference = LogisticRegression(C=1 / (0.1 * problem.unit), tol=1e-9).fit(z.astype(float), tags[:, c])
        ours = link(z @ fit.weight_DC + fit.bias_C, tags=True)[:, c]
        np.testing.assert_allclose(ours, reference.predict_proba(z.astype(float))[:, 1], atol=2e-3)


def test_a_tag_of_every_image_leaves_the_others_as_they_are() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(120_000, 2)).astype(np.float32)
    tag = x[:, 0] + rng.normal(size=len(x)) > 0.5
    rows, fold = Rows(x, measure(x)), np.arange(len(x)) % 3
    both_N2 = np.column_stack([np.ones(len(x), bool), tag])
    both, alone = (LogisticStreamed(rows, csr_array(y), fold, y.shape[1]) for y in (both_N2, tag[:, None]))
    fits = [[*problem.fits([[0], []], [0.01, 0.1]), *problem.path([1, 2], [1.0, 1e-5])] for problem in (both, alone)]
    for two, one in zip(*fits, strict=True):
        np.testing.assert_allclose(two.weight_DC[:, 1], one.weight_DC[:, 0], atol=1e-5)
        np.testing.assert_allclose(two.bias_C[1], one.bias_C[0], atol=1e-5)
        prob_N2 = link(rows.read(slice(0, 1000)) @ two.weight_DC + two.bias_C, tags=True)
        assert np.isfinite(prob_N2).all() and (prob_N2[:, 0] > 0.9999).all()


def test_fits_side_by_side_hold_no_more_than_two_gigabytes() -> None:
    assert [solvers(num_features) for num_features in (1024, 4096, 8192, 20_000)] == [85, 5, 1, 1]


@pytest.mark.usefixtures("all_large")
@pytest.mark.parametrize("name", STREAMED)
def test_labels_of_a_fold_do_not_reach_its_rows(name: str) -> None:
    x, y = toy(2, 0.1)
    other = np.where(FOLD_N == 1, 1 - y, y).astype(np.int32)
    one, two = (crossval(heads.bind(name), x, t, FOLD_N, x[:1], num_classes=2)[1].oof_NC for t in (y, other))
    assert one[FOLD_N == 1].tobytes() == two[FOLD_N == 1].tobytes()
    assert one[FOLD_N != 1].tobytes() != two[FOLD_N != 1].tobytes()


@pytest.mark.parametrize("name", STREAMED)
@pytest.mark.parametrize("num_classes", [2, 5])
def test_scores_as_well_as_in_memory(name: str, num_classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = toy(num_classes, 0.3)
    losses = []
    for limit in (2**28, 0):
        monkeypatch.setattr(rows_module, "LARGE", limit)
        _, result = crossval(heads.bind(name), x, y, FOLD_N, x[:1], num_classes=num_classes)
        losses.append(-np.log(result.oof_NC[np.arange(NUM_ROWS), y]).mean())
    assert abs(losses[1] - losses[0]) < 3e-3


@pytest.mark.usefixtures("all_large")
@pytest.mark.parametrize("name", STREAMED)
def test_the_same_bytes_from_an_array_a_file_and_a_lazy_source(name: str, tmp_path: Path) -> None:
    x, y = toy(3)
    np.save(tmp_path / "x.npy", x)
    sources = [x, np.load(tmp_path / "x.npy", mmap_mode="r"), Lazy(x)]
    runs = [crossval(heads.bind(name), source, y, FOLD_N, x[:5], num_classes=3) for source in sources]
    (fitted, first), *others = runs
    assert {result.oof_NC.tobytes() for _, result in others} == {first.oof_NC.tobytes()}
    assert {result.test_KMC.tobytes() for _, result in others} == {first.test_KMC.tobytes()}
    assert predict(fitted.name, fitted.refit, x).tobytes() == first.fit_NC.tobytes()


@pytest.mark.usefixtures("all_large")
@pytest.mark.parametrize("name", STREAMED)
def test_the_number_of_cores_and_of_fits_side_by_side_leaves_no_trace(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = toy(3)
    probs = []
    for cores, limit in ((1, 2**31), (3, 2**31), (3, 0)):
        monkeypatch.setattr("os.sched_getaffinity", lambda pid, cores=cores: range(cores), raising=False)
        monkeypatch.setattr(moments_module, "SOLVERS_BYTES", limit)
        probs.append(crossval(heads.bind(name), x, y, FOLD_N, x[:1], num_classes=3)[1].oof_NC)
    assert probs[0].tobytes() == probs[1].tobytes() == probs[2].tobytes()


@pytest.mark.parametrize("name", list(heads))
def test_a_small_lazy_source_is_read_into_memory(name: str) -> None:
    x, y = toy(2)
    small, truth, fold = x[:90], y[:90], FOLD_N[:90]
    one = crossval(heads.bind(name), small.astype(np.float32), truth, fold, small[:2], num_classes=2)[1]
    two = crossval(heads.bind(name), Lazy(small), truth, fold, Lazy(small[:2]), num_classes=2)[1]
    assert one.oof_NC.tobytes() == two.oof_NC.tobytes()
    assert one.test_KMC.tobytes() == two.test_KMC.tobytes()


@pytest.mark.usefixtures("all_large")
def test_a_fixed_penalty_is_kept_and_a_chosen_one_comes_with_its_curve() -> None:
    x, y = toy(2)
    fixed = crossval(heads.bind("ridge(penalty=0.5, temperature=3.0)"), x, y, FOLD_N, x[:1], num_classes=2)[1].meta
    assert fixed["penalties"] == [0.5] * 6 and fixed["temperatures"] == [3.0] * 6
    chosen = crossval(heads.bind("ridge"), x, y, FOLD_N, x[:1], num_classes=2)[1].meta
    assert len(chosen["curve"]) >= 3 and all(np.isfinite(loss) for _, loss in chosen["curve"])
