"""Rules that answer with a set of tags an image: one threshold, a threshold a tag, or the best set by expected F.

All take the same limits: `at_least` and `at_most` tags an image, and `exclusive` groups of tag names. `at_least=None`
is 1 where every labelled row has a tag, else 0.
Axes: N labelled images, M images to answer, C tags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from medalist.decisions import expected, macro, micro, tags, thresholds
from medalist.decisions.contract import State, rules
from medalist.decisions.limits import check_limits, permitted
from medalist.errors import RecipeError
from medalist.metrics import dense

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Groups = Sequence[Sequence[str]]
AVERAGES = ("samples", "micro")
CHUNK = 2**23


def likely_enough(state: State, prob_MC: np.ndarray) -> np.ndarray:
    """Tags at or above the threshold, within the limits; boolean (M, C)."""
    if "slope" in state:
        prob_MC = tags.apply_map(prob_MC, np.array(state["slope"]), np.array(state["bias"]))
    kept_MC = permitted(prob_MC, state["at_most"], state["groups"])
    return thresholds.cut(kept_MC, np.array(state["value"], np.float64), state["at_least"])


@rules(apply=likely_enough, gives="sets", names=True)
def threshold(
    prob_NC: np.ndarray,
    y_NC: np.ndarray | csr_array,
    *,
    value: float | None = None,
    average: str = "samples",
    beta: float = 1.0,
    calibrate: bool = False,
    at_least: int | None = None,
    at_most: int | None = None,
    exclusive: Groups = (),
    classes: Sequence[str] | None = None,
) -> State:
    """One threshold for all tags with the largest F-beta of sets (`samples`) or of all tags of all images (`micro`).

    `calibrate` maps each tag's probabilities to calibrated ones first: one threshold then is the best there is for
    micro F, as a cut of posteriors (Lipton et al. 2014). For micro F the state's facts hold that F and the threshold
    that calibrated probabilities would have, F / (1 + beta^2); the search does not see `at_least`.

    Raises:
        RecipeError: a value outside [0, 1], an unknown average, a beta that is not positive, or limits without sense.
    """
    if value is not None and not 0 <= value <= 1:
        raise RecipeError(f"threshold takes a value between 0 and 1, got {value}")
    if average not in AVERAGES:
        raise RecipeError(f"threshold takes average='samples' or 'micro', got {average!r}")
    _check_beta("threshold", beta)
    at_least = _fewest(at_least, y_NC)
    groups = check_limits("threshold", at_least, at_most, exclusive, classes)
    state, facts = _limits(at_least, at_most, groups), {}
    if calibrate:
        state |= _map_state(tags.fit_map(prob_NC, y_NC))
        prob_NC = tags.apply_map(prob_NC, np.array(state["slope"]), np.array(state["bias"]))
    kept_NC = permitted(prob_NC, at_most, groups)
    if value is None and average == "micro":
        value, score = micro.best_micro_threshold(kept_NC, y_NC, beta=beta)
        facts = {"f_micro_in_sample": score, "value_if_calibrated": score / (1 + beta**2)}
    elif value is None:
        value = thresholds.best_threshold(kept_NC, dense(y_NC), at_least=at_least, beta=beta)
    return {"value": float(value), **state, "facts": facts}


@rules(apply=likely_enough, gives="sets", names=True)
def tag_thresholds(
    prob_NC: np.ndarray,
    y_NC: np.ndarray | csr_array,
    *,
    beta: float = 1.0,
    shrink: float | None = None,
    at_least: int | None = None,
    at_most: int | None = None,
    exclusive: Groups = (),
    classes: Sequence[str] | None = None,
) -> State:
    """A threshold a tag with the largest F-beta of that tag, for macro F; those of rare tags lean on all tags.

    `shrink` is the number of imagined true rows that say what all tags have in common; None learns it, 0 takes none.
    The search does not see `at_least`.

    Raises:
        RecipeError: a beta that is not positive, a negative shrink, or limits without sense.
    """
    _check_beta("tag_thresholds", beta)
    if shrink is not None and not 0 <= shrink < np.inf:
        raise RecipeError(f"tag_thresholds takes shrink=0 or more true rows, got {shrink}")
    at_least = _fewest(at_least, y_NC)
    groups = check_limits("tag_thresholds", at_least, at_most, exclusive, classes)
    kept_NC = permitted(prob_NC, at_most, groups)
    value_C, common, weight = macro.best_tag_thresholds(kept_NC, y_NC, beta=beta, shrink=shrink)
    facts = {"common": common, "worth": weight}
    return {"value": [float(value) for value in value_C], **_limits(at_least, at_most, groups), "facts": facts}


def best_expected(state: State, prob_MC: np.ndarray) -> np.ndarray:
    """The sets with the largest expected F-beta under the calibrated probabilities; boolean (M, C)."""
    slope_C, bias_C = np.array(state["slope"]), np.array(state["bias"])
    set_MC = np.zeros(prob_MC.shape, bool)
    step = max(1, CHUNK // max(prob_MC.shape[1], 1))
    for start in range(0, len(prob_MC), step):
        warm_BC = tags.apply_map(prob_MC[start : start + step], slope_C, bias_C)
        if "missing" in state:
            warm_BC = np.minimum(warm_BC / np.float32(1 - state["missing"]), np.float32(1))
        kept_BC = permitted(warm_BC, None, state["groups"])
        set_MC[start : start + step] = expected.best_sets(
            np.where(kept_BC < 0, -1 - warm_BC, kept_BC),
            beta=state["beta"],
            at_least=state["at_least"],
            at_most=state["at_most"],
            candidates=state["candidates"],
        )
    return set_MC


@rules(apply=best_expected, gives="sets", names=True)
def expected_f(
    prob_NC: np.ndarray,
    y_NC: np.ndarray | csr_array,
    *,
    beta: float = 1.0,
    candidates: int = 100,
    missing: float = 0.0,
    at_least: int | None = None,
    at_most: int | None = None,
    exclusive: Groups = (),
    classes: Sequence[str] | None = None,
) -> State:
    """The set of each image with the largest expected F-beta, tags being calibrated first and taken as independent.

    `candidates` of an image's likeliest tags may join its set, the rest counts as true or not. `at_least=None` is 1
    where every labelled image has a tag, else 0. `missing` is the share of true tags that the labels lack, whichever
    they are, and the test set's do not: what is calibrated to the labels is then a tag's probability times 1 - missing
    (Elkan and Noto 2008, lemma 1), and images without any label may be bare by chance.

    Raises:
        RecipeError: a beta that is not positive, no candidates, a share outside [0, 1), or limits without sense.
    """
    _check_beta("expected_f", beta)
    if candidates < 1:
        raise RecipeError(f"expected_f takes candidates=1 or more, got {candidates}")
    if not 0 <= missing < 1:
        raise RecipeError(f"expected_f takes the share of tags that are missing, from 0 to below 1, got {missing}")
    at_least = _fewest(at_least, y_NC, missing)
    groups = check_limits("expected_f", at_least, at_most, exclusive, classes)
    found = tags.fit_map(prob_NC, y_NC)
    return {
        "beta": float(beta),
        "candidates": int(candidates),
        **_map_state(found),
        **_limits(at_least, at_most, groups),
        **({"missing": float(missing)} if missing else {}),
        "facts": {"map": found.choice},
    }


def _check_beta(rule: str, beta: float) -> None:
    if not 0 < beta < np.inf:
        raise RecipeError(f"{rule} takes a beta above 0, got {beta}")


def _map_state(found: tags.TagMap) -> State:
    return {
        "slope": [float(value) for value in found.slope_C],
        "bias": [float(value) for value in found.bias_C],
    }


def _fewest(at_least: int | None, y_NC: np.ndarray | csr_array, missing: float = 0.0) -> int:
    """The given number of tags that every image gets; None: 1 where every labelled row has a tag, else 0.

    Of an image with k true tags, each missing with chance m, i are set, and E (-m / (1 - m))^i is 1 where k = 0, else
    0: the sum over images estimates how many have no tag. Two standard errors of it are taken for none, unless they
    are more than half of the images that seem bare: then nothing is known, and no tag is forced.
    """
    if at_least is not None:
        return at_least
    num_set_N = np.asarray(y_NC.sum(axis=1), np.float64)
    seeming = int((num_set_N == 0).sum())
    if not seeming or not missing:
        return int(len(num_set_N) > 0 and not seeming)
    bare_N = (-missing / (1 - missing)) ** num_set_N
    doubt = 2 * np.sqrt((bare_N**2).sum())
    return int(bool(bare_N.sum() <= doubt <= seeming / 2))


def _limits(at_least: int, at_most: int | None, groups: list[list[int]]) -> State:
    return {"at_least": int(at_least), "at_most": at_most, "groups": groups}
