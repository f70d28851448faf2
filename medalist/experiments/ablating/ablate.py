"""Which value of a key? A run a value, each against the recipe as it stands, on the same rows and folds.

Each key is asked by itself: no grid of all combinations, whose arms would multiply. No arm is stopped early by what
others scored: p values would mean nothing then.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medalist.errors import RecipeError
from medalist.experiments.ablating.judging import Row, corrected_score, rows_of
from medalist.experiments.ablating.questions import Question, Value, ask_all, hidden_by_blend, lengthened
from medalist.experiments.ablating.verdicts import draw, recommended, sentence_of, table_of
from medalist.experiments.arms import ARMS, Arm, Done, carry_out_all, check_arms, folder_name, weights_of_all
from medalist.experiments.folder import RECIPE, RESULT, TABLE, answered, asking, finish
from medalist.experiments.process import shared_options
from medalist.experiments.seeds import ENOUGH_SEEDS, draws, seeded, seeds_for
from medalist.metrics import metrics
from medalist.pipeline import files_of, run_key
from medalist.pipeline.backbones import choose
from medalist.pipeline.learners import slug
from medalist.progress import Sink, ignore
from medalist.recipe import Recipe
from medalist.store import hash_json, write_atomic


def ablate(
    recipe: Recipe,
    root: Path,
    out: Path,
    varied: Sequence[str],
    *,
    seeds: int | None = None,
    double: bool = True,
    cache: Path | None = None,
    sink: Sink = ignore,
    overwrite: bool = False,
    code: Sequence[str] = (),
) -> str:
    """Answer each question `KEY=a,b,c` by runs in `out/arms`; the table, a sentence a key, what to type next.

    Args:
        recipe: the baseline of each question.
        root: folder of the dataset.
        out: folder of the experiment.
        varied: the questions; see `questions.ask`.
        seeds: of each arm, for heads, training and folds; with 2 or more the errors hold the training's own noise.
            None: 3 where a training draws numbers (fine-tuning, mlp), else 1.
        double: keys that want longer training are judged at twice the epochs too.
        cache: see `pipeline.run`.
        sink: takes progress events, `arms` among them.
        overwrite: replace another experiment in `out`.
        code: MODULE:FUNCTION of the user's own metrics, for the command to type next.

    Raises:
        RecipeError: all faults of the questions, then all those of the arms' recipes, before the first run.
        StoreError: `out` holds another experiment, cannot be written, or is being written.
    """
    if seeds is not None and seeds < 1:
        raise RecipeError(f"--seeds {seeds}: expected 1, or 2 and more to count the training's own noise in")
    notes: list[str] = []
    recipe = choose(recipe, notes)
    questions = ask_all(recipe, varied)
    notes += hidden_by_blend(recipe, [question.key for question in questions])
    longer = [question for question in questions if double and question.slow]
    arms = arms_of(recipe, questions, longer)
    seeds = seeds_for([arm.recipe for arm in arms.values()], seeds)
    check_arms(list(arms.values()), root, out)
    key = _key(recipe, root, arms, seeds)
    if not overwrite and answered(out, key) is not None:
        text = (out / TABLE).read_text(encoding="utf-8").rstrip("\n")
        return f"{text}\nnothing was computed: this experiment was finished before"
    with asking(out, key, overwrite=overwrite):
        write_atomic(out / RECIPE, recipe.to_yaml().encode())
        runs = _carried_out(arms, seeds, root, out, cache=cache, sink=sink)
        answers = [_answer(question, runs, question in longer, out) for question in questions]
        command = ["medalist", "run", str(root), "--recipe", str(out / RECIPE), *shared_options(cache, code)]
        text, facts = _told(list(arms.values()), answers, runs[recipe.hash], notes, command, out)
        finish(out, facts, text)
    return text


@dataclass(frozen=True)
class Answer:
    """What is known of a key.

    Args:
        key: of the recipe.
        rows: its values, judged.
        best: the value to take; None: the recipe's own.
        sentence: for people.
        chart: name of its PNG file.
    """

    key: str
    rows: list[Row]
    best: Row | None
    sentence: str
    chart: str


def arms_of(recipe: Recipe, questions: Sequence[Question], longer: Sequence[Question]) -> dict[str, Arm]:
    """Each recipe to be run, once, by its hash, the baseline first; those of `longer` at twice the epochs too."""
    named = [("baseline", recipe), *(pair for question in questions for pair in _named(question, 1))]
    if longer:
        twice = lengthened(recipe, 2)
        named += [("baseline, epochs x2", twice), *(pair for question in longer for pair in _named(question, 2))]
    arms: dict[str, Arm] = {}
    for name, one in named:
        if one.hash not in arms:
            taken = {folder_name(arm.name) for arm in arms.values()}  # +1 and -1 would share one
            arms[one.hash] = Arm(name if folder_name(name) not in taken else f"{name} {one.hash[:8]}", one)
    return arms


def _named(question: Question, budget: int) -> list[tuple[str, Recipe]]:
    def name(value: Value) -> str:
        return f"{question.key}={value.text}" + (f", epochs x{budget}" if budget > 1 else "")

    return [(name(value), lengthened(value.recipe, budget)) for value in question.values]


def _key(recipe: Recipe, root: Path, arms: Mapping[str, Arm], seeds: int) -> dict[str, Any]:
    """All that the answer depends on."""
    hashes = {
        arm.name: hash_json([arm.recipe.model_dump(mode="json", exclude={"cards", "rules"}), files_of(arm.recipe)])
        for arm in arms.values()
    }
    weights = weights_of_all(arm.recipe for arm in arms.values())
    return {"verb": "ablate", **run_key(recipe, root), "arms": hashes, "weights": weights, "seeds": seeds}


def _carried_out(
    arms: Mapping[str, Arm], seeds: int, root: Path, out: Path, *, cache: Path | None, sink: Sink
) -> dict[str, list[Done]]:
    """Run every arm under every seed; by the arm's hash."""
    asked = [
        (arm_hash, Arm(f"{arm.name}, seed {arm.recipe.seed + step}", seeded(arm.recipe, step)) if step else arm)
        for arm_hash, arm in arms.items()
        for step in range(seeds)
    ]
    runs: dict[str, list[Done]] = {}
    done = carry_out_all([arm for _, arm in asked], root, out, cache=cache, sink=sink)
    for (arm_hash, _), one in zip(asked, done, strict=True):
        runs.setdefault(arm_hash, []).append(one)
    return runs


def _answer(question: Question, runs: Mapping[str, Sequence[Done]], double: bool, out: Path) -> Answer:
    """Judge a key's values, and draw them."""
    rows = rows_of(question, runs, double=double)
    chart = f"{slug(question.key)}.png"
    draw(rows, out / chart, metric=question.baseline.recipe.metric)
    return Answer(question.key, rows, recommended(rows), sentence_of(rows, corrected_score(question, runs)), chart)


def _told(
    arms: Sequence[Arm],
    answers: Sequence[Answer],
    own: Sequence[Done],
    notes: Sequence[str],
    command: Sequence[str],
    out: Path,
) -> tuple[str, dict[str, Any]]:
    """What is printed, and the same for machines."""
    metric = own[0].arm.recipe.metric
    overrides = [f"{answer.key}={answer.best.value}" for answer in answers if answer.best is not None]
    typed = shlex.join([*command, *overrides])
    files = [out / name for name in (TABLE, RESULT, *(answer.chart for answer in answers))]
    lines = [
        *_head(arms, own, num_keys=len(answers)),
        *notes,
        *(f"\n{table_of(answer.rows)}" for answer in answers),
        "",
        *(answer.sentence for answer in answers),
        *(["each key was judged by itself: gains need not add up"] if len(overrides) > 1 else []),
        f"to type next: {typed}" if overrides else "nothing to change: no value is better than the recipe's own",
        f"files: {', '.join(map(str, files))}, runs in {out / ARMS}",
    ]
    facts = {
        "metric": metric,
        "seeds": len(own),
        "num_rows": len(own[0].answers_N),
        "rows": [{**asdict(row), "verdict": row.verdict} for answer in answers for row in answer.rows],
        "take": {answer.key: answer.best.value if answer.best else None for answer in answers},
        "sentences": [answer.sentence for answer in answers],
        "notes": list(notes),
        "charts": [answer.chart for answer in answers],
    }
    return "\n".join(lines), facts


def _head(arms: Sequence[Arm], own: Sequence[Done], *, num_keys: int) -> list[str]:
    """What the table's numbers are, and which errors count in."""
    recipe, num_seeds = own[0].arm.recipe, len(own)
    better = metrics.bind(recipe.metric).facts["better"]
    told = [
        f"{recipe.metric} ({better} is better) of {len(own[0].answers_N)} rows, each answered by models that never saw"
        " it; gain: over the recipe's own value, paired on the same rows, positive is better"
    ]
    if num_keys > 1:
        told.append("each key by itself against the recipe as it stands, not all combinations")
    folds_stay = recipe.folds.file is not None or seeded(recipe, 1).folds == recipe.folds
    moved = "heads and training" if folds_stay else "heads, training and folds"
    if num_seeds > 1:
        return [*told, f"errors count rows and training noise: {num_seeds} seeds an arm, of {moved}"]
    if any(draws(arm.recipe) for arm in arms):
        return [
            *told,
            "errors count the rows alone, and are too small: a training that draws other numbers ends elsewhere, which"
            f" one seed does not show, nor do folds; type --seeds {ENOUGH_SEEDS}",
        ]
    return [*told, f"errors count the rows alone; --seeds {ENOUGH_SEEDS} counts other folds in"]
