"""Where the time went: the stages of a run as one bar, and how many images a second each went through."""

from __future__ import annotations

from collections.abc import Sequence

from medalist.ledger import STAGES
from medalist.report.axes import svg
from medalist.report.markup import Section, figure, folded, said, share, table
from medalist.report.paces import Pace, paces
from medalist.report.seen import Seen

MEANING = {
    "read": "the dataset's files are listed and labelled",
    "choose": "backbones named and their weights found; a hub may have been asked",
    "embed": "each image once through each backbone",
    "split": "duplicates and groups to folds",
    "fit": "heads, cross-validated",
    "tune": "backbones fine-tuned: a training a fold or of one fold, and one of all rows where final=refit",
    "decide": "blend and rule, cross-fitted, and the score's error",
    "submit": "the submission, checked and written",
}
SEEN = 0.04  # share of the bar from which on a stage is named on it


def stages(seen: Seen) -> Section | None:
    """None where no times are known, as of blends."""
    seconds = {stage: seen.summary["seconds"][stage] for stage in STAGES if stage in seen.summary["seconds"]}
    total = seconds.pop("total", sum(seconds.values()))
    if not seconds or total <= 0:
        return None
    told = paces(seen)
    whole = {one["stage"]: one for one in told if not one["what"]}
    rows = [
        [stage, clock(spent), share(spent / total), *_paced(whole.get(stage)), MEANING[stage]]
        for stage, spent in seconds.items()
    ]
    rows.append(["all", clock(total), "", f"{seen.summary['images']:,}", rate(seen.summary["images"] / total), ""])
    text = f"{clock(total)} in all; what the feature bank held already was not computed again."
    numbers = table(
        ["stage", "time", "share", "images", "images/s", "what it does"], rows, caption="Time and pace of each stage"
    )
    body = figure("Time by stage", text, _bar(seconds, total, text)) + numbers + _within(told)
    lead = "Wall time of the run; a stage's pace is the images that it is of over its time, on the machine that ran it."
    return Section("time", "Where the time went", lead, body)


def _paced(one: Pace | None) -> list[str]:
    """Images and images a second of a stage or of work within it."""
    if one is None:
        return ["–", "–"]
    kept = f"<small>{one['kept']:,} kept from before</small>" if one["kept"] else ""
    return [f"{one['images']:,}{kept}", rate(one["images_s"])]


def _within(told: Sequence[Pace]) -> str:
    """Work within the stages, where the run wrote it down."""
    rows = [[said(one["stage"]), said(one["what"]), clock(one["seconds"]), *_paced(one)] for one in told if one["what"]]
    if not rows:
        return ""
    return folded("Within the stages", table(["stage", "work", "time", "images", "images/s"], rows, caption="Paces"))


def rate(images_s: float | None) -> str:
    """Images a second for people, three digits.

    >>> rate(19.5934), rate(12345.6), rate(None)
    ('19.6', '12,300', '–')
    """
    return "–" if images_s is None else f"{float(f'{images_s:.3g}'):,g}" if images_s < 1e5 else f"{images_s:,.0f}"


def _bar(seconds: dict[str, float], total: float, text: str) -> str:
    parts, at = [], 0.0
    for place, (stage, spent) in enumerate(seconds.items()):
        wide = 100 * spent / total
        parts.append(
            f'<rect class="stage s{place % 7}" x="{at:.2f}%" width="{max(wide, 0.15):.2f}%" y="0" height="34">'
            f"<title>{stage}: {clock(spent)}</title></rect>"
        )
        if wide >= 100 * SEEN:
            parts.append(f'<text class="on s{place % 7}" x="{at + 0.8:.2f}%" y="22">{stage}</text>')
        at += wide
    told = ", ".join(f"{stage} {clock(spent)}" for stage, spent in seconds.items())
    return svg("".join(parts), title="Time by stage", text=f"{text} {told}", height=34, look="stack")


def clock(seconds: float) -> str:
    """A time for people.

    >>> clock(0.04), clock(83), clock(7300)
    ('0.04 s', '1 min 23 s', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
