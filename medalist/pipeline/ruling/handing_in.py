"""A hand-in against the rules that its answers were made under: what they rest on, and how many came before today.

Days are those of UTC, as Kaggle counts them. Hand-ins are counted over the run folders that lie beside this one and
answer the same test images; of others nobody knows here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from medalist.errors import SubmissionError
from medalist.pipeline.kept import FILE as TABLE
from medalist.pipeline.ruling.breaches import breaches, unknowns
from medalist.pipeline.ruling.disclosure import load_disclosure
from medalist.recipe import RulesSection
from medalist.submissions.handed_in import FILE, on_day


def check_hand_in(folder: Path, sha256: str) -> list[str]:
    """Refuse what breaks a rule.

    Args:
        folder: of a finished run or blend.
        sha256: of the file that is handed in; its own earlier note is no other hand-in.

    Returns:
        Sentences on what the rules ask and nobody can know.

    Raises:
        SubmissionError: all breaches at once, each with its rule.
    """
    disclosed = load_disclosure(folder)
    if disclosed is None:
        return []
    found = [line for rules in disclosed.rules for line in breaches(rules, disclosed.used)]
    found += _too_many(folder, sha256, disclosed.rules)
    if found:
        told = "".join(f"\n  {line}" for line in dict.fromkeys(found))
        raise SubmissionError(f"{folder} breaks rules of its recipe; nothing was handed in:{told}")
    return list(dict.fromkeys(line for rules in disclosed.rules for line in unknowns(rules, disclosed.used)))


def _too_many(folder: Path, sha256: str, rules: Sequence[RulesSection]) -> Iterator[str]:
    limits = [one.submissions_a_day for one in rules if one.submissions_a_day is not None]
    if not limits:
        return
    today = datetime.now(UTC).date()
    before = set[str]().union(*(on_day(other, today) for other in _rivals(folder))) - {sha256}
    if len(before) >= min(limits):
        yield (
            f"rules.submissions_a_day: {min(limits)}, but {len(before)} were handed in on {today} (UTC); wait for"
            " tomorrow"
        )


def _rivals(folder: Path) -> list[Path]:
    """Run folders beside this one, itself among them, that handed in answers to the same test images."""
    here = folder.resolve()
    mine = _test_ids(here)
    return [found.parent for found in here.parent.glob(f"*/{FILE}") if _test_ids(found.parent) == mine]


def _test_ids(folder: Path) -> set[str]:
    if not (folder / TABLE).is_file():
        return set()
    return set(json.loads((folder / TABLE).read_text(encoding="utf-8"))["test_ids"])
