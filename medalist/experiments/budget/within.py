"""A budget of time -> a run folder with the best that was found in it, at every moment after the first minutes.

OUT/incumbent          link to the best run or blend so far; OUT's own files are links through it
OUT/arms/              all runs and blends, each an ordinary folder, with the log of its process beside it
OUT/budget.json        what was tried, after each step; OUT/experiment.json and table.txt at the end
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from medalist.errors import MedalistError
from medalist.evidence import Comparison
from medalist.experiments import folder as experiment
from medalist.experiments.arms import ARMS, Arm, folder_name
from medalist.experiments.budget import incumbent, journal
from medalist.experiments.budget.asked import asked_of, with_runtimes
from medalist.experiments.budget.child import DONE, Ended, Interrupt, interrupts, spawn
from medalist.experiments.budget.clock import Clock, told
from medalist.experiments.budget.forecast import Pace, foreseen_end
from medalist.experiments.budget.journal import Tried, gained, incumbent_of
from medalist.experiments.budget.loop import BEFORE_ANY, BEST, NO_IDEA, Loop, Made
from medalist.experiments.budget.steps import PATIENCE
from medalist.pipeline import cache_folder, run_key
from medalist.pipeline.checks import check
from medalist.progress import Event, jsonl
from medalist.recipe import Recipe, load_recipe
from medalist.store import hash_json, write_atomic

CHART = "budget.png"
HOPELESS_S = 10.0  # of extraction or training, after which its speed is believed
DRAWING_S = 20.0  # on a busy machine; without them there is no chart


@dataclass
class Processes:
    """The loop's hands: runs and blends are processes, folders lie below `out`."""

    out: Path
    root: Path
    cache: Path
    code: Sequence[str]
    metric: str
    clock: Clock
    pace: Pace
    interrupted: Interrupt

    def run(self, arm: Arm, until: float) -> Made:
        """`medalist run` of the arm's recipe; ended early where training would not end in time."""
        folder = self.out / ARMS / folder_name(arm.name)
        known = (folder / "summary.json").is_file()
        recipe = folder.with_name(f"{folder.name}.yaml")
        recipe.parent.mkdir(exist_ok=True)
        write_atomic(recipe, arm.recipe.to_yaml().encode())
        words = ["run", str(self.root), "--recipe", str(recipe), "--out", str(folder), "--cache", str(self.cache)]
        words += [word for name in self.code for word in ("--allow-code", name)]
        ended = self._spawn(words, folder, until, shown=self.pace.shown(arm.recipe))
        if ended.status == DONE and not known:
            self.pace.learn(arm.recipe, ended.seconds, folder)
        return self._made(ended, folder)

    def blend(self, folders: Sequence[str], until: float) -> Made:
        """`medalist blend` of runs, under a name that they give."""
        folder = self.out / ARMS / f"blend-{hash_json(list(folders))[:8]}"
        names = [str(self.out / name) for name in folders]
        return self._made(self._spawn(["blend", *names, "--out", str(folder)], folder, until), folder)

    def _spawn(self, words: Sequence[str], folder: Path, until: float, shown: float = 0.0) -> Ended:
        """A process, ended when `until` comes, or as soon as its speed shows that it will not end by then."""
        checked = [0.0]
        end = time.time() + until - self.clock.used()

        def late() -> bool:
            if self.clock.used() >= until:
                return True
            if until == float("inf") or time.time() < checked[0] + 1:
                return False
            checked[0] = time.time()
            found = foreseen_end(folder / experiment.EVENTS, shown)
            return found is not None and time.time() - found[0] > HOPELESS_S and found[1] > end

        return spawn(words, folder.with_name(f"{folder.name}.log"), late=late, interrupted=self.interrupted)

    def _made(self, ended: Ended, folder: Path) -> Made:
        if ended.status != DONE:
            return Made(ended.status, ended.seconds, said=_last_words(ended.said))
        summary = json.loads((folder / "summary.json").read_bytes())
        name = folder.relative_to(self.out).as_posix()
        return Made(ended.status, ended.seconds, name, summary["score"], summary["score_stderr"])

    def against(self, challenger: str, held: str) -> tuple[Comparison, int]:
        """See `incumbent.against`."""
        return incumbent.against(self.out / challenger, self.out / held, self.metric)

    def could_be_beaten(self, held: str, before: Sequence[float]) -> bool:
        """See `incumbent.could_be_beaten`."""
        return incumbent.could_be_beaten(self.out / held, self.metric, before)

    def show(self, folder: str) -> None:
        """See `incumbent.show`."""
        incumbent.show(self.out, self.out / folder)

    def save(self, tried: Sequence[Tried], used_s: float) -> None:
        """The journal, and an event."""
        journal.save(self.out, tried, used_s)
        jsonl(self.out / experiment.EVENTS)(Event(tried[-1].kind, len(tried), 0, used_s, asdict(tried[-1])))


def _last_words(said: str) -> str:
    """The error that a process told, all its lines; of a crash the last line."""
    _, mark, error = f"\n{said}".rpartition("\nerror: ")
    return f"{mark.strip()} {error}" if mark else (said.splitlines() or ["it said nothing"])[-1]


def run_within(
    recipe: Recipe,
    root: Path,
    out: Path,
    clock: Clock,
    *,
    cache: Path | None = None,
    code: Sequence[str] = (),
    overwrite: bool = False,
    say: Callable[[str], None] = print,
) -> str:
    """The best submission that a time allows, in `out`.

    Args:
        recipe: its backbones, or without any all cards at hand, or without those the recommended one; keys that it sets
            hold for all that is tried, and `finetune: null` set leaves fine-tuning out.
        root: folder of the dataset.
        out: folder of the experiment; from the first submission on also a finished run folder, that of the best so far.
        clock: the time, counted from where it says.
        cache: see `pipeline.run`.
        code: metrics of the user's own, as `--allow-code` takes them; handed on.
        overwrite: replace what `out` holds.
        say: takes the lines that tell how it goes.

    Returns:
        Table and summary for people.

    Raises:
        MedalistError: there is no submission: a fault of recipe or data, or an interrupt before the first; or `out`
            holds something else.
    """
    notes: list[str] = []
    asked, cost = asked_of(recipe, notes)
    check(asked.recipe, root, out)
    asked = with_runtimes(asked, root)
    for note in notes:
        say(note)
    incumbent.check_free(out)
    key = {"kind": "budget", "given": sorted(asked.given), **run_key(asked.recipe, root)}
    with experiment.asking(out, key, overwrite=overwrite), interrupts() as interrupt:
        tried, used_s = journal.load(out)
        clock = replace(clock, before_s=used_s)
        pace = _remembered(Pace(cost), tried, out)
        hands = Processes(out, root, cache_folder(cache), code, recipe.metric, clock, pace, interrupt)
        loop = Loop(asked, clock, pace, hands, say, [one for one in tried if one.settled])
        if held := incumbent_of(loop.tried):
            say(f"goes on: {len(loop.tried)} steps ended before, {told(clock.left())} of {told(clock.budget_s)} left")
            hands.show(held.folder)
        try:
            loop.go()
            return _conclude(loop, out)
        except MedalistError:
            forget(out)
            raise


def forget(out: Path) -> None:
    """An experiment without any submission, which another question cannot spoil; one with a submission is left."""
    if not (out / experiment.INCUMBENT).is_symlink():
        shutil.rmtree(out / ARMS, ignore_errors=True)
        for name in (experiment.BUDGET, experiment.EVENTS):
            (out / name).unlink(missing_ok=True)
        (out / experiment.QUESTION).unlink(missing_ok=True)


def _remembered(pace: Pace, tried: Sequence[Tried], out: Path) -> Pace:
    """With the speeds that earlier processes measured."""
    for one in tried:
        if one.arm and one.score is not None:
            folder = out / one.runs[-1]
            pace.learn(load_recipe(folder / "recipe.yaml"), one.seconds, folder)
            pace.judge(one.kind, one.forecast_s, one.seconds)
    return pace


def _conclude(loop: Loop, out: Path) -> str:
    """Table, verdict and files; the same for machines."""
    held = incumbent_of(loop.tried)
    if held is None:
        raise MedalistError(BEFORE_ANY)
    metric = loop.asked.recipe.metric
    summary = json.loads((out / "summary.json").read_bytes())
    lines = [
        journal.table(loop.tried),
        f"{metric} {summary['score']:.4f} +- {summary['score_stderr']:.4f}: {_what(held)}, {_gained(loop.tried)};"
        f" {_why(loop)}",
        *_beside(loop.tried, out),
        _where(out, summary["submission"]),
    ]
    charts = _draw(loop, out) if loop.clock.left() > DRAWING_S else []
    result = {
        "metric": metric,
        "budget_s": loop.clock.budget_s,
        "ended": loop.ended,
        "incumbent": held.folder,
        "steps": [asdict(one) for one in loop.tried],
        "charts": charts,
    }
    experiment.finish(out, result, "\n".join(lines))
    if late := max(0.0, -loop.clock.left()):
        lines.append(f"late by {late:.0f} s: {told(loop.clock.used())} of {told(loop.clock.budget_s)}")
    return "\n".join(lines)


def _gained(tried: Sequence[Tried]) -> str:
    """What all replacements brought together."""
    told_so = f"gained {gained(tried):+.4f} on the first submission, step by step"
    return told_so if any(one.outcome == journal.REPLACED for one in tried) else "the first submission stands"


def _what(held: Tried) -> str:
    """The incumbent, by name."""
    return f"a blend of {len(held.runs)} runs" if len(held.runs) > 1 else held.arm


def _beside(tried: Sequence[Tried], out: Path) -> list[str]:
    """What a person may prefer at the risk of following luck."""
    other = journal.runner_up(tried)
    if other is None:
        return []
    name = f"the blend with {other.arm}" if other.arm and len(other.runs) > 1 else other.arm or other.step
    return [f"not taken, as it may be luck: {name}, {journal.gain_text(other)}: {out / other.folder}"]


def _why(loop: Loop) -> str:
    """Why it ended, as the rule has it."""
    if loop.ended == BEST:
        return f"it stopped early, at {told(loop.clock.used())}: {BEST}"
    if loop.ended != NO_IDEA:
        more = (
            f"; next were {loop.next[0].name}, {loop.forecast_text(*loop.next)} (a larger --budget goes on)"
            if loop.next
            else ""
        )
        return f"it ended at {told(loop.clock.used())}: {loop.ended}{more}"
    return (
        f"it stopped early, at {told(loop.clock.used())}: {NO_IDEA} (a kind of step ends where it is done, or where its"
        f" last {PATIENCE} steps brought nothing distinguishable)"
    )


def _where(out: Path, submission: str | None) -> str:
    hand_in = f"submission: {out / submission}" if submission else "no test images: no submission"
    return f"{hand_in}; runs: {out / ARMS}; all numbers: {out / experiment.RESULT}"


def _draw(loop: Loop, out: Path) -> list[str]:
    """The score of what was tried over the time, the best so far as a line."""
    from medalist.experiments.charts import Mark, Timeline, scatter

    marks = [
        Mark(one.arm or one.step, one.challenger, one.stderr or 0.0, one.used_s, one.verdict)
        for one in loop.tried
        if one.challenger is not None
    ]
    best = [(one.used_s, one.challenger) for one in loop.tried if one.replaced and one.challenger is not None]
    scatter(
        marks,
        out / CHART,
        title="score of each step; the line is what stands as the best so far",
        x="time",
        y=loop.asked.recipe.metric,
        baseline="first submission",
        over=Timeline(best, loop.clock.budget_s, told),
    )
    return [CHART]
