"""`medalist backbones NAME --layers`: what is printed, and for which names."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from medalist.cli import app
from medalist.errors import BackboneError, RecipeError
from medalist.pipeline.layers import layer_listing, trains_of


def test_each_layer_with_its_parameters_and_the_phases_that_train_it() -> None:
    lines = layer_listing("resnet50", ["head", "from: layer4", "all"]).splitlines()

    assert lines[0] == "resnet50: 17 layers, 23,508,032 parameters, without the head"
    assert lines[1] == "phase 1 trains 'head': the head and 0 of 17 layers, 0 parameters"
    assert lines[2].startswith("phase 2 trains 'from: layer4': the head and 3 of 17 layers")
    assert lines[4].split() == ["0", "stem", "9,536", ".", ".", "3"]
    assert lines[-1].split() == ["16", "layer4.2", "4,462,592", ".", "2", "3"]


def test_an_architecture_without_weights_and_the_embedded_backbone_are_listed() -> None:
    assert layer_listing("resnext101_32x8d").startswith("resnext101_32x8d: 34 layers")
    assert layer_listing("embedded").startswith("embedded: 5 layers")


def test_an_unknown_name_is_told_with_the_near_one() -> None:
    with pytest.raises(BackboneError, match=r"'resnt50'; did you mean 'resnet50'\?"):
        layer_listing("resnt50")


def test_a_phase_without_a_layer_is_told() -> None:
    with pytest.raises(RecipeError, match="no layer 'layer5'"):
        layer_listing("embedded", ["from: layer5"])


def test_phases_are_read_off_a_recipe_that_has_them() -> None:
    phases = (SimpleNamespace(train="head"), SimpleNamespace(train="last 30 %"))

    assert trains_of(SimpleNamespace(finetune=SimpleNamespace(phases=phases))) == ("head", "last 30 %")  # type: ignore[arg-type]
    assert trains_of(SimpleNamespace(finetune=None)) == ()  # type: ignore[arg-type]


def test_the_command_lists_and_tells_what_it_expects() -> None:
    listed = CliRunner().invoke(app, ["backbones", "embedded", "--layers"])
    assert listed.exit_code == 0 and "layer4" in listed.stdout

    wrong = CliRunner().invoke(app, ["backbones", "--layers"])
    assert wrong.exit_code == 2 and "NAME --layers [RECIPE]" in wrong.output
