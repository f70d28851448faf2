"""Rules against what was used: each breach is told with its rule, and what nobody knows is told as a note."""

from __future__ import annotations

from pathlib import Path

import pytest

from medalist.errors import RecipeError
from medalist.pipeline.checks import check
from medalist.pipeline.ruling.breaches import breaches, check_rules, is_allowed, unknowns
from medalist.pipeline.ruling.used import Images, Used, Weights
from medalist.recipe import RulesSection, load_recipe

OLD = Weights("old", "Apache-2.0 (LICENSE file)", "2020-05-01", "", "")
NEW = Weights("new", "CC-BY-NC-4.0", "2026-01-31", "", "")
BARE = Weights("bare", "", "", "", "")
WEB = Images("web", "", 7, ())
USED = Used((OLD, NEW, BARE), (WEB, Images("commons", "CC BY 4.0", 3, ("Ann",))), True, True, (0,), ("script",))


def rules(**keys: object) -> RulesSection:
    return RulesSection.model_validate(keys)


@pytest.mark.parametrize(
    ("ruled", "told"),
    [
        ({}, []),
        ({"external_data": True, "pseudo_labels": True, "leaks": True, "licences": ["any"]}, []),
        ({"external_data": False}, ["external_data: false, but 10 images"]),
        ({"pseudo_labels": False, "leaks": False}, ["pseudo_labels: false", "leaks: false"]),
        ({"weights_before": "2026-02-01"}, []),
        ({"weights_before": "2026-01-31"}, ["weights_before: 2026-01-31, but new came out on 2026-01-31"]),
        (
            {"licences": ["permissive"]},
            ["but new has 'CC-BY-NC-4.0'", "but bare states no licence", "but 7 images of web states no licence"],
        ),
        ({"licences": ["apache-2.0", "cc-by-nc-4.0"]}, ["but bare", "but 7 images", "but 3 images of commons has"]),
    ],
)
def test_each_breach_names_its_rule(ruled: dict[str, object], told: list[str]) -> None:
    found = breaches(rules(**ruled), USED)
    assert len(found) == len(told)
    for line, part in zip(found, told, strict=True):
        assert line.startswith("rules.") and part in line
    assert breaches(rules(external_data=False, pseudo_labels=False, leaks=False), Used((OLD,))) == []


def test_what_nobody_knows_is_a_note() -> None:
    assert unknowns(RulesSection(), USED) == []
    undated, script = unknowns(rules(weights_before="2026-02-01"), USED)
    assert "when bare came out" in undated and "script" in script


@pytest.mark.parametrize(
    ("licence", "allowed", "is_so"),
    [
        ("Apache-2.0 (LICENSE file of x, y)", "apache-2.0", True),
        ("apache 2.0", "Apache-2.0", True),
        ("MIT License", "mit", True),
        ("CC BY 4.0", "cc-by-4.0", True),
        ("CC BY-SA 4.0", "cc-by-4.0", False),
        ("cc-by-nc-4.0", "cc-by-4.0", False),
        ("cc-by-4.0 and cc-by-nc-4.0", "cc-by-4.0", False),
        ("CC BY 2.0", "permissive", True),
        ("CC BY-NC 2.0", "permissive", False),
        ("MIT, non-commercial", "permissive", False),
        ("", "permissive", False),
        ("", "any", True),
        ("()", "mit", False),
        ("dinov3-license", "dinov3-license", True),
    ],
)
def test_licences_are_matched_as_a_whole(licence: str, allowed: str, is_so: bool) -> None:
    assert is_allowed(licence, (allowed,)) is is_so


def test_a_run_is_refused_with_all_other_faults(tmp_path: Path) -> None:

    root = tmp_path / "data"
    root.mkdir()
    recipe = load_recipe(
        metric="accuracy", backbones=["embedded"], overrides=["rules.licences=[mit]", "heads=[nothing]"]
    )
    with pytest.raises(RecipeError, match=r"(?s)heads: .*rules.licences: mit, but embedded has 'Apache-2.0'"):
        check(recipe, root, root.parent / "out")
    with pytest.raises(RecipeError, match="would break the rules"):
        check_rules(recipe)
    check_rules(load_recipe(metric="accuracy", backbones=["embedded"], overrides=["rules.licences=permissive"]))
    # A backbone that cannot be opened is a fault of its own, told once.
    gone = load_recipe(metric="accuracy", backbones=["gone.json"], overrides=["rules.licences=[mit]"])
    check_rules(gone)


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("rules.weights_before=2026", "rules.weights_before: expected a day, such as 2026-01-31 (got 2026)"),
        (
            "rules.weights_before=2026-13-01",
            "rules.weights_before: got '2026-13-01', expected a day, such as 2026-01-31",
        ),
        ("rules.weights_before=soon", "rules.weights_before: got 'soon', expected a day, such as 2026-01-31"),
        ("rules.licences=['']", "rules.licences: holds a blank name"),
        ("rules.submissions_a_day=0", "rules.submissions_a_day: got 0, expected at least 1"),
        ("rules.external=true", "rules.external: no such key; did you mean 'external_data'?"),
    ],
)
def test_wrong_rules_are_told(override: str, line: str) -> None:
    with pytest.raises(RecipeError) as raised:
        load_recipe(None, ["metric=accuracy", override])
    assert line in str(raised.value)


def test_rules_survive_yaml(tmp_path: Path) -> None:

    recipe = load_recipe(None, ["metric=accuracy", "rules={weights_before: 2026-01-31, licences: mit, leaks: false}"])
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe.to_yaml(), encoding="utf-8")
    assert load_recipe(file) == recipe and recipe.rules.licences == ("mit",)
