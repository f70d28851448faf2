"""Tags with missing positives: probabilities and the tags that somebody set -> soft targets, the unset ones in [0, 1].

How many true tags are missing cannot be told from the tags that are set, unless some images are beyond doubt (Elkan and
Noto 2008, section 2): the share is given. Everything else is learnt from the rows that are handed in, so that a caller
who hands in rows outside a fold gets targets that know nothing of it. Axes: N images, C tags.
"""

from __future__ import annotations

import numpy as np

from medalist.decisions.tags import FARTHEST, logits
from medalist.errors import RecipeError
from medalist.metrics import dense

IMAGINED = 5.0  # images in which two tags come together as often as their probabilities say


def completed(prob_NC: np.ndarray, y_NC: np.ndarray, *, share: float) -> np.ndarray:
    """Targets for tags of which some are missing, whichever they are: set ones stay 1, unset ones get what is likely.

    With q the probability that a tag is set, an unset one is true with probability share / (1 - share) q / (1 - q)
    (Elkan and Noto 2008, section 3). q is the given probability, and what the image's other tags say (`_together`).

    A head that learns from them should take its penalty from the tags that are set: soft targets are told by models of
    its own kind, and judged by them a head that repeats them looks good.

    Args:
        prob_NC: probabilities of models that did not see the row.
        y_NC: tags that are set, boolean, dense or CSR.
        share: of the true tags that are missing, in [0, 1).

    Returns:
        float32 (N, C).

    Raises:
        RecipeError: the share is out of range.
    """
    if not 0 <= share < 1:
        raise RecipeError(f"complete takes the share of true tags that are missing, from 0 to below 1, got {share}")
    set_NC = np.asarray(dense(y_NC), bool)
    odds_NC = np.exp(np.clip(_together(logits(prob_NC), set_NC), -FARTHEST, FARTHEST))
    true_NC = np.minimum(share / (1 - share) * odds_NC, 1.0)
    return np.where(set_NC, 1.0, true_NC).astype(np.float32)


def _together(logit_NC: np.ndarray, set_NC: np.ndarray) -> np.ndarray:
    """Logits that also know the image's other tags.

    With p what the model says, tag d set tells of tag c that log P(d | c, image) / P(d | image) is about the log of how
    often both are set over how often they would be were they independent in each image, sum p_c p_d; tag d unset
    likewise. All other tags' evidence is added up, as naive Bayes does: with very many tags it is overstated.
    """
    prob_NC = 1 / (1 + np.exp(-logit_NC.astype(np.float64)))
    is_NC = set_NC.astype(np.float64)
    both_CC = np.log((is_NC.T @ is_NC + IMAGINED) / (prob_NC.T @ prob_NC + IMAGINED))
    one_CC = np.log(((1 - is_NC).T @ is_NC + IMAGINED) / ((1 - prob_NC).T @ prob_NC + IMAGINED))
    for evidence_CC in (both_CC, one_CC):
        np.fill_diagonal(evidence_CC, 0.0)
    return np.asarray(logit_NC + is_NC @ both_CC + (1 - is_NC) @ one_CC)
