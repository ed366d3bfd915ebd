"""Random-effects terms and rows -> a `RandomPart` for each grouping factor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..errors import DataError, FormulaError
from ..formula.terms import RandomTerm
from .matrices.coding import Matrix
from .matrices.factors import Rows
from .model_frame import RandomPart
from .table.grouping import Refs, cross

__all__ = ["levels_of", "most_effects_first", "random_parts"]


def random_parts(
    terms: Sequence[RandomTerm], matrices: Sequence[Matrix], rows: Rows
) -> tuple[RandomPart, ...]:
    """Amalgamate terms of one part with one grouping factor; most random effects first."""
    gathered: dict[str, list[tuple[RandomTerm, Matrix]]] = {}
    for term, matrix in zip(terms, matrices, strict=True):
        if not matrix.names:
            raise FormulaError(f"the random-effects term {term} has no columns.")
        name = f"{term.part}: {term.grouping.name}" if term.part else term.grouping.name
        gathered.setdefault(name, []).append((term, matrix))
    parts = []
    for name, pairs in gathered.items():
        factors = pairs[0][0].grouping.factors
        if pairs[0][0].grouping.members:  # their effects are those of one level
            refs, levels = np.zeros(len(rows.index), dtype=np.int32), pd.Index([name], name=name)
        else:
            _refuse_missing(factors, rows)
            refs, levels = levels_of(factors, rows)
        members, made = zip(*pairs, strict=True)
        parts.append(RandomPart(name, factors, members, made, refs, levels))
    return most_effects_first(parts)


def most_effects_first(parts: Sequence[RandomPart]) -> tuple[RandomPart, ...]:
    """Return parts by decreasing number of random effects."""
    if len(parts) == 1:
        return tuple(parts)
    return tuple(sorted(parts, key=lambda part: -len(part.names) * len(part.levels)))


def levels_of(factors: Sequence[str], rows: Rows) -> tuple[Refs, pd.Index]:
    """Return the level of every row, and the levels, of one column or of several crossed.

    No column has missing values.
    """
    if len(factors) > 1:
        codes, levels = zip(*[rows.factorized(name) for name in factors], strict=True)
        return cross(codes, levels, factors)
    refs, labels = rows.factorized(factors[0])
    named = labels.view()
    named.name = factors[0]
    return refs, named


def _refuse_missing(factors: Sequence[str], rows: Rows) -> None:
    for name in factors:
        if np.count_nonzero(rows.factorized(name)[0] < 0):
            raise DataError(f"the grouping factor {name!r} has missing values.")
