"""The score with its interval, what the leaderboard should say, each member and fold beside it, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from medalist.ensembles.diversity import LEGEND
from medalist.pipeline.foldscores import fold_scores
from medalist.report.markup import Section, cleaned, listing, name, number, paragraph, said, table, tag, unseen
from medalist.report.seen import Seen
from medalist.report.strips import Mark, ruler, scale_of, strip

Z = 1.96


def hero(seen: Seen) -> str:
    """The three numbers on top: unseen, expected, and in sample, which is no score."""
    summary = seen.summary
    low, high = summary["interval95"]
    way = "higher is better" if seen.higher else "lower is better"
    cards = [
        _card(
            f"{said(seen.metric)}, out of fold",
            number(summary["score"]),
            f"± {number(summary['score_stderr'])} standard error",
            f"95 % {number(low)} to {number(high)}, on {len(seen.ids):,} images that nothing behind their answers had"
            f" seen; {way}",
            "main",
        )
    ]
    if forecast := summary.get("forecast"):
        low, high = forecast["interval95"]
        cards.append(
            _card(
                "expected on the test set",
                number(forecast["score"]),
                f"95 % {number(low)} to {number(high)}",
                f"of {forecast['num_test']:,} images, if they are drawn as the labelled ones were",
                "",
            )
        )
    if summary["score_in_sample"] is not None:
        cards.append(
            _card(
                "in sample: not a score",
                number(summary["score_in_sample"]),
                f"{abs(summary['score_in_sample'] - summary['score']):.4f} apart from the score",
                "the same metric on rows that the models learnt from; the gap is what fitting flatters",
                "faint",
            )
        )
    return tag("div", *cards, class_="cards")


def _card(label: str, value: str, under: str, text: str, look: str) -> str:
    inner = tag("p", label, class_="label"), tag("p", value, class_="big"), tag("p", under, class_="under")
    return tag("div", *inner, tag("p", text, class_="note"), class_=f"card {look}".strip())


def warnings(seen: Seen) -> str:
    """What makes the score too good, said before anything else."""
    steered = (seen.recipe.get("finetune") or {}).get("steer") == "fold"
    if not steered:
        return ""
    told = (
        "The fine-tuned members were steered by the rows that score them (<code>finetune.steer: fold</code>): every"
        " score on this page is too good."
    )
    return tag("div", paragraph(told), class_="warning", role="note")


def score(seen: Seen) -> Section:
    """The run, its forecast and its members on one scale."""
    summary, rows = seen.summary, list[tuple[str, float, str, Mark, float | None]]()
    low, high = summary["interval95"]
    rows.append(
        (
            "<strong>this run</strong>",
            summary["score"],
            _range(low, high),
            _mark(summary["score"], low, high),
            summary["score_in_sample"],
        )
    )
    if forecast := summary.get("forecast"):
        low, high = forecast["interval95"]
        rows.append(
            (
                "forecast for the test set",
                forecast["score"],
                _range(low, high),
                Mark(forecast["score"], low, high, "cast"),
                None,
            )
        )
    heads = summary["heads"] if len(summary["heads"]) > 1 else {}
    for member, told in heads.items():
        half = Z * (told["stderr"] or 0.0)
        low, high = told["score"] - half, told["score"] + half
        rows.append(
            (
                f"member {name(member)}",
                told["score"],
                _range(low, high),
                Mark(told["score"], low, high),
                told["in_sample"],
            )
        )
    marks = [mark for *_, mark, _ in rows] + [_inside(value) for *_, value in rows if value is not None]
    scale = scale_of(marks)
    cells = [
        [
            label,
            f"{number(value)}<small>{told}</small>",
            strip([mark, *([_inside(inside)] if inside is not None else [])], scale, line=summary["score"]),
            number(inside),
        ]
        for label, value, told, mark, inside in rows
    ]
    head = [
        unseen("whose"),
        f"{said(seen.metric)}<small>95 %</small>",
        ruler(scale),
        "in sample<small>no score</small>",
    ]
    lead = (
        "Filled dots with their 95 % intervals are of rows that were unseen; hollow ones are in sample, shown for the"
        " gap alone. The thin line is the run's score."
    )
    return Section(
        "score", "Score", lead, table(head, cells, caption="Scores of the run and its members", look="strips")
    )


def folds(seen: Seen) -> Section:
    """Each fold by itself."""
    rows = fold_rows(seen)
    known = [row for row in rows if row["stderr"] is not None]
    marks = [Mark(row["score"], row["score"] - Z * row["stderr"], row["score"] + Z * row["stderr"]) for row in known]
    scale = scale_of([*marks, Mark(*[seen.summary["score"]] * 3)])
    drawn = dict(zip((row["fold"] for row in known), marks, strict=True))
    cells = [
        [
            f"fold {row['fold'] + 1}",
            f"{row['rows']:,}",
            f"{number(row['score'])}<small>± {number(row['stderr'])}</small>",
            strip([drawn[row["fold"]]], scale, line=seen.summary["score"]) if row["fold"] in drawn else "",
        ]
        for row in rows
    ]
    head = [unseen("fold"), "images", f"{said(seen.metric)}<small>standard error</small>", ruler(scale)]
    lead = "Each fold's images, answered by models and a chain of weights and rule that saw none of them."
    if seen.field.outer is not None:
        lead += " One fold of the labelled images was held out; these are folds inside it."
    return Section("folds", "Folds", lead, table(head, cells, caption="Scores of the folds", look="strips"))


def fold_rows(seen: Seen) -> list[dict[str, Any]]:
    """Score of each fold with its error, as the run wrote it down; of runs of before that was done, computed."""
    truth = seen.field.truth
    return seen.summary.get("folds") or fold_scores(
        seen.metric, truth.labels, seen.answers, truth.fold_N, truth.group_N
    )


def _mark(value: float, low: float, high: float) -> Mark:
    return Mark(value, low, high, "score")


def _inside(value: float) -> Mark:
    return Mark(value, value, value, "seen")


def _range(low: float, high: float) -> str:
    return f"{number(low)} to {number(high)}"


def notes(seen: Seen) -> Section:
    """What the run said of itself."""
    told = [said(note) for note in _sentences(seen.summary["notes"]) if note.strip()]
    body = listing(told)
    if seen.recipe:
        kept = cleaned({key: value for key, value in seen.recipe.items() if key != "cards"}, seen.known)
        body += tag(
            "details",
            tag("summary", "The recipe, resolved"),
            tag("pre", said_lines(yaml.safe_dump(kept, sort_keys=False, allow_unicode=True)), tabindex=0),
        )
    return Section("record", "What the run noted", "Its own sentences, and every key of its recipe.", body)


def _sentences(notes: Sequence[str]) -> list[str]:
    """Notes without the table of how differently members err: a part of the page of its own tells it."""
    if LEGEND not in notes:
        return list(notes)
    end = notes.index(LEGEND)
    heads = [place for place in range(end) if notes[place].startswith("member") and "errs most like" in notes[place]]
    return [*notes[: heads[-1]], *notes[end + 1 :]] if heads else list(notes)


def said_lines(text: str) -> str:
    """Anybody's text of several lines."""
    return "\n".join(said(line) for line in text.splitlines())
