"""Candidates: what is opened, what is refused, all at once, and how fast each is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medalist.backbones import embedded_card
from medalist.data.drawn import draw_competition
from medalist.errors import BackboneError, RecipeError
from medalist.experiments.ranking.candidates import at_hand, open_candidates, pace
from medalist.pipeline.way import read
from medalist.recipe import Recipe, load_recipe

UNTRAINED = "embedded(pretrained=false)"


def asking(*names: str, **keys: object) -> Recipe:
    return load_recipe(metric="accuracy", backbones=names, **keys)


def test_facts_come_from_the_cards() -> None:
    (first, second), notes = open_candidates(asking("embedded", UNTRAINED), "any")
    assert (first.name, second.name) == ("embedded", UNTRAINED)
    assert first.mparams == second.mparams == first.eyes[0].num_params / 1e6
    assert first.weights_hash != second.weights_hash and first.top1 is second.top1 is None and notes == []


def test_each_size_is_an_eye_of_one_candidate() -> None:
    (first, _), _ = open_candidates(asking("embedded", UNTRAINED, size=[32, 64]), "any")
    assert [eye.preprocessing["height"] for eye in first.eyes] == [32, 64]


def test_all_that_cannot_be_opened_is_told_at_once() -> None:
    with pytest.raises(BackboneError, match=r"(?s)these cannot be ranked:.*'embeded'.*'embedded2'"):
        open_candidates(asking("embeded", "embedded", "embedded2(pretrained=false)"), "any")


def test_a_ranking_needs_two_different_backbones(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="got embedded; a ranking needs 2 backbones or more: --backbones a,b"):
        open_candidates(asking("embedded"), "any")
    for file in embedded_card().parent.glob("*.*"):
        shutil.copy(file, tmp_path)
    twin = str(tmp_path / embedded_card().name)
    with pytest.raises(RecipeError, match="are the same weights; leave one of them out"):
        open_candidates(asking("embedded", twin), "any")


def test_by_default_all_cards_and_the_embedded_one(tmp_path: Path) -> None:
    for suffix in (".json", ".safetensors"):
        shutil.copy(embedded_card().with_suffix(suffix), tmp_path / f"mine{suffix}")
    assert at_hand(str(tmp_path)) == ("mine", "embedded")


def test_a_licence_leaves_out_and_says_so(tmp_path: Path) -> None:
    card = embedded_card()
    shutil.copy(card.with_suffix(".safetensors"), tmp_path)
    text = card.read_text(encoding="utf-8")
    import json

    facts = {**json.loads(text), "licence": "CC-BY-NC-4.0", "name": "closed"}
    (tmp_path / "closed.json").write_text(json.dumps(facts), encoding="utf-8")
    recipe = asking("closed", UNTRAINED, "test_resnet(pretrained=false)", cards=str(tmp_path))
    kept, notes = open_candidates(recipe, "permissive")
    assert [one.name for one in kept] == [UNTRAINED, "test_resnet(pretrained=false)"]
    assert notes == ["closed: left out, its licence is CC-BY-NC-4.0"]
    assert len(open_candidates(recipe, "any")[0]) == 3


def test_a_pace_is_of_the_runtime_that_the_run_would_take(tmp_path: Path) -> None:
    root = tmp_path / "data"
    draw_competition(root, seed=1, num_train=24, num_test=2)
    recipe = asking("embedded", UNTRAINED, size=[32, 64], runtime="torch_f32")
    (first, _), _ = open_candidates(recipe, "any")
    found = pace(first, recipe, root, list(read(recipe, root).paths), cache=tmp_path / "cache")
    assert found.images_s > 0 and found.runtimes == ("torch_f32", "torch_f32")
