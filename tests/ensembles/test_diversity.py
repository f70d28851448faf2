"""Diversity against numpy's correlation, counts by brute force, and Q by hand."""

from __future__ import annotations

import numpy as np
import pytest

from medalist.ensembles import as_members, diversity
from medalist.ensembles import members as members_room


def draw(tags: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities, truth, and by brute force answers and errors, a column a member."""
    rng = np.random.default_rng(0)
    prob_NRC = rng.dirichlet(np.ones(3), (200, 4)).astype(np.float32)
    y_N = rng.integers(0, 3, 200)
    if not tags:
        answer_NR = prob_NRC.argmax(axis=2)
        return prob_NRC, y_N, answer_NR, answer_NR != y_N[:, None]
    y_NC = np.eye(3)[y_N] > 0
    answer_ER = np.stack([(prob_NRC[:, r] >= 0.5).ravel() for r in range(4)], axis=1)
    return prob_NRC, y_NC, answer_ER, answer_ER != y_NC.ravel()[:, None]


@pytest.mark.parametrize("tags", [False, True])
@pytest.mark.parametrize("block", [2**23, 60])
def test_pairs_are_those_of_brute_force(tags: bool, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members_room, "BLOCK", block)
    prob_NRC, y, answer_ER, wrong_ER = draw(tags)
    found = diversity(as_members(prob_NRC), y)
    np.testing.assert_allclose(found.error_R, wrong_ER.mean(axis=0))
    np.testing.assert_allclose(found.correlation_RR, np.corrcoef(wrong_ER.T), atol=1e-12)
    unlike_RR = [[(answer_ER[:, a] != answer_ER[:, b]).mean() for b in range(4)] for a in range(4)]
    np.testing.assert_allclose(found.disagreement_RR, unlike_RR)


def test_q_by_hand_and_the_table() -> None:
    # Of 10 images both are wrong on 2, the first alone on 1, the second alone on 1, none on 6: Q = (12 - 1) / (12 + 1).
    wrong_R10 = np.array([[1, 1, 1, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0, 0, 0, 0]])
    prob_NRC = np.stack([1 - wrong_R10, wrong_R10], axis=2).transpose(1, 0, 2).astype(np.float32)
    found = diversity(prob_NRC, np.zeros(10, int))
    assert found.q_RR[0, 1] == pytest.approx(11 / 13)
    lines = found.text(["cat", "dog"]).splitlines()
    assert len(lines) == 4
    assert lines[0].split("  ")[0].strip() == "member" and "wrong: share of wrong answers" in lines[3]
    assert lines[1].split() == ["cat", "0.3000", "0.524", "0.2000", "dog", "(corr", "0.524,", "Q", "0.846)"]


def test_a_member_that_never_errs_has_no_correlation() -> None:
    prob_NRC, y_N, _, _ = draw(False)
    prob_NRC[:, 0] = np.eye(3)[y_N]
    found = diversity(prob_NRC, y_N)
    assert np.isnan(found.correlation_RR[0, 1]) and np.isfinite(found.correlation_RR[2, 1])
    first = found.text().splitlines()[1].split()
    assert first[:5] == ["member", "1", "0.0000", "-", f"{found.disagreement_RR[0, 1:].mean():.4f}"]
    assert first[-3:] == ["-,", "Q", "-)"]
