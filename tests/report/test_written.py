"""The page as a whole: hostile names stay text, no path or person is named, the same run gives the same bytes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medalist.errors import RecipeError, StoreError
from medalist.metrics import metrics, tasks_of
from medalist.pipeline.blend import blend
from medalist.report.written import report

NAMES = st.text(st.characters(codec=None), min_size=1, max_size=20).filter(lambda text: text.strip())


def page_of(folder: Path) -> str:
    return (folder / "report" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("tags", [False, True])
def test_hostile_names_stay_text(lab: Any, tmp_path: Path, tags: bool) -> None:
    y = lab.tags(96, len(lab.hostile)) if tags else lab.labels(96, len(lab.hostile))
    ids = [f"{row} {lab.hostile[row % len(lab.hostile)]}" for row in range(96)]
    run = lab.run(
        tmp_path / "<b>run", y, lab.hostile, metric="f1_macro" if tags else "accuracy", ids=ids, notes=lab.hostile
    )
    report(run)
    told = "".join(lab.check(page_of(run)).text)
    assert "<script>alert(1)<" in told and "\\u202egnp.exe" in told and "half\\udc80" in told and "&lt;b&gt;" in told


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(classes=st.lists(NAMES, min_size=3, max_size=3, unique=True), note=NAMES)
def test_any_names_stay_text(lab: Any, tmp_path_factory: pytest.TempPathFactory, classes: list[str], note: str) -> None:
    run = lab.run(tmp_path_factory.mktemp("run"), lab.labels(40, 3), classes, notes=[note], skills=[1.0])
    report(run)
    lab.check(page_of(run))


@pytest.mark.parametrize("metric", list(metrics))
def test_every_metric_has_a_page(lab: Any, tmp_path: Path, metric: str) -> None:
    bound = metrics.bind("fbeta_samples(beta=2)" if metric == "fbeta_samples" else metric)
    made = {
        "binary": (lab.labels(60, 2), ["a", "b"]),
        "multiclass": (lab.labels(60, 4), list("abcd")),
        "tags": (lab.tags(60, 4), list("abcd")),
    }
    for task in tasks_of(bound):
        y, classes = made[task]
        run = lab.run(tmp_path / task, y, classes, metric=bound.text, num_test=6)
        report(run)
        lab.check(page_of(run))


def test_no_path_and_no_person_is_named(lab: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home of" / "alice-example"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USER", "alice-example")
    notes = [
        f"cards in {home / 'my cards'}: none",
        f"see {home}",
        "/Users/alice-example/x.csv",
        f"{tmp_path}/y is gone",
    ]
    run = lab.run(home / "runs" / "mine", lab.labels(60, 2), ["a", "b"], notes=notes)
    (run / "recipe.yaml").write_text(
        f"cards: {home}/cards\nbackbones: [{home}/cards/a.json]\nfolds: {{file: {home}/f.csv}}\n"
    )
    report(run)
    page = page_of(run)
    assert "alice-example" not in page and str(tmp_path) not in page and "home of" not in page


def test_paths_of_the_recipe_are_known_whatever_they_hold(lab: Any, tmp_path: Path) -> None:
    base = "/srv/alice, (b; c)/d"
    recipe = {
        "extra": [f"{base}/more"],
        "folds": {"groups": f"{base}/groups.csv"},
        "data": {"quarantine": f"{base}/bad.csv"},
        "cards": f"{base}/cards",
        "backbones": [f"{base}/a.json"],
    }
    run = lab.run(tmp_path, lab.labels(60, 2), ["a", "b"], notes=[f"cards in {base}/cards: none"])
    (run / "recipe.yaml").write_text(json.dumps(recipe))
    report(run)
    page = page_of(run)
    assert "alice" not in page and "b; c" not in page
    assert all(f"…/{kept}" in page for kept in ("more", "groups.csv", "bad.csv", "cards: none", "a.json"))


def test_each_column_has_a_name(lab: Any, tmp_path: Path) -> None:
    report(lab.run(tmp_path, lab.labels(60, 2), ["a", "b"]))
    heads = re.findall(r'<th scope="col">(.*?)</th>', page_of(tmp_path), flags=re.DOTALL)
    assert heads and all(re.sub(r"<[^>]*>", "", head).strip() for head in heads)


def test_the_same_run_gives_the_same_bytes(
    lab: Any, dataset: tuple[Path, list[str], np.ndarray, list[str]], tmp_path: Path
) -> None:
    root, ids, y, classes = dataset
    run = lab.run(tmp_path / "run", y, classes, ids=ids)
    contents = []
    for name in ("one", "two"):
        report(run, out=tmp_path / name, data=root)
        files = sorted((tmp_path / name).rglob("*.*"))
        contents.append([(file.name, file.read_bytes()) for file in files])
    assert contents[0] == contents[1] and len(contents[0]) > 10
    assert all(b"Alice" not in data for _, data in contents[0])
    lab.check((tmp_path / "one" / "index.html").read_text(encoding="utf-8"))


def test_pictures_of_an_earlier_report_go_and_others_stay(
    lab: Any, dataset: tuple[Path, list[str], np.ndarray, list[str]], tmp_path: Path
) -> None:
    root, ids, y, classes = dataset
    run = lab.run(tmp_path / "run", y, classes, ids=ids)
    report(run, data=root)
    shown = run / "report" / "thumbnails"
    kept = {file.name for file in shown.iterdir()}
    for name in ("mine.jpg", f"{'0' * 20}.jpg", f"{'0' * 20}.png"):
        (shown / name).write_bytes(b"earlier")
    report(run, data=root)
    assert {file.name for file in shown.iterdir()} == kept | {"mine.jpg"}


def test_no_report_loses_what_an_earlier_one_showed(
    lab: Any, dataset: tuple[Path, list[str], np.ndarray, list[str]], tmp_path: Path
) -> None:
    root, ids, y, classes = dataset
    run = lab.run(tmp_path / "run", y, classes, ids=ids)
    found = tmp_path / "found"
    found.mkdir()
    (found / "findings.csv").write_text(f"kind,path,id,split,label,detail\ntiny,{ids[0]},{ids[0]},train,a,small\n")
    report(run)
    report(run, data=root, found=found)  # more is never less
    files = {file: file.read_bytes() for file in (run / "report").rglob("*.*")}
    with pytest.raises(
        StoreError, match=r"pictures of the images and what .* add --data DATA --found FOUND, or choose"
    ):
        report(run)
    with pytest.raises(StoreError, match=r"with what .* add --found FOUND, or"):
        report(run, data=root)
    assert {file: file.read_bytes() for file in (run / "report").rglob("*.*")} == files
    report(run, out=tmp_path / "elsewhere")
    page = run / "report" / "index.html"  # one of before pages said what they show
    page.write_text(re.sub(r'<meta name="medalist-shown"[^>]*>', "", page.read_text(encoding="utf-8")))
    with pytest.raises(StoreError, match="add --data DATA, or choose"):
        report(run, found=found)


def test_charts_of_an_early_report_are_no_pictures_of_images(lab: Any, tmp_path: Path) -> None:
    run = lab.run(tmp_path, lab.labels(60, 2), ["a", "b"])
    report(run)
    page, chart = run / "report" / "index.html", run / "report" / "thumbnails" / f"{'0' * 20}.png"
    page.write_text(re.sub(r'<meta name="medalist-shown"[^>]*>', "", page.read_text(encoding="utf-8")))
    chart.write_bytes(b"chart")
    report(run)
    assert not chart.exists()


def test_the_title_says_dataset_metric_and_score(
    lab: Any, dataset: tuple[Path, list[str], np.ndarray, list[str]], tmp_path: Path
) -> None:
    root, ids, y, classes = dataset
    run = lab.run(tmp_path / "mine", y, classes, ids=ids)
    score = f"{json.loads((run / 'summary.json').read_text())['score']:.4f}"
    report(run)
    assert f"<h1>accuracy {score}</h1>" in page_of(run) and "run <bdi>mine</bdi> · 36 labelled" in page_of(run)
    report(run, data=root)
    page = page_of(run)
    assert f"<h1>{root.name}: accuracy {score}</h1>" in page and f"<title>{root.name}: accuracy {score} –" in page
    assert str(root.parent) not in page


def test_nothing_of_others_is_written_over(lab: Any, tmp_path: Path) -> None:
    run = lab.run(tmp_path / "run", lab.labels(60, 2), ["a", "b"])
    with pytest.raises(RecipeError, match="inside the dataset"):
        report(run, out=tmp_path / "data" / "report", data=tmp_path / "data")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<p>mine</p>")
    with pytest.raises(StoreError, match="not written by `medalist report`"):
        report(run, out=tmp_path / "site")
    with pytest.raises(StoreError, match="no finished run"):
        report(tmp_path / "site", out=tmp_path / "elsewhere")


def test_a_blend_shows_the_runs_that_it_is_of(lab: Any, tmp_path: Path) -> None:
    runs = [
        lab.run(tmp_path / name, lab.labels(80, 3), ["a", "b", "c"], skills=[skill])
        for name, skill in (("x", 1.0), ("y", 1.2))
    ]
    blend(runs, tmp_path / "both")
    report(tmp_path / "both")
    told = "".join(lab.check(page_of(tmp_path / "both")).text)
    assert "x/member 0" in told and "correlation of errors" in told
    assert "errs most like" in told and "mean share of answers unlike theirs" not in told


@pytest.mark.parametrize("num_classes", [100, 1000])
def test_many_classes_are_one_page_of_few_megabytes(lab: Any, tmp_path: Path, num_classes: int) -> None:
    run = lab.run(
        tmp_path, lab.labels(4 * num_classes, num_classes), [f"class {c}" for c in range(num_classes)], skills=[3.0]
    )
    report(run)
    size = len(page_of(run).encode())
    assert size < (1.5e6 if num_classes == 100 else 5e6)


def test_what_is_in_sample_says_so(lab: Any, tmp_path: Path) -> None:
    run = lab.run(tmp_path, lab.labels(80, 2), ["a", "b"], num_test=20)
    report(run)
    page = page_of(run)
    assert "in sample: not a score" in page and "out of fold" in page and "expected on the test set" in page


def test_the_command_writes_where_it_is_told(lab: Any, tmp_path: Path) -> None:
    run = lab.run(tmp_path / "run", lab.labels(60, 2), ["a", "b"])
    words = [sys.executable, "-m", "medalist.cli", "report", str(run), "--out", str(tmp_path / "page")]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert f"{tmp_path / 'page' / 'index.html'}: " in done.stdout
    lab.check((tmp_path / "page" / "index.html").read_text(encoding="utf-8"))


def test_no_torch_is_loaded(lab: Any, tmp_path: Path) -> None:
    run = lab.run(tmp_path, lab.labels(80, 2), ["a", "b"])
    code = (
        "import sys; from pathlib import Path; from medalist.report.written import report;"
        "report(Path(sys.argv[1])); assert not {'torch', 'timm', 'matplotlib'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code, str(run)], check=True)
