"""Factors that are nested in others, found in the data and in the terms of the model.

A factor is nested in another if each of its levels occurs with one level of the other only, or
if it has no term of its own and all its terms contain the other, as b in ``a + a:b``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Nesting", "find_nesting", "with_outer"]

Codes = NDArray[np.intp]
# The factors that each nested factor is nested in.
Nesting = dict[str, tuple[str, ...]]


def find_nesting(
    codes: Mapping[str, Codes], weight: NDArray[np.float64], terms: Sequence[frozenset[str]]
) -> Nesting:
    """Find which factors are nested.

    Parameters
    ----------
    codes : mapping of str to ndarray of int, shape (cells,)
        Levels of the factors that have more than one, in every cell of the grid.
    weight : ndarray, shape (cells,)
        Rows of the data in every cell.
    terms : sequence of frozenset of str
        The factors in each term of the fixed part.
    """
    found: Nesting = {}
    occurs = weight > 0
    for name, own in codes.items():
        others = [n for n in codes if n != name and name not in found.get(n, ())]
        outer = tuple(n for n in others if _one_each(own[occurs], codes[n][occurs]))
        if outer:
            found[name] = outer
    alone = {name for term in terms if len(term) == 1 for name in term}
    for name in codes:
        parts = [term for term in terms if name in term]
        if name in alone or name in found or not parts:
            continue
        shared = frozenset.intersection(*parts) & alone & set(codes)
        if shared:
            found[name] = tuple(n for n in codes if n in shared)
    return found


def _one_each(own: Codes, other: Codes) -> bool:
    """Return whether each level occurs with one level of another factor only."""
    pairs = np.unique(np.column_stack([own, other]), axis=0)
    return len(pairs) == len(np.unique(own))


def with_outer(names: Sequence[str], nesting: Nesting) -> tuple[str, ...]:
    """Return names of factors, and of those that the nested ones among them are nested in."""
    outer = [n for name in names for n in nesting.get(name, ())]
    return tuple(dict.fromkeys([*names, *outer]))
