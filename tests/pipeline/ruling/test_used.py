"""What a run uses: weights once each with their origin, images of an expansion by source and licence."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from medalist.backbones import embedded_card
from medalist.errors import DataError
from medalist.pipeline.ruling.breaches import rule_faults
from medalist.pipeline.ruling.used import Images, Used, images_of, together, used_by
from medalist.recipe import load_recipe

COLUMNS = "id,path,label,weight,source,url,page,licence,licence_url,author,query,hash"


def write_extra(folder: Path, *rows: tuple[str, str, str]) -> Path:
    """An expansion's list of (source, licence, author)."""
    folder.mkdir(exist_ok=True)
    lines = [f"h{i},images/h{i}.jpg,cat,1,{s},,,{licence},,{a},,h{i}" for i, (s, licence, a) in enumerate(rows)]
    (folder / "extra.csv").write_text("\n".join([COLUMNS, *lines]) + "\n", encoding="utf-8")
    return folder


def test_weights_come_once_and_drawn_ones_are_none() -> None:
    names = ["embedded", "embedded(pretrained=false)"]
    used = used_by(load_recipe(metric="accuracy", backbones=names, overrides=["size=[96, 128]", "folds.seed=3"]))
    (weights,) = used.weights
    card = json.loads(embedded_card().read_text(encoding="utf-8"))
    assert (weights.name, weights.licence, weights.published) == ("embedded", "Apache-2.0", "2026-11-21")
    assert (weights.origin, weights.sha256) == (card["origin"], card["sha256"])
    assert used.seeds == (0, 3) and not used.images and not used.pseudo_labels


def test_images_are_counted_by_source_and_licence(tmp_path: Path) -> None:
    rows = [("commons", "CC0", "Zoe"), ("commons", "CC0", "Ann"), ("commons", "CC0", "Ann"), ("web", "", "'=1+1")]
    folders = [write_extra(tmp_path / "one", *rows), write_extra(tmp_path / "two", *rows[:1])]
    assert images_of(folders) == (Images("commons", "CC0", 4, ("Ann", "Zoe")), Images("web", "", 1, ("=1+1",)))
    assert images_of([]) == ()


def test_what_a_list_lacks_is_not_known_and_what_is_no_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no list of an expansion"):
        images_of([tmp_path])
    (tmp_path / "extra.csv").write_text("id,path\n1,2\n3\n", encoding="utf-8")
    assert images_of([tmp_path]) == (Images("", "", 2, ()),)


def test_a_recipe_says_what_is_taken_from_outside(tmp_path: Path) -> None:
    write_extra(tmp_path / "more", ("web", "CC0", "Ann"))
    rules = "rules={external_data: false, pseudo_labels: false, leaks: false}"
    overrides = [f"extra={tmp_path / 'more'}", "pseudo=0.5", "leaks=use", rules]
    recipe = load_recipe(metric="accuracy", backbones=["embedded"], overrides=overrides)
    used = used_by(recipe)
    assert used.images == (Images("web", "CC0", 1, ("Ann",)),) and used.pseudo_labels and used.leaks
    images, pseudo, leaks = rule_faults(recipe)
    assert "external_data: false, but 1 images" in images and "pseudo_labels: false" in pseudo
    assert "leaks: false" in leaks
    assert not used_by(load_recipe(metric="accuracy", backbones=["embedded"])).leaks


def test_members_are_put_together_and_survive_json() -> None:
    one = Used(images=(Images("web", "CC0", 2, ("a",)),), pseudo_labels=True, seeds=(0, 1))
    both = together([one, Used(leaks=True, seeds=(1, 2), unknown=("net",)), one])
    assert both == Used((), one.images, True, True, (0, 1, 2), ("net",))
    assert Used.from_json(json.loads(json.dumps(asdict(both)))) == both
