"""`medalist board`: all hand-ins of several runs beside each other, and what can be learnt from them.

How cross-validation and public score go together, how far public and private scores are apart by chance, which places
a forecast means on a leaderboard, and which two submissions to select. Axes: H hand-ins, L scores of a leaderboard.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medalist.data.textfiles import read_csv
from medalist.errors import DataError, MismatchError
from medalist.evidence import Forecast, rank_interval, surprise
from medalist.metrics import metrics
from medalist.pipeline.adversary import warnings_of
from medalist.pipeline.outcome import SUBMISSION
from medalist.pipeline.picks import candidate, final_picks
from medalist.store import hash_bytes
from medalist.submissions.handed_in import HandIn, hand_ins

FEW = 4  # hand-ins; below it a correlation has no interval

Entry = tuple[Path, HandIn]


def board(folders: Sequence[Path], *, leaderboard: Path | None = None, public_share: float = 0.3) -> str:
    """A table of all hand-ins, and sentences.

    Args:
        folders: runs that something was handed in from.
        leaderboard: CSV with a column `score`, for the places that the forecasts mean.
        public_share: share of the test images behind the public score, for the shake-up.

    Raises:
        MismatchError: nothing was handed in, or hand-ins are for several metrics.
        DataError: the leaderboard has no column of scores.
    """
    entries = [(folder, record) for folder in folders for record in hand_ins(folder)]
    if not entries:
        raise MismatchError("nothing was handed in from these runs; type: medalist submit RUN")
    if len(kinds := sorted({record.metric for _, record in entries})) > 1:
        raise MismatchError(f"the hand-ins are for several metrics ({', '.join(kinds)}); name runs of one")
    if not 0 < public_share < 1:
        raise MismatchError(f"got --public-share {public_share}, expected a share between 0 and 1")
    scores_L = None if leaderboard is None else read_scores(leaderboard)
    return "\n".join(
        [
            f"{kinds[0]} ({metrics.bind(kinds[0]).facts['better']} is better)",
            *_table(entries, public_share),
            *_agreement(entries),
            *_shake_up(entries, public_share),
            *([] if scores_L is None else _places(entries, scores_L, public_share)),
            *_left_out(folders, entries),
            *warnings_of(list(dict.fromkeys(folder for folder, _ in entries))),
            *final_picks([candidate(*entry) for entry in entries if _current(*entry)]),
        ]
    )


def _left_out(folders: Sequence[Path], entries: Sequence[Entry]) -> list[str]:
    """The runs that are not in the table."""
    absent = [str(folder) for folder in folders if folder not in {handed for handed, _ in entries}]
    told = f"left out, as nothing was handed in from them: {', '.join(absent)}; type: medalist submit RUN"
    return [told] if absent else []


def _current(folder: Path, record: HandIn) -> bool:
    """Whether the run still holds the file that was handed in."""
    file = folder / SUBMISSION
    return file.is_file() and hash_bytes(file.read_bytes()) == record.sha256


def _table(entries: Sequence[Entry], public_share: float) -> list[str]:
    width = max(3, *(len(str(folder)) for folder, _ in entries))
    lines = [
        f"{'run':{width}s}  {'handed in':25s} {'out of fold':>18s}  {'forecast (95 %)':26s}   public private"
        "  public against forecast"
    ]
    for folder, one in entries:
        found = None if one.forecast is None else on_share(one.forecast, one.stderr, 1.0)
        low_high = (
            "" if found is None else f"{found.score:.4f} ({found.interval95[0]:.4f} to {found.interval95[1]:.4f})"
        )
        z = ""
        if one.forecast is not None and one.public is not None:
            found_z = surprise(on_share(one.forecast, one.stderr, public_share), one.public)
            z = found_z.told(metrics.bind(one.metric).facts["better"])
        lines.append(
            f"{folder!s:{width}s}  {one.time:25s} {one.score:8.4f} +- {one.stderr:.4f}  {low_high:26s}"
            f" {_told(one.public):>8s} {_told(one.private):>7s}  {z}".rstrip()
        )
    return lines


def _told(score: float | None) -> str:
    return "" if score is None else f"{score:.4f}"


def on_share(found: dict[str, Any], stderr: float, share: float) -> Forecast:
    """The forecast for a share of the test rows.

    Its variance is that of the score out of fold plus that of the M test rows, v; a share p of the rows has v / p.

    Args:
        found: forecast as a summary holds it.
        stderr: of the score out of fold.
        share: p.
    """
    wider = (
        float(np.sqrt(stderr**2 + _of_rows(found, stderr) / share)) / found["stderr"] if found["stderr"] > 0 else 1.0
    )
    low, high = (found["score"] + wider * (end - found["score"]) for end in found["interval95"])
    return Forecast(found["score"], wider * found["stderr"], (low, high), max(1, round(share * found["num_test"])))


def _of_rows(found: dict[str, Any], stderr: float) -> float:
    """What the drawing of the test rows adds to the variance of a forecast."""
    return max(0.0, float(found["stderr"]) ** 2 - stderr**2)


def _agreement(entries: Sequence[Entry]) -> list[str]:
    """How cross-validation goes with the public score."""
    both = [(one.score, one.public) for _, one in entries if one.public is not None]
    if len(both) < FEW:
        return [
            f"{len(both)} hand-ins have a public score: fewer than {FEW} say nothing of how it goes with out-of-fold"
        ]
    score_H, public_H = np.array(both, np.float64).T
    if not score_H.std() or not public_H.std():
        return ["all out-of-fold or all public scores are equal: no correlation"]
    (r, low, high), (rho, rho_low, rho_high) = correlations(score_H, public_H)
    return [
        f"out of fold with public, {len(both)} hand-ins: Pearson {r:.2f} (95 % {low:.2f} to {high:.2f}),"
        f" Spearman {rho:.2f} ({rho_low:.2f} to {rho_high:.2f})" + ("; few, so hardly known" if len(both) < 10 else "")
    ]


def correlations(a_H: np.ndarray, b_H: np.ndarray) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Pearson's and Spearman's correlation, each with its 95 % interval by Fisher's z.

    The variance of z is 1 / (H - 3), for ranks 1.06 / (H - 3) (Fieller, Hartley & Pearson 1957).
    """
    from scipy.stats import rankdata

    def with_interval(x_H: np.ndarray, y_H: np.ndarray, factor: float) -> tuple[float, float, float]:
        r = float(np.corrcoef(x_H, y_H)[0, 1])
        z, half = np.arctanh(np.clip(r, -1 + 1e-12, 1 - 1e-12)), 1.96 * np.sqrt(factor / (len(x_H) - 3))
        return r, float(np.tanh(z - half)), float(np.tanh(z + half))

    return with_interval(a_H, b_H, 1.0), with_interval(rankdata(a_H), rankdata(b_H), 1.06)


def spread(record: HandIn, public_share: float) -> float | None:
    """Standard deviation of public minus private score by chance alone; None without a forecast.

    A share p of the rows has the variance v / p, the rest v / (1 - p), and they are independent: together
    v / (p (1 - p)). What is not known of the score itself is common to both.
    """
    if record.forecast is None:
        return None
    return float(np.sqrt(_of_rows(record.forecast, record.stderr) / (public_share * (1 - public_share))))


def _shake_up(entries: Sequence[Entry], public_share: float) -> list[str]:
    by_chance = spread(entries[-1][1], public_share)
    lines = []
    if by_chance is not None:
        lines.append(
            f"shake-up: with {public_share:.0%} of the test images public (--public-share), a submission's public and"
            f" private score differ by {by_chance:.4f} by chance (1 standard deviation)"
        )
    pairs = [(one.public, one.private) for _, one in entries]
    moved = np.array([private - public for public, private in pairs if public is not None and private is not None])
    if len(moved):
        lines.append(f"seen: private minus public {moved.mean():+.4f} on average of {len(moved)} hand-ins")
    return lines


def _places(entries: Sequence[Entry], scores_L: np.ndarray, public_share: float) -> list[str]:
    """The places on the leaderboard that each forecast means, and how many the shake-up moves."""
    lines = []
    for folder, one in entries:
        if one.forecast is not None:
            found = on_share(one.forecast, one.stderr, 1.0)
            ranks = rank_interval(found, scores_L, metrics.bind(one.metric).facts["better"])
            moves = int((np.abs(scores_L - found.score) <= (spread(one, public_share) or 0.0)).sum())
            lines.append(
                f"{folder}: place {ranks.expected} of {len(scores_L) + 1} expected (95 % {ranks.best} to"
                f" {ranks.worst}); {moves} scores of the leaderboard are within a shake-up of it"
            )
    return lines


def read_scores(file: Path) -> np.ndarray:
    """The scores of a leaderboard's CSV, (L,).

    Raises:
        DataError: no column, or several, whose name ends in `score`, or a score that is no number.
    """
    found = read_csv(file, file.name)
    named = [at for at, name in enumerate(found.header) if name.lower() == "score"]
    named = named or [at for at, name in enumerate(found.header) if name.lower().endswith("score")]
    if len(named) != 1:
        raise DataError(f"{file.name} needs one column named score, it has: {', '.join(found.header)}; rename one")
    try:
        scores_L = np.array([float(row[named[0]]) for row in found.rows])
    except ValueError as error:
        raise DataError(f"{file.name} has a score that is no number ({error}); leave such rows out") from error
    if not len(scores_L) or not np.isfinite(scores_L).all():
        raise DataError(f"{file.name} has no rows or a score that is no number; leave such rows out")
    return scores_L
