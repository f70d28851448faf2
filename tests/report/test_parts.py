"""Findings, experiments, ensembles, times, licences and the write-up: what the record holds is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from medalist.errors import DataError
from medalist.experiments.folder import asking, finish
from medalist.fitted import Fitted
from medalist.ledger import STAGES
from medalist.pipeline.audit import audit
from medalist.pipeline.ruling.disclosure import save_disclosure
from medalist.pipeline.ruling.used import Images, Used
from medalist.recipe import load_recipe
from medalist.report.acted import acted
from medalist.report.ensemble import ensemble, weights_of
from medalist.report.experiment import experiment, experiment_of, sentences
from medalist.report.findings import _done, findings, read_findings
from medalist.report.learning import learning
from medalist.report.licences import licences, licences_of
from medalist.report.paces import paces
from medalist.report.seen import Seen, look
from medalist.report.stages import MEANING, clock, stages
from medalist.report.thumbnails import Thumbnails
from medalist.report.writeup import markdown, paragraphs, writeup


@pytest.fixture
def seen(lab: Any, tmp_path: Path) -> Seen:
    notes = ["blend does not beat its best member, member 0, by more than noise"]
    return look(lab.run(tmp_path / "run", lab.labels(160, 3), ["cat", "dog", "owl"], num_test=30, notes=notes))


def test_what_check_finds_is_shown(
    seen: Seen, dataset: tuple[Path, list[str], np.ndarray, list[str]], tmp_path: Path
) -> None:
    recipe = load_recipe(None, (), metric="accuracy")
    audit(recipe, dataset[0], cache=tmp_path / "cache", out=tmp_path / "found")
    section = findings(seen, tmp_path / "found", Thumbnails(dataset[0], {}))
    assert section is not None
    rows = read_findings(tmp_path / "found")
    assert {row["kind"] for row in rows} == {"tiny"} and f"tiny: {len(rows)}" in section.body
    assert "thumbnails/" in section.body and "&lt;script&gt;" in section.body and "<script>" not in section.body


def test_a_folder_without_findings_is_refused(seen: Seen, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="medalist check DATA --out"):
        findings(seen, tmp_path, None)
    (tmp_path / "findings.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="lacks columns"):
        findings(seen, tmp_path, None)


def test_what_was_left_out_is_listed(seen: Seen) -> None:
    assert findings(seen, None, None) is None
    (seen.folder / "rejected.csv").write_text("path,reason\n<b>.jpg,the file is empty\n")
    section = findings(seen, None, None)
    assert section is not None and "&lt;b&gt;.jpg" in section.body and "Left out: 1" in section.body


def test_an_arm_knows_its_experiment(tmp_path: Path) -> None:
    with asking(tmp_path / "exp", {"question": "rank"}):
        (tmp_path / "exp" / "arms" / "one").mkdir(parents=True)
        Image.new("RGB", (20, 10)).save(tmp_path / "exp" / "chart.png")
        finish(
            tmp_path / "exp", {"verdict": "a wins <b>", "charts": ["chart.png"], "question": "rank"}, "a table\n& more"
        )
    assert experiment_of(tmp_path / "exp" / "arms" / "one") == tmp_path / "exp"
    assert experiment_of(tmp_path / "exp") == tmp_path / "exp" and experiment_of(tmp_path) is None
    section = experiment(tmp_path / "exp")
    assert "Which backbone is best" in section.lead
    assert "a wins &lt;b&gt;" in section.body and "a table\n&amp; more" in section.body
    assert "<img" not in section.body and "png" not in section.body


def test_a_budgets_steps_are_sentences() -> None:
    assert sentences({"verdict": ["a", "b"]}) == ["a", "b"]
    first = {"step": "rank a", "outcome": "first", "gain": None}
    second = {"step": "fuse", "outcome": "not taken", "gain": 0.01, "gain_stderr": 0.02, "verdict": "equal"}
    assert sentences({"steps": [first, second]}) == ["rank a: first", "fuse: not taken, gain +0.0100 ± 0.0200 (equal)"]


def test_an_ensemble_tells_weights_and_likeness(seen: Seen) -> None:
    section = ensemble(seen)
    assert section is not None
    for told in weights_of(seen.decision).values():
        assert f"{told:.3f}" in section.body
    assert "fitted on all rows" in section.lead and "correlation of errors" in section.body


def test_members_that_are_gone_are_said_to_be(seen: Seen) -> None:
    (seen.folder / "predictions" / "member-1" / "predictions.json").unlink()
    section = ensemble(look(seen.folder))
    assert section is not None and "no longer where they were" in section.lead


def test_one_member_is_no_ensemble(lab: Any, tmp_path: Path) -> None:
    assert ensemble(look(lab.run(tmp_path, lab.labels(60, 2), ["a", "b"], skills=[1.0]))) is None


def test_times_are_a_bar_and_a_table(seen: Seen) -> None:
    assert stages(seen) is None
    seen.summary["seconds"] = {"embed": 90.0, "fit": 30.0, "total": 121.0}
    section = stages(seen)
    assert section is not None and "2 min 1 s" in section.body and "74.4 %" in section.body
    assert "<td>160</td><td>5.33</td>" in section.body  # 160 images fitted in 30 s
    assert clock(59.96) == "60.0 s" and clock(3600) == "1 h 0 min"


def test_paces_are_the_record_s_else_derived_from_counts(seen: Seen) -> None:
    seen.summary["seconds"] = {"embed": 20.0, "fit": 32.0, "decide": 0.5, "total": 60.0}
    events = [
        {"stage": "embed", "done": 0, "total": 0, "seconds": 0.0, "note": {}},
        {"stage": "embed", "done": 0, "total": 150, "seconds": 0.0, "note": {"known": 40}},
        {"stage": "embed", "done": 150, "total": 150, "seconds": 15.0, "note": {"bottleneck": "network"}},
        {"stage": "embed", "done": 1, "total": 1, "seconds": 20.0, "note": {"finished": True}},
    ]
    lines = [json.dumps(one) for one in events]
    (seen.folder / "events.jsonl").write_text("\n".join([*lines, '{"stage": "embed", "do']))
    found = {one["stage"]: (one["images"], one["images_s"], one["kept"]) for one in paces(seen)}
    assert found == {"embed": (150, 10.0, 40), "fit": (160, 5.0, 0), "decide": (190, 380.0, 0)}
    recorded = {"stage": "fit", "what": "ridge <b>", "images": 160, "kept": 7, "seconds": 16.0, "images_s": 10.0}
    seen.summary["paces"] = [{**recorded, "what": ""}, recorded]
    section = stages(seen)
    assert section is not None and "ridge &lt;b&gt;" in section.body and "7 kept from before" in section.body
    assert "<td>–</td><td>–</td>" in section.body  # of `embed` nothing is recorded


def test_licences_come_from_cards_and_the_catalogue(seen: Seen, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps({"licence": "CC-BY-NC-4.0"}))
    recipe = {"backbones": ["mine", "embedded", "resnet50.tv_in1k", "who"], "cards": str(tmp_path), "finetune": None}
    told = licences_of(recipe)
    assert told["mine"] == "CC-BY-NC-4.0" and told["resnet50.tv_in1k"] == "bsd-3-clause"
    assert "not known" in told["who"] and "not known" not in told["embedded"]
    assert licences(seen) is None
    seen.recipe.update(recipe, rules={"strange <key>": 3})
    section = licences(seen)
    assert section is not None and "forbidden" in section.body and "strange &lt;key&gt;: 3" in section.body


def test_rules_that_are_set_are_told_in_words(seen: Seen) -> None:
    rules = {"external_data": False, "weights_before": "2026-01-31", "leaks": True, "submissions_a_day": 1}
    recipes = [load_recipe(None, (), metric="accuracy", backbones=("embedded",), rules=one) for one in ({}, rules)]
    seen.recipe.update(recipes[0].model_dump(mode="json"))
    section = licences(seen)
    assert section is not None and "names no rules" in section.body
    seen.recipe.update(recipes[1].model_dump(mode="json"))
    section = licences(seen)
    assert section is not None and "None" not in section.body and "[]" not in section.body
    for told in (
        "Learning from images from outside the dataset: forbidden.",
        "Answering a test image by a labelled copy of it: allowed.",
        "published before 2026-01-31.",
        "At most 1 hand-in a day.",
    ):
        assert told in section.body
    assert "pseudo-labels" not in section.body and "one of these licences" not in section.body


def test_the_write_up_tells_the_record(seen: Seen) -> None:
    told = dict(paragraphs(seen, None))
    assert "160 labelled images of 3 classes" in told["The task"][0]
    assert any(f"{seen.summary['score']:.4f} ± {seen.summary['score_stderr']:.4f}" in line for line in told["Result"])
    assert any("we expect" in line for line in told["Result"])
    assert any(line.startswith("Blend does not beat its best member") for line in told["What did not help"])
    seen.recipe.update(
        load_recipe(None, ["finetune={}"], metric="accuracy", backbones=("embedded",)).model_dump(mode="json")
    )
    models = " ".join(dict(paragraphs(seen, None))["Models"])
    assert "fine-tuned embedded" in models and "adamw(weight_decay=0.05)" in models and "BatchNorm frozen" in models
    assert "ridge and logistic" in models


def test_what_is_from_outside_is_told(seen: Seen, tmp_path: Path) -> None:
    assert "From outside and from the test set" not in dict(paragraphs(seen, None))
    save_disclosure(Used(images=(Images("wiki <commons>", "CC-BY-4.0", 1234, ("Ann",)),)), (), seen.folder)
    section = licences(seen)
    assert section is not None and "wiki &lt;commons&gt;" in section.body and "1,234" in section.body
    assert "extra.csv in the expansion" in section.body
    seen.recipe.update(
        extra=["/srv/alice b/more"], pseudo=0.9, suspects="drop(0.1)", data={"quarantine": "/srv/q.csv"}, leaks="use"
    )
    told = " ".join(dict(paragraphs(seen, None))["From outside and from the test set"])
    assert "1,234 images of wiki <commons> besides, licence CC-BY-4.0" in told and "alice" not in told
    for one in ("more/extra.csv", "pseudo-labels", "`drop(0.1)`", "quarantine", "leaks"):
        assert one in told


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "by models fitted on all labelled images."),
        ({"data": {"quarantine": "/srv/q.csv"}}, "fitted on all labelled images but those in quarantine."),
        ({"extra": ["/srv/more"]}, "fitted on all labelled images, and on images from outside."),
        ({"pseudo": 0.5}, "fitted on all labelled images, and on the test images under pseudo-labels."),
        ({"suspects": "drop"}, "on all labelled images, with those whose labels look wrong left out (`drop`)."),
        (
            {"suspects": "complete(share=0.3)"},
            "on all labelled images, with tags that are not set learnt as far as other models hold them likely"
            " (`complete(share=0.3)`).",
        ),
        ({"final": "folds"}, "Test images are answered by the mean of the folds' models."),
        (
            {"final": "folds", "finetune": {"holdout": True}},
            "Test images are answered by the model that the held-out fold was scored by.",
        ),
    ],
)
def test_what_answers_the_test_images_learnt_from_is_true(seen: Seen, keys: dict[str, Any], expected: str) -> None:
    recipe = load_recipe(None, (), metric="accuracy", backbones=("embedded",), **keys)
    seen.recipe.update(recipe.model_dump(mode="json"))
    told = " ".join(line for _, lines in paragraphs(seen, None) for line in lines)
    assert expected in told
    assert ("fitted on all labelled images." in told) is (keys == {})


def test_what_is_in_quarantine_is_scored(seen: Seen) -> None:
    seen.recipe.update(data={"quarantine": "/srv/q.csv"}, leaks="use", suspects="relabel", pseudo=1.0)
    told = " ".join(dict(paragraphs(seen, None))["From outside and from the test set"])
    assert "No model learnt from the labelled images of a list (quarantine); they are scored" in told
    assert "every image is scored as it is labelled" in told and "forecast are of answers without" in told
    assert "left out" not in told and told.count("`relabel`") == 1


def test_what_the_run_acted_on_is_said_beside_the_finding(seen: Seen, tmp_path: Path) -> None:
    """Copies are together where the run's folds say so, not where it meant to keep them so."""
    bad, twin, test, faint = (seen.ids[0], seen.ids[1], "t0", seen.ids[2])
    fold_N, ids = seen.field.truth.fold_N, seen.field.table.ids.tolist()
    first, *others = [ids[row] for row in np.flatnonzero(fold_N == 0)[3:5]]
    far = ids[np.flatnonzero(fold_N == 1)[3]]
    (seen.folder / "quarantined.csv").write_text(f"id,path\n{bad},{bad}.jpg\n")
    (seen.folder / "leaks.csv").write_text(f"id,answered_by,label\n{test},{twin},cat\n")
    (seen.folder / "suspects.csv").write_text(f"learner,id,label,done,probability\nridge,{twin},cat,drop,0.01\n")
    rows = [
        *(("label", name, "train", 0) for name in (bad, twin, faint)),
        *(("leak", name, "test", 0) for name in (test, "t1", bad)),
        *(("duplicate", name, "train", 1) for name in (first, *others)),
        *(("duplicate", name, "train", 2) for name in (far, *others)),
    ]
    found = tmp_path / "found"
    found.mkdir()
    lines = [f"{kind},{image}.jpg,{image},{split},cat,{cluster},seen" for kind, image, split, cluster in rows]
    (found / "findings.csv").write_text("\n".join(["kind,path,id,split,label,cluster,detail", *lines]) + "\n")
    seen.summary["notes"] = ["1 labelled images are in quarantine (q.csv): none", "suspects=drop: of 160 labels 1"]
    section = findings(seen, found, None)
    assert section is not None and "nothing acted on" not in section.lead
    assert "<li>suspects=drop: of 160" in section.body and "in quarantine (q.csv)" in section.body
    told = _done(read_findings(found), acted(seen))
    assert told[0].startswith("not learnt from") and told[1].endswith("drop") and told[2] == ""
    assert [bool(one) for one in told[3:6]] == [True, False, False]  # a test image of a quarantined name is another
    assert told[6:] == ["in one fold with its copies"] * 2 + [""] * 2
    assert "<td>3</td><td>2</td>" in section.body  # findings of labels, and those acted on


def test_markdown_takes_no_marks_from_names() -> None:
    assert markdown([("A", ["*b* <c>"])]) == "## A\n\n\\*b\\* \\<c\\>\n"


def test_the_write_up_is_there_to_copy(seen: Seen) -> None:
    assert "## The task" in writeup(seen, None).body


def test_curves_of_a_fine_tuning(seen: Seen) -> None:
    assert learning(seen) is None
    network = seen.folder / "tuned" / "tuned-a"
    network.mkdir(parents=True)
    for place in (0, 1, "refit"):
        epochs = [
            {"epoch": e, "train_loss": 1 / (e + 1), "loss": 2 / (e + 1), "metric": 0.5, "lr": 1.0} for e in range(3)
        ]
        (network / f"curves-{place}.json").write_text(json.dumps({"facts": {}, "epochs": epochs}))
    states = ({"bias": np.zeros(2)}, {"bias": np.zeros(2)})
    Fitted("tuned a", states, {}, {"epochs": [2, 3, 3]}).save(seen.folder / "fitted" / "tuned-a")
    section = learning(seen)
    assert section is not None and "training 0.3333, validation 0.6667" in section.body
    assert section.body.count("<circle") == 4  # an epoch a fold, in both charts
    assert "in sample" in section.lead
    seen.recipe["finetune"] = {"steer": "fold"}
    section = learning(seen)
    assert section is not None and "too good" in section.lead


def test_every_stage_of_a_run_has_a_meaning() -> None:
    assert [*MEANING, "total"] == [*STAGES]
