"""The table of a ranking: every number with its p, lines that fit, licences by number."""

from __future__ import annotations

from typing import Any

from medalist.experiments.ranking.columns import Row, table_of
from medalist.experiments.ranking.table import BASELINE, _stand_in

NAMES = ("mobilenet_edgetpu_075_coral", "vit_base_patch14_dinov2.lvd142m", "embedded")


def row(*names: str, **facts: Any) -> Row:
    known = {"gain": 0.0125, "p": 0.04, "verdict": "not distinguishable", "licence": "Apache-2.0 (as told)"} | facts
    return Row(
        " + ".join(names), names, score=0.75, stderr=0.01, gain_stderr=0.0061, images_s=41.4, mparams=86.6, top1=None,
        seconds=26.0, **known,
    )  # fmt: skip


def test_lines_fit_and_hold_p() -> None:
    best = row(NAMES[0], gain=0.0, p=1.0, verdict=BASELINE)
    rows = [best, row(NAMES[1], licence="CC-BY-NC-4.0"), row(NAMES[2], p=0.0002, verdict="worse"), row(*NAMES)]
    lines = table_of(rows, BASELINE)
    assert max(map(len, lines)) <= 120
    assert lines[1].split() == ["1", NAMES[0], "0.7500", "+-", "0.0100", "best", "single", "41", "86.6M"]
    assert lines[2].split()[5:11] == ["+0.0125", "+-", "0.0061", "0.040", "not", "distinguishable"]
    assert "<0.001" in lines[3] and lines[4].startswith("1 + 2 + 3 ")
    assert lines[-1] == "licences: Apache-2.0: 1, 3; CC-BY-NC-4.0: 2"


def test_one_licence_is_told_once_and_without_fusions_nothing_of_them() -> None:
    lines = table_of([row("a", verdict=BASELINE), row("b")], BASELINE)
    assert lines[3:] == ["licence of all weights: Apache-2.0"]


def test_a_stand_in_that_is_recommended_is_named() -> None:
    assert "embedded, in this command, is a stand-in" in _stand_in(NAMES)[0]
    assert _stand_in(NAMES[:2]) == []
