"""Arms: ordinary runs below the experiment's folder, run once, compared row by row."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from medalist.data.drawn import draw_competition
from medalist.errors import MismatchError
from medalist.experiments.arms import ARMS, LONGEST, Arm, Done, against, carry_out, folder_name, require_paired
from medalist.ledger import require_finished
from medalist.pipeline.decide import Truth
from medalist.recipe import load_recipe

NUM_ROWS = 200


def done(name: str, answers_N: np.ndarray, truth_N: np.ndarray, metric: str = "accuracy") -> Done:
    """An arm as if it had run; each row is a group of its own."""
    rows = np.arange(len(truth_N))
    truth = Truth(truth_N, ("a", "b"), rows, rows % 5)
    summary: Any = None
    return Done(Arm(name, load_recipe(metric=metric)), Path(name), tuple(map(str, rows)), summary, truth, answers_N)


def test_a_gain_is_the_share_of_rows_won_less_those_lost() -> None:
    truth_N = np.arange(NUM_ROWS) % 2
    base_N, arm_N = truth_N.copy(), truth_N.copy()
    base_N[:40] = 1 - base_N[:40]  # the arm wins these
    arm_N[40:50] = 1 - arm_N[40:50]  # and loses these
    found = against(done("base", base_N, truth_N), [done("arm", arm_N, truth_N)])["arm"]
    assert found.difference == pytest.approx(30 / NUM_ROWS)
    # By hand: row differences are +1 (40), -1 (10), 0 (150); the error of their mean.
    by_hand = math.sqrt((50 / NUM_ROWS - (30 / NUM_ROWS) ** 2) / NUM_ROWS)
    assert found.stderr == pytest.approx(by_hand, rel=0.06)
    assert found.verdict == "better"
    back = against(done("arm", arm_N, truth_N), [done("base", base_N, truth_N)])["base"]
    assert back.difference == -found.difference and back.verdict == "worse"


def test_many_arms_need_more_than_one_does() -> None:
    truth_N = np.zeros(NUM_ROWS, int)
    base_N = truth_N.copy()
    base_N[:5] = 1
    arm_N = truth_N.copy()  # five rows won, none lost: p about 0.02
    alone = against(done("base", base_N, truth_N), [done("arm", arm_N, truth_N)])
    same = [done(f"same{i}", base_N, truth_N) for i in range(9)]
    among = against(done("base", base_N, truth_N), [done("arm", arm_N, truth_N), *same])
    assert alone["arm"].p <= 0.05 < among["arm"].p == pytest.approx(10 * alone["arm"].p, rel=0.3)
    assert alone["arm"].verdict == "better" and among["arm"].verdict == "not distinguishable"
    assert among["same0"].verdict == "equal"


def test_arms_of_other_rows_or_metrics_are_refused() -> None:
    truth_N = np.zeros(10, int)
    for other in (done("b", truth_N[:9], truth_N[:9]), done("b", truth_N, truth_N, metric="f1_macro")):
        with pytest.raises(MismatchError, match="'b' and 'a' are scored on other rows or metrics"):
            against(done("a", truth_N, truth_N), [other])


def test_as_many_rows_are_not_the_same_rows() -> None:
    truth_N = np.arange(10) % 2
    first = done("a", truth_N, truth_N)
    others = [
        replace(first, ids=first.ids[::-1]),
        replace(first, truth=replace(first.truth, group_N=np.zeros(10, int))),
        replace(first, truth=replace(first.truth, labels=1 - truth_N)),
        replace(first, truth=replace(first.truth, labels=csr_array(np.eye(10, 2, dtype=bool)))),
    ]
    for other in others:
        with pytest.raises(MismatchError, match="scored on other rows or metrics; --overwrite"):
            require_paired(first, other)
    folds = replace(first.truth, fold_N=1 - truth_N)  # another seed draws others
    require_paired(first, replace(first, truth=folds))
    tags = replace(first, truth=replace(first.truth, labels=csr_array(np.eye(10, 2, dtype=bool))))
    require_paired(tags, replace(tags, truth=replace(tags.truth, labels=tags.truth.labels.copy())))
    with pytest.raises(MismatchError):
        require_paired(tags, replace(tags, truth=replace(tags.truth, labels=csr_array(np.ones((10, 2), bool)))))


def test_a_long_name_becomes_a_folder_of_its_own() -> None:
    first, second = (folder_name("x" * 300 + end) for end in "ab")
    assert first != second and len(first) == len(second) == LONGEST
    assert folder_name("normalise = l2") == "normalise-l2"


def test_an_arm_is_a_run_that_is_done_once(tmp_path: Path) -> None:
    root = tmp_path / "data"
    draw_competition(root, seed=1, num_train=60, num_test=6)
    recipe = load_recipe(None, ["size=32", "views=[center]", "taps=[pooled]", "heads=[ridge]"], metric="accuracy")
    arm = Arm("only one", recipe.model_copy(update={"backbones": ("embedded",)}))
    first, again = (carry_out(arm, root, tmp_path / "out", cache=tmp_path / "cache") for _ in range(2))
    assert first.folder == tmp_path / "out" / ARMS / "only-one"
    require_finished(first.folder)
    assert again.summary.notes[-1].startswith("nothing was computed")
    assert np.array_equal(first.answers_N, again.answers_N) and len(first.truth.labels) == len(first.answers_N)
