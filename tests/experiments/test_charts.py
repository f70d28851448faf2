"""Charts: the file is a picture, colours say the verdict, and no name lies on another or outside the frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medalist.data.decode import decode
from medalist.experiments.charts import (
    COLOURS,
    Mark,
    Panel,
    Timeline,
    _bar_box,
    _figure,
    _text_box,
    _write_names,
    bars,
    log_ticks,
    panels,
    scatter,
)

LONG = [
    "eva02_large_patch14_448.mim_m38m_ft_in22k_in1k",
    "mobilenetv1_100_coral + mobilenetv2_100_coral + edgetpu_075_coral",
    "b",
    "c",
]


def marks(verdicts: list[str]) -> list[Mark]:
    return [
        Mark(name, 0.8 + 0.001 * place, 0.005, 3.0 + place, verdict)
        for place, (name, verdict) in enumerate(zip(LONG, verdicts, strict=True))
    ]


def holds(picture_HWC: np.ndarray, colour: str) -> bool:
    rgb = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return bool((picture_HWC == rgb).all(axis=2).any())


@pytest.mark.parametrize("kind", ["bars", "scatter"])
def test_each_verdict_has_its_colour_and_no_other_is_drawn(kind: str, tmp_path: Path) -> None:
    file, verdicts = tmp_path / "a.png", ["", "better", "better", "worse"]
    if kind == "bars":
        bars(marks(verdicts), file, title="t", axis="gain")
    else:
        scatter(marks(verdicts), file, title="t", x="millions", y="score", log=True)
    picture_HWC = decode(file.read_bytes())
    assert {verdict for verdict, colour in COLOURS.items() if holds(picture_HWC, colour)} == set(verdicts)


def test_the_same_marks_draw_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        scatter(marks(["", "equal", "worse", "better"]), tmp_path / name, title="t", x="x", y="y", log=True)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("seed", range(5))
def test_names_lie_apart_and_inside_the_frame(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = [Mark(name, float(v), 0.05, float(at)) for name, v, at in zip(LONG, *rng.random((2, 4)), strict=True)]
    figure, (axes,) = _figure(height=5, heights=[1])
    axes.plot([mark.at for mark in points], [mark.value for mark in points], "o")
    _write_names(figure, axes, points)
    frame = axes.get_window_extent()
    boxes = {text.get_text(): _text_box(text, figure) for text in axes.texts if text.get_visible()}
    assert {name.replace("\n", " ") for name in boxes} == set(LONG)
    for name, box in boxes.items():
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
        assert not any(box.overlaps(other) for label, other in boxes.items() if label != name)
        assert not any(box.overlaps(_bar_box(axes, mark)) for mark in points)


@pytest.mark.parametrize(("low", "high"), [(70, 105), (3.5e-5, 3.3e-4), (4.1, 4.6), (0.5, 2000), (1.2, 11)])
def test_a_logarithmic_axis_has_a_handful_of_ticks_within_it(low: float, high: float) -> None:
    ticks = log_ticks(low, high)
    assert 4 <= len(ticks) <= 9 and all(low <= tick <= high for tick in ticks)
    room = np.diff(np.log(ticks)) / np.log(high / low)
    assert room.min() > 0.05  # of the axis: their numbers do not touch


def test_two_measures_are_two_panels_and_a_time_has_its_line(tmp_path: Path) -> None:
    parts = [Panel([Mark("flip", 0.1, 0.1, verdict="equal")], "a"), Panel([Mark("hue", -1, 0.1, verdict="worse")], "b")]
    panels(parts, tmp_path / "panels.png", title="t")
    bars(parts[0].marks, tmp_path / "bars.png", title="t", axis="a")
    heights = [decode((tmp_path / name).read_bytes()).shape[0] for name in ("panels.png", "bars.png")]
    assert heights[0] > heights[1]
    points = [Mark("first", 0.5, 0.01, 37.0), Mark("second", 0.6, 0.01, 70.0, "better")]
    over = Timeline([(37.0, 0.5), (70.0, 0.6)], 120.0, str)
    scatter(points, tmp_path / "time.png", title="t", x="time", y="score", over=over)
    picture_HWC = decode((tmp_path / "time.png").read_bytes())
    blue_HW = (picture_HWC == [0x1A, 0x5F, 0xB4]).all(axis=2)
    assert blue_HW.sum(axis=1).max() > 100  # pixels of a row: the line, not the first mark alone
