"""Run folders made of drawn probabilities, and a dataset whose names are hostile; no network is loaded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.sparse import csr_array

from medalist import ledger
from medalist.data.splits import Folds
from medalist.data.table import TRAIN, ImageTable
from medalist.pipeline.chain import Chain
from medalist.pipeline.decide import Truth
from medalist.pipeline.folds import Field
from medalist.pipeline.learners import slug
from medalist.pipeline.outcome import conclude
from medalist.predictions import Predictions
from medalist.report.style import script

HOSTILE = (
    "<script>alert(1)<",
    '"><img src=x onerror=alert(2)>',
    "a'b & c",
    "\u202egnp.exe",
    "line\nend",
    "half\udc80",
    "=1+1",
    "&lt;b&gt;",
)
VOID = {"meta", "img", "input"}
OURS = """html head meta title style body a div header p h1 nav ul li main section h2 h3 table caption thead tbody tr th
td small strong svg g path line circle rect text desc figure figcaption span details summary pre code bdi input label
img b footer script"""
ELEMENTS = set(OURS.split())


def make_run(
    out: Path,
    y: np.ndarray,
    classes: Sequence[str],
    *,
    metric: str = "accuracy",
    ids: Sequence[str] | None = None,
    num_test: int = 0,
    notes: Sequence[str] = (),
    skills: Sequence[float] = (1.5, 1.0),
    decide: str | None = None,
) -> Path:
    """The folder of a run whose members know the truth the better the more skill.

    Args:
        out: folder to write.
        y: class indices (N,), or tags (N, C) as booleans.
        classes: C names.
        metric: that it answers for.
        ids: of the rows.
        num_test: test rows.
        notes: sentences of the summary.
        skills: of the members.
        decide: decision rule.
    """
    names = tuple(ids or (f"{row:04d}" for row in range(len(y))))
    folds = Folds((np.arange(len(y)) % 4).astype(np.int8), names, 4, 0)
    labels: Any = csr_array(y) if y.ndim == 2 else y.astype(np.int32)
    table = ImageTable(
        root=out,
        ids=np.array(names, dtype=object),
        paths=np.full(len(y), "", dtype=object),
        split=np.full(len(y), TRAIN, np.uint8),
        classes=tuple(classes),
        class_names=tuple(classes),
        labels=labels,
    )
    test_ids = tuple(f"t{row}" for row in range(num_test))
    truth = Truth(labels, table.classes, np.arange(len(y)), folds.fold_N)
    runs = [_member(f"member {k}", table, folds, y, test_ids, skill, k) for k, skill in enumerate(skills)]
    with ledger.writing(out, {"made": "for tests"}):
        facts = {"kind": "run", "ensemble": "blend"}
        chain = Chain(metric, "blend", decide, table.classes)
        decision, summary = conclude(Field(table, truth, folds, test_ids), runs, chain, out, facts=facts, notes=notes)
        for run in runs:
            run.save(out / "predictions" / slug(run.name))
        decision.blend.save(out / "predictions" / "blend")
        ledger.finish(out, summary)
    return out


def _member(
    name: str, table: ImageTable, folds: Folds, y: np.ndarray, test_ids: tuple[str, ...], skill: float, seed: int
) -> Predictions:
    rng = np.random.default_rng(seed)
    shape = (len(y), len(table.classes))
    if y.ndim == 2:
        prob_NC = 1 / (1 + np.exp(-skill * (2.0 * y - 1) - rng.normal(size=shape)))
    else:
        power = np.exp(skill * np.eye(shape[1])[y] + rng.normal(size=shape))
        prob_NC = power / power.sum(axis=1, keepdims=True)
    prob_NC = prob_NC.astype(np.float32)
    test_KMC = prob_NC[: len(test_ids)][None]
    return Predictions(name, folds.ids, test_ids, prob_NC, test_KMC, prob_NC, "prob", table.class_hash, folds.hash)


def labels(num_rows: int, num_classes: int, seed: int = 0) -> np.ndarray:
    """Each class now and then."""
    return np.random.default_rng(seed).permutation(np.arange(num_rows) % num_classes)


def tag_labels(num_rows: int, num_tags: int, seed: int = 0) -> np.ndarray:
    """Each row has one tag, and each other one with a quarter's chance."""
    rng = np.random.default_rng(seed)
    return np.eye(num_tags, dtype=bool)[labels(num_rows, num_tags)] | (rng.random((num_rows, num_tags)) < 0.25)


@pytest.fixture(scope="session")
def lab() -> SimpleNamespace:
    """What tests make: `run`, `labels`, `tags`, `elements` of a page, `check` of one, `hostile` names."""
    return SimpleNamespace(
        run=make_run,
        labels=labels,
        tags=tag_labels,
        elements=Elements,
        check=check,
        check_part=check_part,
        hostile=HOSTILE,
    )


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], np.ndarray, list[str]]:
    """Class folders with hostile names: root, ids, labels, classes. Each image says in its EXIF who took it."""
    root = tmp_path_factory.mktemp("hostile") / "data"
    classes = ["<script>alert(1)<", '"><img src=x onerror=alert(2)>', "plain"]
    exif = Image.Exif()
    exif[0x013B] = "Alice Example"  # the artist
    rng = np.random.default_rng(3)
    ids, y = [], []
    for c, label in enumerate(classes):
        (root / "train" / label).mkdir(parents=True)
        for number in range(12):
            name = f"train/{label}/{number} <b>&'.jpg"
            noise = rng.integers(0, 80, (40, 60, 3)) + np.array([c * 80, 60, 40])
            Image.fromarray(noise.astype(np.uint8)).save(root / name, exif=exif)
            ids.append(name)
            y.append(c)
    return root, ids, np.array(y), classes


class Elements(HTMLParser):
    """Which elements a page has, whether they are nested well, and the text of it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def names(self) -> set[str]:
        return {tag for tag, _ in self.found}


def check(page: str) -> Elements:
    """Well nested, no element and no handler that is not ours, nothing loaded from elsewhere."""
    found = Elements(page)
    assert found.open == [] and found.names() <= ELEMENTS
    for element, attributes in found.found:
        assert not any(key.startswith("on") for key in attributes), (element, attributes)
        source = attributes.get("src") or attributes.get("href") or ""
        assert source.startswith(("#", "thumbnails/")) or not source
    assert [tag for tag, _ in found.found].count("script") == 1 and script() in page
    assert not re.search(r"https?://|url\(|@import", page)
    return found


def check_part(body: str) -> None:
    """A piece of a page: well nested, of our elements alone."""
    found = Elements(body)
    assert found.open == [] and found.names() <= ELEMENTS
