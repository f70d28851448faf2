"""Views of images as features, and a head that learns from them alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from medalist.data.decode import Preprocessing
from medalist.data.pixels import read_place
from medalist.data.views import Draw, Policy
from medalist.experiments.augmenting.copies import BLOCK, Copies, Showing, show
from medalist.experiments.augmenting.sampled import sample_of
from medalist.progress import ignore
from medalist.recipe import load_recipe
from medalist.training import heads
from medalist.training.crossval import crossval

NUM_IMAGES = BLOCK + 8


@pytest.fixture(scope="module")
def copies(flags: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Copies:
    """Of 72 flags in 32 pixels: more than a block."""
    folder = tmp_path_factory.mktemp("copies")
    data = flags(folder / "data", seed=3, num_images=NUM_IMAGES)
    recipe = load_recipe(None, ["size=32", "heads=ridge"], metric="accuracy", backbones=("embedded",))
    (folder / "out").mkdir()
    return sample_of(recipe, data, folder / "out", images=1000, num_views=2, cache=folder / "cache", sink=ignore)


def test_features_are_those_of_the_shown_pixels_one_by_one(copies: Copies) -> None:
    flipped_ND, turned_ND = copies.features([Showing("flip(p=1)", 0), Showing("rotation(limit=40)", 5)])
    target = Preprocessing.from_dict(copies.backbone.preprocessing)
    for row in (0, BLOCK, NUM_IMAGES - 1):
        image_HWC = read_place(copies.pixels.places[row], copies.pixels.side)
        for x_ND, text, epoch in ((flipped_ND, "flip(p=1)", 0), (turned_ND, "rotation(limit=40)", 5)):
            pixels_HWC = Policy.parse(text)(image_HWC, Draw(copies.seed, epoch, copies.ids[row]), target)
            assert (copies._forward(pixels_HWC[None])[0] == x_ND[row]).all()


def test_no_policy_shows_the_image_as_it_is(copies: Copies) -> None:
    place = copies.pixels.places[0]
    (seen_HWC,) = show(
        (place, "x"), showings=[("", 9)], target=copies.backbone.preprocessing, side=copies.pixels.side, seed=0
    )
    (mirrored_HWC,) = show(
        (place, "x"), showings=[("flip(p=1)", 9)], target=copies.backbone.preprocessing, side=copies.pixels.side, seed=0
    )
    assert (seen_HWC[:, ::-1] == mirrored_HWC).all()


def test_an_epoch_draws_its_own(copies: Copies) -> None:
    first_ND, second_ND = copies.features([Showing("rotation(limit=40)", 0), Showing("rotation(limit=40)", 1)])
    assert (first_ND != second_ND).any()


def test_what_is_on_disk_is_not_made_again(copies: Copies) -> None:
    showings = [Showing("gamma(p=1)", 2)]
    (first_ND,) = copies.features(showings)
    files = sorted((copies.folder / copies._key(showings)).glob("*.npy"))
    assert len(files) == 2
    kept = files[0].stat().st_mtime_ns
    files[1].unlink()
    (again_ND,) = copies.features(showings)
    assert (first_ND == again_ND).all()
    assert files[0].stat().st_mtime_ns == kept


def test_views_that_change_nothing_give_the_same_answers_to_the_bit(copies: Copies) -> None:
    none = copies.learn([copies.plain] * 2)
    same = copies.learn(list(copies.features([Showing("rotation(limit=0)", 0), Showing("gamma(p=0)", 1)])))
    assert (none.plain_N == same.plain_N).all()
    assert (none.viewed_N == none.plain_N).all()


def test_one_copy_of_each_image_is_ordinary_cross_validation(copies: Copies) -> None:
    truth = copies.truth
    _, found = crossval(
        heads.heads.bind("ridge"), copies.plain, truth.labels, truth.fold_N, copies.plain[:0], num_classes=4
    )
    learnt = copies.learn([copies.plain])
    assert (learnt.plain_N == found.oof_NC.argmax(axis=1)).mean() >= 0.95  # the same but for rounding


def test_a_row_is_answered_without_its_own_views(copies: Copies) -> None:
    """Labels of one fold replaced by nonsense move the answers to other folds alone."""
    truth = copies.truth
    held = truth.fold_N == 0
    spoilt = np.where(held, (truth.labels + 1) % 4, truth.labels)
    other = replace(copies, truth=replace(truth, labels=spoilt))
    views = list(copies.features([Showing("gamma(p=1)", 2)]))
    assert (copies.learn(views).plain_N[held] == other.learn(views).plain_N[held]).all()
    assert (copies.learn(views).plain_N[~held] != other.learn(views).plain_N[~held]).any()


def test_tags_are_learnt_from_views_too(copies: Copies) -> None:
    """Side and colour as two tags each of four: the views that change nothing answer as the images do."""
    truth = copies.truth
    tags_NC = np.stack([truth.labels % 2 == 0, truth.labels % 2 == 1, truth.labels < 2, truth.labels >= 2], axis=1)
    chain = replace(copies.chain, metric="f1_samples")
    tagged = replace(copies, truth=replace(truth, labels=csr_array(tags_NC)), chain=chain)
    none, same = tagged.learn([copies.plain] * 2), tagged.learn([copies.plain, copies.plain.copy()])
    assert none.plain_N.shape == (NUM_IMAGES, 4) and none.plain_N.dtype == bool
    assert (none.plain_N == same.viewed_N).all()
    assert (none.plain_N == tags_NC).mean() > 0.6
