"""Which earlier run each run comes from, what changed on the way, and what that was worth.

Nobody writes down what he started from. A run's parent is the earlier one on the same rows whose recipe is nearest: it
differs in the fewest keys, of several the latest. A blend's is the best of the runs that it blends.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from medalist.evidence import Comparison
from medalist.metrics import metrics
from medalist.pipeline.outcome import decision_of
from medalist.pipeline.records.entries import Entry
from medalist.pipeline.records.keys import differences


@dataclass(frozen=True)
class Step:
    """A run and where it comes from.

    Args:
        entry: the run.
        parent: the run that it is compared with; None: the first of its rows.
        changed: what differs, as an override would say it: `heads=["ridge"]`; a key that is gone has no value.
        gain: the run against its parent, on the same rows; None without one.
    """

    entry: Entry
    parent: Entry | None = None
    changed: tuple[str, ...] = ()
    gain: Comparison | None = None

    @property
    def gain_a_minute(self) -> float | None:
        """Score gained per minute that the run took; None where either is not known."""
        if self.gain is None or not self.entry.minutes:
            return None
        return self.gain.difference / self.entry.minutes


def steps(entries: Sequence[Entry], compare: Callable[[Entry, Entry], Comparison]) -> list[Step]:
    """Each run with its parent among those before it.

    Args:
        entries: runs, the earliest first.
        compare: the first against the second, positive where it is better; see `Index.compare`.
    """
    found = []
    for place, entry in enumerate(entries):
        parent = parent_of(entry, entries[:place])
        if parent is None:
            found.append(Step(entry))
        else:
            found.append(Step(entry, parent, changes(parent, entry), compare(entry, parent)))
    return found


def parent_of(entry: Entry, earlier: Sequence[Entry]) -> Entry | None:
    """The run that this one comes from; None: there is none."""
    same = [one for one in earlier if (one.metric, one.rows) == (entry.metric, entry.rows)]
    if entry.kind == "blend":
        higher = metrics.bind(entry.metric).facts["better"] == "higher"
        sources = _sources(entry.folder)
        blended = [one for one in same if one.folder.resolve() in sources]
        return max(blended, key=lambda one: one.score if higher else -one.score, default=None)
    runs = [(place, one) for place, one in enumerate(same) if one.kind == entry.kind == "run"]
    nearest = min(runs, key=lambda found: (len(changes(found[1], entry)), -found[0]), default=None)
    return None if nearest is None else nearest[1]


def changes(parent: Entry, entry: Entry) -> tuple[str, ...]:
    """What differs between two runs, as overrides that lead from the first to the second."""
    if entry.kind == "blend":
        return (f"blend of {len(json.loads(entry.keys.get('(sources)', '[]')))} members",)
    differ = {one.key: one.after for one in differences(parent.keys, entry.keys)}
    if "backbones" in differ:
        differ.pop("(weights)", None)  # other backbones have other weights
    return tuple(f"no {key}" if value is None else f"{key}={value}" for key, value in differ.items())


def _sources(folder: Path) -> set[Path]:
    """Run folders that a blend is of; it names its members' predictions, RUN/predictions/MEMBER."""
    return {(folder / source["folder"]).resolve().parents[1] for source in decision_of(folder).get("sources", [])}
