"""A threshold a tag: against scikit-learn tag by tag, and shrinkage against none on planted rare tags."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.metrics import f1_score, fbeta_score

from medalist.decisions import macro
from medalist.decisions.macro import best_tag_thresholds, tags_by_column


@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.sampled_from([0, 1, 7]), st.sampled_from([0.5, 1.0, 2.0]))
@settings(max_examples=20, deadline=None)
def test_unshrunk_no_cut_of_a_tag_is_better(seed: int, num_rows: int, decimals: int, beta: float) -> None:
    rng = np.random.default_rng(seed)
    y_NC = rng.random((num_rows, 3)) < 0.4
    prob_NC = np.round(0.6 * rng.random(y_NC.shape) + 0.4 * y_NC * rng.random(y_NC.shape), decimals).astype(np.float32)
    threshold_C, _, weight = best_tag_thresholds(prob_NC, csr_array(y_NC), beta=beta, shrink=0)
    assert weight == 0
    for y_N, prob_N, threshold in zip(y_NC.T, prob_NC.T, threshold_C, strict=True):
        scores = [fbeta_score(y_N, prob_N >= cut, beta=beta, zero_division=0.0) for cut in np.unique(prob_N)]
        got = fbeta_score(y_N, prob_N >= threshold, beta=beta, zero_division=0.0)
        assert got == pytest.approx(max(scores), abs=1e-12)


def planted(seed: int, num_rows: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """300 tags of very different frequency; the network's logits are off by a bias a tag."""
    tags = np.random.default_rng(seed)
    base_C, bias_C = tags.normal(-5.5, 1.5, 300), tags.normal(0, spread, 300)
    rng = np.random.default_rng([seed, num_rows])
    logit_NC = base_C + 2 * rng.standard_normal((num_rows, 300))
    y_NC = rng.random(logit_NC.shape) < 1 / (1 + np.exp(-logit_NC))
    return (1 / (1 + np.exp(-logit_NC - bias_C))).astype(np.float32), y_NC


@pytest.mark.parametrize("spread", [0.3, 1.5])
def test_shrinkage_beats_none_on_rare_tags_of_new_images(spread: float) -> None:
    gains = []
    for seed in range(6):
        prob_NC, y_NC = planted(seed, 2000, spread)
        prob_MC, y_MC = planted(seed, 6000, spread)
        count_C = y_NC.sum(axis=0)
        rare_C = (count_C > 0) & (count_C < 30) & y_MC.any(axis=0)
        own_C, _, _ = best_tag_thresholds(prob_NC, y_NC, shrink=0)
        shrunk_C, _, weight = best_tag_thresholds(prob_NC, y_NC)
        assert 0.5 < weight < 10
        scores = [
            f1_score(y_MC[:, rare_C], prob_MC[:, rare_C] >= cut_C[rare_C], average=None, zero_division=0.0)
            for cut_C in (shrunk_C, own_C)
        ]
        gains.append(scores[0] - scores[1])
    gain = np.concatenate(gains)
    assert gain.mean() >= 2 * gain.std(ddof=1) / np.sqrt(len(gain))


def test_a_tag_without_a_true_row_takes_the_threshold_of_all() -> None:
    prob_NC, y_NC = planted(0, 500, 0.3)
    y_NC[:, 7] = False
    for shrink in (0, 2.0, None):
        threshold_C, common, _ = best_tag_thresholds(prob_NC, y_NC, shrink=shrink)
        assert threshold_C[7] == common
    assert (best_tag_thresholds(prob_NC, np.zeros_like(y_NC))[0] == 0.5).all()


def test_a_frequent_tag_keeps_its_own_threshold() -> None:
    rng = np.random.default_rng(3)
    y_NC = rng.random((4000, 2)) < [0.5, 0.002]
    prob_NC = np.clip(np.where(y_NC, 0.62, 0.58) + 0.02 * rng.standard_normal(y_NC.shape), 0, 1).astype(np.float32)
    own_C, _, _ = best_tag_thresholds(prob_NC, y_NC, shrink=0)
    shrunk_C, _, _ = best_tag_thresholds(prob_NC, y_NC, shrink=2.0)
    assert shrunk_C[0] == pytest.approx(own_C[0], abs=2e-3)


def test_blocks_and_float16_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    prob_NC, y_NC = planted(1, 300, 0.3)
    prob_NC = prob_NC.astype(np.float16)
    before = best_tag_thresholds(prob_NC.astype(np.float32), y_NC)
    monkeypatch.setattr(macro, "BLOCK_BYTES", 4 * 300 * 7)
    after = best_tag_thresholds(prob_NC, csr_array(y_NC))
    np.testing.assert_array_equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_rows_of_each_tag() -> None:
    y_NC = np.array([[1, 0, 0], [1, 0, 1]], bool)
    for truth in (y_NC, csr_array(y_NC)):
        assert [rows.tolist() for rows in tags_by_column(truth)] == [[0, 1], [], [1]]
