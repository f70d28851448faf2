"""Run folders: who may write in one, whether it is finished, and the summary that says what it holds.

A run folder is the truth: `run.json` (the key of the run, written first), `recipe.yaml`, `folds.csv`, `fitted/`,
`predictions/`, `decision.json`, `submission.csv`, `events.jsonl`, and `summary.json`, written last.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medalist.errors import StoreError
from medalist.store import hash_json, write_atomic

SUMMARY = "summary.json"
KEY = "run.json"
STAGES = ("read", "choose", "embed", "split", "fit", "tune", "decide", "submit", "total")
COSTLY = "folds.csv"
WRITTEN = (
    SUMMARY,
    KEY,
    "recipe.yaml",
    "runtimes.json",
    "table.json",
    "sample_submission.csv",
    "folds.csv",
    "scored.csv",
    "suspects.csv",
    "leaks.csv",
    "quarantined.csv",
    "decision.json",
    "unseen.npy",
    "rejected.csv",
    "submission.csv",
    "made.json",
    "disclosure.md",
    "disclosure.json",
    "stale.json",
)


@dataclass(frozen=True)
class Summary:
    """What a finished run says of itself; `summary.json` holds the same keys.

    Args:
        metric: name of the metric.
        score: on training rows that model, weights and thresholds had not seen.
        score_stderr: its standard error, by bootstrap over groups.
        interval95: its 95 % interval.
        score_in_sample: the same metric on rows that the model was fitted on; for the gap alone. None: not known.
        heads: of each member by itself its `score`, the score's `stderr`, and the score `in_sample` (None: not known).
        forecast: of the score on the test images: `score`, `stderr`, `interval95`, `num_test`; None without any.
        seconds: wall seconds a stage, with `embed` and `total`, of the process that finished the run.
        images: images that the dataset names, training and test; extra ones are not among them.
        rejected: files and rows left out; `rejected.csv` lists them with their reasons.
        notes: sentences for people: what was inferred, what fell back, licences.
        submission: the submission's file name, or None where the dataset has no test images.
        folds: of each fold `fold` (from 0), `rows`, `score`, `stderr`, and under `members` each member's score.
        paces: of each stage, and of each backbone and view, head or training in it (`what`): how many `images` that
            process worked on in how many `seconds`, `images_s`, and how many results it `kept`, from the cache or from
            a process that was stopped.
    """

    metric: str
    score: float
    score_stderr: float
    interval95: tuple[float, float]
    score_in_sample: float | None
    heads: dict[str, dict[str, float | None]]
    forecast: dict[str, Any] | None
    seconds: dict[str, float]
    images: int
    rejected: int
    notes: tuple[str, ...]
    submission: str | None
    folds: tuple[dict[str, Any], ...] = ()
    paces: tuple[dict[str, Any], ...] = ()

    def text(self, out: Path) -> str:
        """The summary as plain text for a terminal."""
        low, high = self.interval95
        lines = [
            f"{self.metric} {self.score:.4f} +- {self.score_stderr:.4f} out of fold (95 % {low:.4f} to {high:.4f});"
            f" in sample {_told(self.score_in_sample)}; each member by itself:",
            *(
                f"  {name}: {s['score']:.4f} +- {s['stderr']:.4f} (in sample {_told(s['in_sample'])})"
                for name, s in self.heads.items()
            ),
            *self._expected(),
            *self.notes,
            f"{self.images} images of the dataset, {self.rejected} files and rows rejected"
            + (" (rejected.csv)" if self.rejected else ""),
            *self._timed(),
            f"submission: {out / self.submission}" if self.submission else "no test images: no submission",
        ]
        return "\n".join(lines)

    def _timed(self) -> list[str]:
        timed = [f"{stage} {self.seconds[stage]:.1f} s" for stage in STAGES if stage in self.seconds]
        return [", ".join(timed), *self._embedded()] if timed else []

    def _embedded(self) -> list[str]:
        """How many images went through networks, where some need not."""
        found = next((one for one in self.paces if one["stage"] == "embed" and not one["what"]), None)
        if found is None or not found["kept"]:
            return []
        return [f"features: {found['images']} images were computed, those of {found['kept']} were in the cache"]

    def _expected(self) -> list[str]:
        if self.forecast is None:
            return []
        low, high = self.forecast["interval95"]
        tested = f"expected on the {self.forecast['num_test']} test images: {self.forecast['score']:.4f}"
        return [f"{tested} (95 % {low:.4f} to {high:.4f})"]


def _told(score: float | None) -> str:
    return "not known" if score is None else f"{score:.4f}"


def fingerprint(root: Path) -> str:
    """Hash of every file below `root` but hidden ones, by relative path, size and modification time; none is opened."""
    entries = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            path = os.path.join(folder, name)
            with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                stat = os.lstat(path)
                entries.append((os.path.relpath(path, root), stat.st_size, stat.st_mtime_ns))
    return hash_json(entries)


def begun(out: Path) -> bool:
    """Whether `out` holds a run, finished or not."""
    return (out / KEY).is_file()


def finished(out: Path, key: dict[str, Any]) -> Summary | None:
    """The summary of a finished run with this key, or None where there is still something to do.

    Raises:
        StoreError: `out` holds another run; the message names what differs.
    """
    if not begun(out):
        return None
    held = json.loads((out / KEY).read_text(encoding="utf-8"))
    if held != key:
        if not (out / COSTLY).exists():  # an attempt that failed before it had anything to lose
            return None
        changed = sorted(part for part in {*held, *key} if held.get(part) != key.get(part))
        raise StoreError(
            f"{out} holds another run (different: {', '.join(changed)}); choose another --out, or add --overwrite"
        )
    if not (out / SUMMARY).is_file():
        return None
    fields = json.loads((out / SUMMARY).read_text(encoding="utf-8"))
    if fields["submission"] is not None and not (out / fields["submission"]).is_file():
        return None
    lists = {name: tuple(fields.get(name, ())) for name in ("interval95", "notes", "folds", "paces")}
    return Summary(**{**fields, **lists})


def require_finished(out: Path) -> None:
    """Refuse a folder that holds no finished run.

    Raises:
        StoreError: says what to type.
    """
    if not (out / SUMMARY).is_file():
        raise StoreError(f"{out} holds no finished run ({SUMMARY} is missing); type: medalist run DATA --out {out} ...")


@contextmanager
def writing(out: Path, key: dict[str, Any], *, overwrite: bool = False) -> Iterator[None]:
    """Hold the run folder alone, its key on disk before anything else.

    Args:
        out: the run folder.
        key: of the run.
        overwrite: forget the run that `out` holds.

    Raises:
        StoreError: the folder cannot be written, another process is writing in it, or it holds files that no run wrote.
    """
    with locked(out):
        if overwrite and begun(out):
            _reset(out)
        foreign = [] if begun(out) else [name for name in WRITTEN if (out / name).exists()]
        if foreign:
            raise StoreError(f"{out} holds {', '.join(foreign)} that no run wrote; choose another --out")
        write_json(out / KEY, key)
        yield


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold a folder alone; it is made where it is missing.

    Args:
        out: of a run or an experiment.

    Raises:
        StoreError: it cannot be written, or another process is writing in it.
    """
    import fcntl

    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".lock").open("w")
    except OSError as error:
        raise StoreError(f"cannot write in {out}: {error.strerror}; choose another --out") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"another medalist is writing in {out}; wait for it, or choose another --out") from error
        yield


def finish(out: Path, summary: Summary) -> None:
    """Write `summary.json`: from here on the run is finished."""
    write_json(out / SUMMARY, asdict(summary))


def _reset(out: Path) -> None:
    """Forget the run in `out`, so that it is done anew; only what a run, and a report inside it, writes is removed."""
    import shutil

    # The key stays until the next one replaces it: a kill in here must not leave files that seem to be nobody's.
    for name in (*(name for name in WRITTEN if name != KEY), "events.jsonl"):
        (out / name).unlink(missing_ok=True)
    for folder in ("fitted", "predictions", "networks", "tuned", "report"):
        if (out / folder).is_dir():
            shutil.rmtree(out / folder)


def write_json(path: Path, value: Any) -> None:
    """`value` as indented JSON with sorted keys, atomically."""
    write_atomic(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())
