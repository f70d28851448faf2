"""Ensembles: several learners' probabilities -> one; `contract` says what an ensembler keeps to.

    mean, geometric, power, rank       nothing or next to nothing to learn
    blend, stack, greedy               weights: log-linear, non-negative least squares, chosen one after the other
    union, intersection, vote          sets of tags, a threshold a run
    ridge_tags                         tags told by each other
    views                              one learner's views of an image

A new one is a file here, named in the import below.
"""

from __future__ import annotations

from medalist.ensembles import blend, fusion, geometric, greedy, mean, power, rank, ridge, stack, views
from medalist.ensembles.contract import ensembles
from medalist.ensembles.diversity import Diversity, diversity
from medalist.ensembles.members import Members, as_members
from medalist.ensembles.views import flips

__all__ = [
    "Diversity",
    "Members",
    "as_members",
    "blend",
    "diversity",
    "ensembles",
    "flips",
    "fusion",
    "geometric",
    "greedy",
    "mean",
    "power",
    "rank",
    "ridge",
    "stack",
    "views",
]
