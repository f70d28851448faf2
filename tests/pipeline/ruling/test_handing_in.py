"""A hand-in that breaks a rule is refused and not noted; hand-ins of a day are counted over the runs beside it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from medalist.errors import SubmissionError
from medalist.pipeline.blend import blend
from medalist.pipeline.join import join
from medalist.pipeline.ruling.disclosure import save_disclosure
from medalist.pipeline.ruling.used import Images, Used
from medalist.pipeline.submit import submit
from medalist.recipe import RulesSection
from medalist.submissions import handed_in
from medalist.submissions.handed_in import FILE, hand_ins, on_day

WEB = Used(images=(Images("web", "", 7, ()),))


def finished(contest: Any, name: str, used: Used = WEB, **rules: Any) -> Path:
    """A finished folder that says what it used, and its rules."""
    out: Path = contest.folder / name
    join(*contest.script(name, seed=len(name)), contest.folds(), out, metric="accuracy", name=name)
    save_disclosure(used, [RulesSection.model_validate(rules)], out)
    return out


def note(out: Path, sha256: str, time: datetime) -> None:
    """A hand-in of another file at a time."""
    line = (
        f'{{"metric": "accuracy", "score": 0.5, "sha256": "{sha256}", "stderr": 0.1, "time": "{time.isoformat()}"}}\n'
    )
    with (out / FILE).open("a", encoding="utf-8") as file:
        file.write(line)


def test_a_breach_is_refused_and_nothing_is_noted(contest: Any) -> None:
    out = finished(contest, "net", external_data=False, licences=["mit"])
    with pytest.raises(SubmissionError, match=r"(?s)rules.external_data: false.*rules.licences: mit"):
        submit(out)
    assert hand_ins(out) == []
    save_disclosure(WEB, [RulesSection(external_data=True)], out)
    submit(out)
    assert len(hand_ins(out)) == 1


def test_a_blend_answers_for_its_members(contest: Any) -> None:
    ruled = finished(contest, "ruled", Used(), external_data=False)
    web, script = finished(contest, "web"), finished(contest, "script")
    (script / "disclosure.json").unlink()
    blend([ruled, web], contest.folder / "both")
    with pytest.raises(SubmissionError, match="external_data: false, but 7 images"):
        submit(contest.folder / "both")
    blend([ruled, script], contest.folder / "known")
    assert "what script used is known to the script's author alone" in submit(contest.folder / "known")


def test_hand_ins_of_a_day_are_counted_beside_each_other(contest: Any) -> None:
    one = finished(contest, "one", Used(), submissions_a_day=2)
    two = finished(contest, "second", Used())
    now = datetime.now(UTC)
    note(two, "a", now - timedelta(days=1))
    note(two, "b", now)
    other = contest.folder / "other"  # the same day, another competition
    shutil.copytree(two, other)
    (other / "table.json").write_text('{"test_ids": ["x"]}', encoding="utf-8")
    note(other, "c", now)
    submit(one)
    # Its own file may be told again, a third one not.
    submit(one, public=0.5)
    note(one, "d", now)
    (one / FILE).write_text((one / FILE).read_text(encoding="utf-8").replace(hand_ins(one)[0].sha256, "e"))
    with pytest.raises(SubmissionError, match=r"submissions_a_day: 2, but 3 were handed in on .* \(UTC\)"):
        submit(one)


def test_a_day_is_one_of_utc_and_scores_are_no_hand_ins(tmp_path: Path) -> None:
    late = datetime(2026, 1, 31, 23, 59, tzinfo=UTC)
    note(tmp_path, "a", late)
    note(tmp_path, "b", late + timedelta(minutes=1))
    handed_in.append(tmp_path, {"sha256": "a", "public": 0.5})
    assert on_day(tmp_path, late.date()) == {"a"}
    assert on_day(tmp_path, datetime.now(UTC).date()) == set()
