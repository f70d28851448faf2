"""All hand-ins beside each other: correlations and shake-up against drawn truth, places and picks by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from medalist.errors import DataError, MismatchError
from medalist.pipeline.board import board, correlations, on_share, read_scores, spread
from medalist.pipeline.join import join
from medalist.pipeline.submit import submit
from medalist.submissions.handed_in import HandIn

Hand = Callable[..., Path]


@pytest.fixture
def hand(contest: Any, tmp_path: Path) -> Hand:
    """`hand(name, skill, seed, public=...)`: a run handed in."""

    def make(name: str, skill: float, seed: int, metric: str = "accuracy", **scores: float) -> Path:
        join(*contest.script(name, skill, seed), contest.folds(), tmp_path / name, metric=metric, name=name)
        submit(tmp_path / name, **scores)
        return tmp_path / name

    return make


def test_the_correlations_are_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 30))
    (r, low, high), (rho, _, _) = correlations(a, a + b)
    assert rho == pytest.approx(spearmanr(a, a + b).statistic)
    reference = pearsonr(a, a + b)
    interval = reference.confidence_interval(0.95)
    assert (r, low, high) == pytest.approx((reference.statistic, interval.low, interval.high), abs=1e-4)


def test_the_shake_up_is_that_of_drawn_test_sets() -> None:
    """A score of 0.8 on 400 test rows, 30 % of them public: how far the parts are apart, against 20,000 drawings."""
    rng, of_rows, of_score = np.random.default_rng(1), 0.8 * 0.2 / 400, 0.01**2
    hits = rng.random((20_000, 400)) < 0.8
    apart = hits[:, :120].mean(axis=1) - hits[:, 120:].mean(axis=1)
    forecast = {"score": 0.8, "stderr": float(np.sqrt(of_rows + of_score)), "interval95": [0.7, 0.9], "num_test": 400}
    record = HandIn("", "", "accuracy", 0.8, 0.01, forecast)
    assert spread(record, 0.3) == pytest.approx(apart.std(), rel=0.03)
    public = hits[:, :120].mean(axis=1) + rng.normal(0, 0.01, len(hits))  # the score itself is not known exactly
    assert on_share(forecast, 0.01, 0.3).stderr == pytest.approx(public.std(), rel=0.03)
    assert on_share(forecast, 0.01, 1.0).interval95 == pytest.approx((0.7, 0.9))


def test_the_table_tells_what_is_known(hand: Hand, tmp_path: Path) -> None:
    folders = [hand(f"net{i}", 0.5 + 0.9 * i, 10 * i, public=0.55 + 0.06 * i, private=0.54) for i in range(4)]
    (tmp_path / "board.csv").write_text("TeamName,Score\na,1.0\nb,0.0\nc,0.01\n", encoding="utf-8")
    text = board(folders, leaderboard=tmp_path / "board.csv")
    for folder in folders:
        forecast = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["forecast"]
        assert f"{forecast['score']:.4f} ({forecast['interval95'][0]:.4f}" in text
        assert f"{folder}: place 2 of 4 expected" in text
    assert "Pearson" in text and "few, so hardly known" in text
    assert "private minus public -0.1000 on average of 4" in text
    assert f"safest: {folders[3]}" in text


def test_the_most_different_good_one_is_picked(hand: Hand, tmp_path: Path, contest: Any) -> None:
    best = hand("best", 2.5, 0)
    oof, test = contest.script("best", 2.5, 0)
    copy = tmp_path / "copy"  # the same answers but for a whisker
    lines = oof.read_text(encoding="utf-8").splitlines()
    lines[1:3] = [f"{line.split(',')[0]},0.2,0.3,0.5" for line in lines[1:3]]
    oof.write_text("\n".join(lines), encoding="utf-8")
    test.write_text(test.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    join(oof, test, contest.folds(), copy, metric="accuracy", name="copy")
    submit(copy)
    other, poor = hand("other", 2.6, 77), hand("poor", 0.3, 5)
    text = board([best, copy, other, poor])
    picks = text[text.index("safest:") :]
    assert str(poor) not in picks
    assert f"most different good one: {other}" in picks or (f"safest: {other}" in picks and str(best) in picks)
    assert "corrected for the choice" in picks


def test_little_is_told_of_little(hand: Hand, tmp_path: Path) -> None:
    folder, idle = hand("one", 2.0, 0, public=0.7), tmp_path / "idle"
    text = board([folder, idle])
    assert f"left out, as nothing was handed in from them: {idle}" in text
    assert "1 hand-ins have a public score: fewer than 4 say nothing" in text
    assert "two are needed" in text


@pytest.mark.parametrize(("metric", "public", "told"), [("accuracy", 0.4, "worse"), ("log_loss", 0.0, "better")])
def test_the_sign_of_z_has_words(hand: Hand, metric: str, public: float, told: str) -> None:
    assert f", {told} than forecast" in board([hand("one", 2.0, 0, metric=metric, public=public)])


def test_what_chance_alone_does_is_not_called_worse(hand: Hand) -> None:
    folder = hand("one", 2.0, 0)
    expected = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["forecast"]
    submit(folder, public=expected["score"] - 0.1 * expected["stderr"])
    assert ", as forecast" in board([folder])
    submit(folder, public=expected["score"] - 1.9 * expected["stderr"])  # of all rows; of 30 % of them it is less
    assert ", within what was forecast" in board([folder])


def test_what_cannot_be_compared_is_refused(hand: Hand, tmp_path: Path) -> None:
    with pytest.raises(MismatchError, match="nothing was handed in"):
        board([tmp_path])
    with pytest.raises(MismatchError, match="several metrics"):
        board([hand("one", 2.0, 0), hand("two", 2.0, 1, metric="log_loss")])
    for text, message in (("team\na\n", "needs one column named score"), ("team,score\na,x\n", "no number")):
        (tmp_path / "board.csv").write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read_scores(tmp_path / "board.csv")
