"""Grouping factors: level codes and level labels.

They never become indicator columns and never pass through a formula engine: a
factor with a million levels costs one integer per row.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...errors import DataError
from .columns import Values

__all__ = ["Refs", "cross", "factorize", "find_levels"]

Refs = NDArray[np.int32]

# Whole numbers are counted rather than hashed while the table of counts stays
# within this many entries per row: about ten times faster.
_COUNTS_PER_ROW = 8


def factorize(values: Values) -> tuple[Refs, pd.Index]:
    """Replace values by the position of their level.

    Parameters
    ----------
    values : ndarray or ExtensionArray, shape (n,)
        Tidy values of one column.

    Returns
    -------
    codes : ndarray of int32, shape (n,)
        Level of every row, -1 where the value is missing.
    levels : pandas.Index, shape (l,)
        The values that occur, in the order of the categories of a categorical, else
        sorted.

    Raises
    ------
    DataError
        If values are infinite or cannot be labels.
    """
    if isinstance(values, pd.Categorical):
        return _drop_unused(values.codes.astype(np.int32), values.categories)
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low < _COUNTS_PER_ROW * len(values) + 1024 and high < 2**62:
            whole = values.astype(np.int64, copy=False)
            codes, offsets = _rank_small(whole - low if low else whole, high - low + 1)
            return codes, pd.Index((offsets + low).astype(values.dtype))
    if isinstance(values, pd.arrays.NumpyExtensionArray):
        values = values.to_numpy()  # pandas 2.2 takes it for a list
    try:
        codes, uniques = pd.factorize(values, sort=False)
        levels = pd.Index(uniques)
    except (TypeError, ValueError, NotImplementedError) as error:  # lists, arrays, dicts
        raise DataError(
            f"holds values that cannot be labels ({type(values[0]).__name__}): give one number or "
            "text for each row."
        ) from error
    if levels.dtype.kind == "f" and np.isinf(levels.to_numpy(dtype=float)).any():
        raise DataError("holds infinite values, which are no labels: leave these rows out.")
    try:
        order = np.asarray(levels.argsort())
    except TypeError:  # values that cannot be compared, such as 1 and "a"
        key = [(type(level).__name__, str(level)) for level in levels]
        order = np.array(sorted(range(len(levels)), key=key.__getitem__), dtype=np.intp)
    return _relabel(codes, order), levels[order]


def cross(
    codes: Sequence[Refs], levels: Sequence[pd.Index], names: Sequence[str] | None = None
) -> tuple[Refs, pd.MultiIndex]:
    """Form the interaction of grouping factors: its levels are the observed combinations.

    Parameters
    ----------
    codes : sequence of ndarray of int32, shape (n,)
        Codes of every factor, none missing.
    levels : sequence of pandas.Index
        Their levels.
    names : sequence of str, optional
        Names of the factors; by default those of the indexes.

    Returns
    -------
    codes : ndarray of int32, shape (n,)
        Combination of every row.
    levels : pandas.MultiIndex, shape (l,)
        The combinations, sorted by the first factor, then the second, and so on.
    """
    combined = codes[0]
    parts = [np.arange(len(levels[0]), dtype=np.int64)]
    for code, level in zip(codes[1:], levels[1:], strict=True):
        size = len(level)
        key = combined * np.int64(size) + code
        span = len(parts[0]) * size
        if span < _COUNTS_PER_ROW * len(key) + 1024:
            combined, observed = _rank_small(key, span)
        else:
            first, unsorted = pd.factorize(key)
            order = np.argsort(unsorted)
            combined, observed = _relabel(first, order), unsorted[order]
        left, right = np.divmod(observed, size)
        parts = [part[left] for part in parts] + [right]
    index = pd.MultiIndex(
        levels=list(levels),
        codes=parts,
        names=[level.name for level in levels] if names is None else names,
        verify_integrity=False,
    )
    return combined, index


def find_levels(values: Sequence[Values], levels: pd.Index) -> Refs:
    """Look up values among the levels of a fitted grouping factor.

    Parameters
    ----------
    values : sequence of ndarray or ExtensionArray, shape (m,)
        New values of each part of the factor.
    levels : pandas.Index
        Its levels: a MultiIndex if it has several parts.

    Returns
    -------
    ndarray of int32, shape (m,)
        Position in `levels`, -1 for a value (or combination) that is not there.
    """
    if not isinstance(levels, pd.MultiIndex):
        return _find(values[0], levels)
    wanted = np.zeros(len(values[0]), dtype=np.int64)
    known = np.zeros(len(levels), dtype=np.int64)
    unseen = np.zeros(len(values[0]), dtype=bool)
    for part, labels, codes in zip(values, levels.levels, levels.codes, strict=True):
        found = _find(part, labels)
        unseen |= found < 0
        # Numbering afresh the pairs that occur keeps the keys far from overflow.
        known, wanted = _renumber(
            known * len(labels) + np.asarray(codes), wanted * len(labels) + found
        )
    position = np.full(int(known.max(initial=0)) + 2, -1, dtype=np.int32)
    position[known] = np.arange(len(levels), dtype=np.int32)
    refs: Refs = np.where(unseen, np.int32(-1), position[wanted])
    return refs


def _find(values: Values, labels: pd.Index) -> Refs:
    codes, observed = factorize(values)
    positions = labels.get_indexer(observed).astype(np.int32)
    return np.append(positions, np.int32(-1))[codes]


def _renumber(
    known: NDArray[np.int64], wanted: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rank `known`; `wanted` gets the rank of the same value, one past the end if absent."""
    values, ranks = np.unique(known, return_inverse=True)
    place = np.searchsorted(values, wanted)
    inside = np.minimum(place, len(values) - 1)
    return ranks, np.where(values[inside] == wanted, inside, len(values))


def _rank_small(values: NDArray[np.integer], span: int) -> tuple[Refs, NDArray[np.int64]]:
    """Rank whole numbers in ``range(span)`` by counting; returns ranks and distinct values."""
    counts = np.bincount(values, minlength=span)
    observed = counts.nonzero()[0]
    if len(observed) == span:
        return values.astype(np.int32), observed
    rank = np.empty(span, dtype=np.int32)
    rank[observed] = np.arange(len(observed), dtype=np.int32)
    return rank[values], observed


def _drop_unused(codes: Refs, levels: pd.Index) -> tuple[Refs, pd.Index]:
    counts = np.bincount(codes + 1, minlength=len(levels) + 1)[1:]
    if np.count_nonzero(counts) == len(counts):
        return codes, levels
    observed = np.flatnonzero(counts)
    return _relabel(codes, observed, len(levels)), levels[observed]


def _relabel(codes: NDArray[np.integer], order: NDArray[np.integer], size: int = -1) -> Refs:
    """Give old code ``order[i]`` the new code i; missing (-1) stays missing."""
    rank = np.full((len(order) if size < 0 else size) + 1, -1, dtype=np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    fresh: Refs = rank[codes]
    return fresh
