"""Ensembles: several learners' probabilities -> one; `contract` says what an ensembler keeps to.

A new one is a file here, named in the import below.
"""

from __future__ import annotations

from medalist.ensembles import blend, mean
from medalist.ensembles.contract import combine, ensembles

__all__ = ["blend", "combine", "ensembles", "mean"]
