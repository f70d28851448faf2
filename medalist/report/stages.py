"""Where the time went: the stages of a run as one bar."""

from __future__ import annotations

from medalist.ledger import STAGES
from medalist.report.axes import svg
from medalist.report.markup import Section, figure, share, table
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
    rows = [[stage, clock(spent), share(spent / total), MEANING[stage]] for stage, spent in seconds.items()]
    rows.append(["all", clock(total), "", f"{seen.summary['images']:,} images of the dataset"])
    text = f"{clock(total)} in all; what the feature bank held already was not computed again."
    numbers = table(["stage", "time", "share", "what it does"], rows, caption="Time of each stage")
    body = figure("Time by stage", text, _bar(seconds, total, text)) + numbers
    return Section("time", "Where the time went", "Wall time of the run.", body)


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
