"""An experiment's folder: another question is refused, the same one goes on, and nobody's files are overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from medalist.errors import StoreError
from medalist.experiments.folder import answered, asking, finish


def test_the_same_question_is_answered_once(tmp_path: Path) -> None:
    key = {"names": ("a", "b"), "seed": 0}
    assert answered(tmp_path, key) is None
    with asking(tmp_path, key):
        assert answered(tmp_path, key) is None
        finish(tmp_path, {"rows": [1, 2]}, "a table")
    assert answered(tmp_path, key) == {"rows": [1, 2]}
    assert (tmp_path / "table.txt").read_text(encoding="utf-8") == "a table\n"


def test_another_question_is_refused_by_what_differs_until_it_is_overwritten(tmp_path: Path) -> None:
    with asking(tmp_path, {"seed": 0, "metric": "accuracy"}):
        (tmp_path / "arms" / "a").mkdir(parents=True)
        (tmp_path / "gain.png").write_bytes(b"drawn")
        (tmp_path / "mine.png").write_bytes(b"the user's own")
        finish(tmp_path, {"charts": ["gain.png"]}, "")
    other = {"seed": 1, "metric": "accuracy"}
    for attempt in (lambda: answered(tmp_path, other), lambda: asking(tmp_path, other).__enter__()):
        with pytest.raises(StoreError, match=r"different: seed\).*--overwrite"):
            attempt()
    with asking(tmp_path, other, overwrite=True):
        assert sorted(file.name for file in tmp_path.iterdir()) == [".lock", "mine.png", "question.json"]
    assert answered(tmp_path, other) is None


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({"question": "rank", "license": "any"}, "`rank` by accuracy with a, b"),
        ({"question": "search", "space": ["taps=[x, y]"]}, "`search` by accuracy over taps=[x, y] with a, b"),
        (
            {"verb": "ablate", "arms": {"baseline": "", "normalise=l2": ""}},
            "`ablate --vary` by accuracy of normalise=l2",
        ),
        ({"question": "augment", "factors": ["flip", "hue"]}, "`ablate --augment` by accuracy over flip | hue"),
        ({"kind": "budget"}, "`run --budget` by accuracy"),
    ],
)
def test_the_question_that_a_folder_holds_is_told_in_words(tmp_path: Path, key: dict[str, object], said: str) -> None:
    with asking(tmp_path, {**key, "recipe": {"metric": "accuracy", "backbones": ["a", "b"]}}):
        pass
    with pytest.raises(StoreError) as raised:
        answered(tmp_path, {"question": "another"})
    assert f"): {said}" in str(raised.value)


@pytest.mark.parametrize("name", ["table.txt", "recipe.yaml", "heads.png", "run.json"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_files_that_no_experiment_wrote_are_left_alone(tmp_path: Path, name: str, overwrite: bool) -> None:
    (tmp_path / name).write_text("mine", encoding="utf-8")
    told = rf"holds {name} that no experiment wrote; choose another --out, empty or new"
    with pytest.raises(StoreError, match=told), asking(tmp_path, {}, overwrite=overwrite):
        pass
    assert sorted(file.name for file in tmp_path.iterdir()) == [".lock", name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


def test_many_strange_files_are_counted(tmp_path: Path) -> None:
    for name in "abcde":
        (tmp_path / name).touch()
    with pytest.raises(StoreError, match="holds a, b, c and 2 more that no experiment wrote"), asking(tmp_path, {}):
        pass


def test_what_another_verb_wrote_goes_with_its_question(tmp_path: Path) -> None:
    """Runtimes settled for one question's backbone must not be read for the next one's."""
    with asking(tmp_path, {"seed": 0}):
        for name in ("recipe.yaml", "best.yaml", "optuna.journal", "runtimes.json"):
            (tmp_path / name).touch()
        (tmp_path / "views").mkdir()
        (tmp_path / "arms" / "a").mkdir(parents=True)
        (tmp_path / "incumbent").symlink_to("arms/a")
        (tmp_path / "summary.json").symlink_to("incumbent/summary.json")
        (tmp_path / "networks").symlink_to("incumbent/networks")
    with asking(tmp_path, {"seed": 1}, overwrite=True):
        assert sorted(file.name for file in tmp_path.iterdir()) == [".lock", "question.json"]


def test_only_one_process_writes(tmp_path: Path) -> None:
    with (
        asking(tmp_path, {}),
        pytest.raises(StoreError, match="another medalist is writing"),
        asking(tmp_path, {}),
    ):
        pass
