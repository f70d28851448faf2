"""An experiment's folder: which question it holds, who may write in it, and what it answered.

`question.json` (the key, first), `arms/` (ordinary run folders), `measured.json` (rates, taken once, as none comes out
alike twice), PNG charts, `table.txt`, and `experiment.json`, last.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medalist.errors import StoreError
from medalist.experiments.arms import ARMS
from medalist.features.bank import NETWORKS
from medalist.ledger import locked, write_json
from medalist.pipeline.extraction import SETTLED
from medalist.store import write_atomic

QUESTION, MEASURED, TABLE, RESULT = "question.json", "measured.json", "table.txt", "experiment.json"
RECIPE, BEST, JOURNAL = "recipe.yaml", "best.yaml", "optuna.journal"  # of ablate, of search
INCUMBENT, BUDGET, EVENTS = "incumbent", "budget.json", "events.jsonl"  # of run --budget
VIEWS = "views"  # features that only a killed `ablate --augment` needs
VERBS = {
    "rank": "`rank`",
    "search": "`search`",
    "ablate": "`ablate --vary`",
    "augment": "`ablate --augment`",
    "budget": "`run --budget`",
}  # by what their questions say
LONGEST = 200  # characters of an earlier question in an error
TOLD = 3  # names of strange files in an error


def answered(out: Path, key: dict[str, Any]) -> dict[str, Any] | None:
    """What `finish` wrote for this question, or None where there is still something to do.

    Args:
        out: the experiment's folder.
        key: JSON: all that its answer depends on.

    Raises:
        StoreError: `out` holds another question; the message names what differs.
    """
    if not (out / QUESTION).is_file():
        return None
    held = json.loads((out / QUESTION).read_bytes())
    if held != json.loads(json.dumps(key)):
        changed = sorted(part for part in {*held, *key} if held.get(part) != json.loads(json.dumps(key.get(part))))
        raise StoreError(
            f"{out} holds another question (different: {', '.join(changed)}): {_asked(held)}; choose another"
            " --out, or add --overwrite"
        )
    return dict(json.loads((out / RESULT).read_bytes())) if (out / RESULT).is_file() else None


@contextmanager
def asking(out: Path, key: dict[str, Any], *, overwrite: bool = False) -> Iterator[None]:
    """Hold the folder alone, its question on disk before anything else.

    Args:
        out: the experiment's folder.
        key: JSON: all that its answer depends on.
        overwrite: forget the question that `out` holds, its arms too.

    Raises:
        StoreError: the folder cannot be written, another process is writing in it, it holds another question, or no
            question but files: an experiment begins in an empty folder, so that none of them is ever written over.
    """
    with locked(out):
        foreign = sorted(file.name for file in out.iterdir() if not file.name.startswith("."))
        if foreign and not (out / QUESTION).is_file():
            more = f" and {len(foreign) - TOLD} more" if len(foreign) > TOLD else ""
            told = f"{', '.join(foreign[:TOLD])}{more} that no experiment wrote"
            raise StoreError(f"{out} holds {told}; choose another --out, empty or new")
        if overwrite:
            _reset(out)
        else:
            answered(out, key)
        write_json(out / QUESTION, key)
        yield


def finish(out: Path, result: dict[str, Any], table: str) -> None:
    """Write the table for people and the same for machines: from here on the experiment is finished.

    Args:
        out: the experiment's folder.
        result: JSON; under `charts` the names of the PNG files.
        table: what is printed.
    """
    write_atomic(out / TABLE, (table + "\n").encode("utf-8", "surrogateescape"))
    write_json(out / RESULT, result)


def _asked(key: dict[str, Any]) -> str:
    """The question of a key in words, as far as the key tells it."""
    recipe = key.get("recipe", {})
    values = [name for name in key.get("arms", ()) if not name.startswith("baseline")]
    parts = [
        VERBS.get(key.get("question") or key.get("verb") or key.get("kind", ""), "of another version"),
        f"by {recipe['metric']}" if "metric" in recipe else "",
        f"over {', '.join(key['space'])}" if "space" in key else "",
        f"over {' | '.join(key['factors'])}" if "factors" in key else "",
        f"of {', '.join(values)}" if values else "",
        f"with {', '.join(recipe['backbones'])}" if recipe.get("backbones") else "",
    ]
    told = " ".join(filter(None, parts))
    return told if len(told) <= LONGEST else f"{told[: LONGEST - 3]}..."


def _reset(out: Path) -> None:
    """Forget the question in `out`, of whichever verb: what it wrote is removed, the result that names it last."""
    charts = json.loads((out / RESULT).read_bytes()).get("charts", []) if (out / RESULT).is_file() else []
    # What `run --budget` shows are links to one below the arms; without that one all of them show nothing at once.
    links = [file for file in out.iterdir() if file.is_symlink() and file.readlink().parts[0] in (ARMS, INCUMBENT)]
    for file in sorted(links, key=lambda file: file.name != INCUMBENT):
        file.unlink()
    for name in (ARMS, VIEWS, NETWORKS):
        if (out / name).is_dir():
            shutil.rmtree(out / name)
    for name in (*charts, RECIPE, BEST, JOURNAL, BUDGET, EVENTS, SETTLED, MEASURED, TABLE, RESULT):
        (out / name).unlink(missing_ok=True)
