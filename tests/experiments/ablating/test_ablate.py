"""`medalist ablate` on a drawn competition: what is planted is found, what makes no difference is not called better."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from medalist.backbones import embedded_card
from medalist.cli.app import app
from medalist.data.drawn import draw_competition
from medalist.errors import RecipeError, StoreError
from medalist.experiments.ablating.ablate import ablate, arms_of
from medalist.experiments.ablating.questions import ask_all
from medalist.experiments.arms import Arm, Done, check_arms
from medalist.experiments.folder import RESULT, TABLE
from medalist.ledger import Summary
from medalist.pipeline.decide import Truth
from medalist.pipeline.way import read
from medalist.recipe import Recipe, load_recipe
from medalist.store import FAILPOINT, hash_bytes

WEAK, FAIR = "[ridge(penalty=100000000)]", "[ridge(penalty=1)]"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("drawn") / "data"
    draw_competition(root, seed=1, num_train=90, num_test=10)
    return root


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def recipe(*overrides: str) -> Recipe:
    """Heads on one small backbone; the head, unless said otherwise, all but a constant."""
    settings = [f"heads={WEAK}", "folds.k=3", "taps=pooled", "views=center", *overrides]
    return load_recipe(None, settings, metric="log_loss", backbones=("embedded",))


def test_what_is_planted_is_found_and_what_does_nothing_is_not(drawn: Path, cache: Path, tmp_path: Path) -> None:
    varied = [f"heads={FAIR}", "members=fused,each"]
    text = ablate(recipe(), drawn, tmp_path / "out", varied, cache=cache)
    facts = json.loads((tmp_path / "out" / RESULT).read_text(encoding="utf-8"))
    verdicts = {(row["key"], row["value"]): row["verdict"] for row in facts["rows"]}
    assert verdicts["heads", FAIR] == "better"
    assert verdicts["members", "each"] == "equal"
    assert verdicts["heads", WEAK] == verdicts["members", "fused"] == ""
    assert facts["take"] == {"heads": FAIR, "members": None}
    # One baseline for both keys: three runs in all.
    assert len(list((tmp_path / "out" / "arms").iterdir())) == 3
    assert facts["charts"] == ["heads.png", "members.png"]
    assert all((tmp_path / "out" / chart).is_file() for chart in facts["charts"])
    assert (tmp_path / "out" / TABLE).read_text(encoding="utf-8") == text + "\n"
    assert "members: no difference at all, the answers are the same; keep fused" in text
    assert "log_loss (lower is better)" in text and "errors count the rows alone" in text
    # What is to be typed is a run of the better recipe.
    typed = next(line for line in text.splitlines() if line.startswith("to type next: "))
    *_, source, shared, override = shlex.split(typed)
    assert shared == f"--cache={cache}"
    assert load_recipe(source, [override]) == recipe(f"heads={FAIR}")


def test_the_same_question_is_answered_once_and_another_refused(drawn: Path, cache: Path, tmp_path: Path) -> None:
    def asked(*varied: str, overwrite: bool = False) -> str:
        return ablate(recipe(), drawn, tmp_path / "out", varied, cache=cache, overwrite=overwrite)

    text = asked("normalise=none,l2")
    assert asked("normalise=none,l2") == f"{text}\nnothing was computed: this experiment was finished before"
    with pytest.raises(StoreError, match="holds another question"):
        asked("normalise=none,l1")
    assert "\nl1 " in asked("normalise=none,l1", overwrite=True)
    assert not (tmp_path / "out" / "arms" / "normalise-l2").exists()


def test_weights_that_were_written_anew_are_another_question(drawn: Path, cache: Path, tmp_path: Path) -> None:
    """Of a backbone that only one value names: the recipe's own weights are as they were."""
    card = embedded_card()
    weights, facts = load_file(card.with_suffix(".safetensors")), json.loads(card.read_text(encoding="utf-8"))

    def asked() -> str:
        save_file(weights, tmp_path / "mine.safetensors")
        digest = hash_bytes((tmp_path / "mine.safetensors").read_bytes())
        told = {**facts, "name": "mine", "weights": "mine.safetensors", "sha256": digest}
        (tmp_path / "mine.json").write_text(json.dumps(told), encoding="utf-8")
        return ablate(recipe(f"cards={tmp_path}"), drawn, tmp_path / "out", ["backbones=mine"], cache=cache)

    asked()
    assert "nothing was computed" in asked()
    first = next(name for name in weights if name.endswith("weight"))
    weights[first] = weights[first] + 1
    with pytest.raises(StoreError, match=r"holds another question \(different: weights\)"):
        asked()


def test_a_list_that_changed_in_place_is_another_question(drawn: Path, cache: Path, tmp_path: Path) -> None:
    """The baseline names no list: the arms' own files count."""
    file, ids = tmp_path / "quarantine.csv", read(recipe(), drawn).labelled().ids[:4]

    def asked() -> str:
        return ablate(recipe(), drawn, tmp_path / "out", [f"data.quarantine=null,{file}"], cache=cache)

    file.write_text("\n".join(["id", ids[0]]), encoding="utf-8")
    asked()
    assert "nothing was computed" in asked()
    file.write_text("\n".join(["id", *ids]), encoding="utf-8")
    with pytest.raises(StoreError, match=r"holds another question \(different: arms\)"):
        asked()


def test_a_killed_experiment_goes_on_where_it_stood(drawn: Path, cache: Path, tmp_path: Path) -> None:
    # The second arm dies by SIGKILL after its head was fitted.
    settings = recipe().to_yaml()
    (tmp_path / "recipe.yaml").write_text(settings, encoding="utf-8")
    arguments = ["ablate", drawn, "--recipe", tmp_path / "recipe.yaml", "--vary", "normalise=none,l1,l2"]
    command = [sys.executable, "-m", "medalist.cli", *arguments, "--out", tmp_path / "out", "--cache", cache]
    killed = subprocess.run(
        [*map(str, command)], env={**os.environ, FAILPOINT: "in-fit:2"}, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    first = tmp_path / "out" / "arms" / "baseline" / "summary.json"
    before = first.stat().st_mtime_ns
    assert not (tmp_path / "out" / RESULT).exists()
    ablate(recipe(), drawn, tmp_path / "out", ["normalise=none,l1,l2"], cache=cache)
    ablate(recipe(), drawn, tmp_path / "undisturbed", ["normalise=none,l1,l2"], cache=cache)
    assert first.stat().st_mtime_ns == before
    assert told(tmp_path / "out") == told(tmp_path / "undisturbed")


def told(out: Path) -> list[dict[str, object]]:
    """The rows of an experiment without what a clock says."""
    rows = json.loads((out / RESULT).read_text(encoding="utf-8"))["rows"]
    return [{key: row[key] for key in row.keys() - {"seconds", "feature_s", "cost"}} for row in rows]


def test_a_head_that_draws_gets_three_seeds_unless_one_is_asked_for(drawn: Path, cache: Path, tmp_path: Path) -> None:
    asked = recipe("heads=mlp(epochs=1, batch=64)")
    text = ablate(asked, drawn, tmp_path / "three", ["normalise=none,l2"], cache=cache)
    assert "errors count rows and training noise: 3 seeds an arm" in text
    folders = json.loads((tmp_path / "three" / RESULT).read_text(encoding="utf-8"))["rows"][1]["folders"]
    assert folders == ["arms/normalise-l2", "arms/normalise-l2-seed-1", "arms/normalise-l2-seed-2"]
    folds = {(tmp_path / "three" / folder / "folds.csv").read_bytes() for folder in folders}
    assert len(folds) == 3
    text = ablate(asked, drawn, tmp_path / "one", ["normalise=none,l2"], seeds=1, cache=cache)
    assert "too small" in text and "type --seeds 3" in text


def test_all_faults_of_all_arms_before_the_first_run(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        ablate(recipe(), drawn, tmp_path / "out", ["heads=[ridg],[ridge],[lda(x=1)]", "ensemble=blend,blent"])
    text = str(caught.value)
    assert text.startswith("this experiment cannot start:")
    for said in ("heads=[ridg]: heads: unknown head 'ridg'", "heads=[lda(x=1)]", "ensemble=blent", "'blend'"):
        assert said in text
    assert "heads=[ridge]" not in text
    assert not (tmp_path / "out").exists()


def test_a_fault_of_the_baseline_is_told_once(drawn: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="this run cannot start") as caught:
        ablate(recipe("ensemble=nothing"), drawn, tmp_path / "out", ["normalise=l1,l2"])
    assert str(caught.value).count("nothing") == 1
    with pytest.raises(RecipeError, match="--seeds 0"):
        ablate(recipe(), drawn, tmp_path / "out", ["normalise=l1,l2"], seeds=0)


def test_each_recipe_is_run_once_and_no_two_share_a_folder(drawn: Path, tmp_path: Path) -> None:
    tuned = recipe("finetune={}")
    questions = ask_all(tuned, ["finetune.sam=0.05,0.1", "finetune.batch=16,32", "finetune.augment=flip,'flip '"])
    arms = arms_of(tuned, questions, [question for question in questions if question.slow])
    names = [arm.name for arm in arms.values()]
    assert names[0] == "baseline" and names.count("baseline") == 1
    # The baseline, 2 + 1 + 2 values; and at twice the epochs the baseline and the 2 + 2 that want it.
    assert len(names) == 6 + 5
    assert "finetune.sam=0.05, epochs x2" in names and "finetune.batch=16, epochs x2" not in names
    check_arms(list(arms.values()), drawn, tmp_path / "out")
    folders = {arm.name for arm in arms.values()}
    assert len(folders) == len(names)


def test_a_regulariser_is_judged_at_both_budgets(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truth_N = np.arange(200) % 2
    ran: list[tuple[str, int, int]] = []

    def carried_out(arm: Arm, root: Path, out: Path, **rest: Any) -> Done:
        """Without SAM 60 % are right; with it fewer, and with twice the epochs more."""
        settings = arm.recipe.finetune
        assert settings is not None
        epochs, sam = settings.phases[0].epochs, settings.sam
        ran.append((arm.name, epochs, arm.recipe.seed))
        share = 0.6 if sam is None else 0.4 if epochs == 4 else 0.9
        truth = Truth(truth_N, ("a", "b"), np.arange(200), np.arange(200) % 5)
        rows = np.random.default_rng(arm.recipe.seed).permutation(200)[: int(share * 200)]
        answers_N = 1 - truth_N
        answers_N[rows] = truth_N[rows]
        facts = {"metric": "accuracy", "score": share, "score_stderr": 0.03, "interval95": (0.0, 1.0)}
        facts |= {"score_in_sample": None, "heads": {}, "forecast": None, "seconds": {"total": epochs, "embed": 0}}
        summary = Summary(**facts, images=200, rejected=0, notes=(), submission=None)
        return Done(arm, out / "arms" / arm.name, tuple(map(str, range(200))), summary, truth, answers_N)

    monkeypatch.setattr("medalist.experiments.arms.carry_out", carried_out)
    asked = load_recipe(None, ["finetune.phases=[{epochs: 4}]"], metric="accuracy", backbones=("embedded",))
    text = ablate(asked, drawn, tmp_path / "out", ["finetune.sam=null,0.05"], seeds=2)
    assert ran == [
        ("baseline", 4, 0), ("baseline, seed 1", 4, 1),
        ("finetune.sam=0.05", 4, 0), ("finetune.sam=0.05, seed 1", 4, 1),
        ("baseline, epochs x2", 8, 0), ("baseline, epochs x2, seed 1", 8, 1),
        ("finetune.sam=0.05, epochs x2", 8, 0), ("finetune.sam=0.05, epochs x2, seed 1", 8, 1),
    ]  # fmt: skip
    rows = json.loads((tmp_path / "out" / RESULT).read_text(encoding="utf-8"))["rows"]
    assert [(row["value"], row["epochs"], row["cost"]) for row in rows] == [
        ("null", 4, 1.0), ("0.05", 4, 1.0), ("null", 8, 2.0), ("0.05", 8, 2.0),
    ]  # fmt: skip
    assert [row["gain"] and round(row["gain"]["difference"], 6) for row in rows] == [None, -0.2, None, 0.3]
    assert [row["verdict"] for row in rows] == ["", "worse", "", "better"]
    assert "finetune.sam at 4 epochs: no value is better; keep null; worse: 0.05; at 8 epochs 0.05 is better" in text
    assert "nothing to change" in text
    ran.clear()
    ablate(asked, drawn, tmp_path / "half", ["finetune.sam=null,0.05"], seeds=1, double=False)
    assert ran == [("baseline", 4, 0), ("finetune.sam=0.05", 4, 0)]


def test_the_verb_says_what_to_type(drawn: Path, tmp_path: Path) -> None:
    shell = CliRunner()
    without = shell.invoke(app, ["ablate", str(drawn), "--metric", "accuracy"])
    assert without.exit_code == 2 and "--vary KEY=VALUE,VALUE" in without.output
    assert "is an answer" in " ".join(shell.invoke(app, ["ablate", "--help"]).output.split())
