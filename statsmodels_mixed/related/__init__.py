"""Grouping factors whose levels are related: pedigrees, phylogenies, random walks, kinship."""

from __future__ import annotations

from .levels import RelatedLevels
from .options import read_related

__all__ = ["RelatedLevels", "read_related"]
