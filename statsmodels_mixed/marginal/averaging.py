"""Averages over the cells of a reference grid: a weight for every cell.

What is not asked for is averaged over with equal weights, or with weights by the rows of the
data. Nested factors are averaged over first, within the levels of those they are nested in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._typing import Array
from ..errors import OptionError
from .nesting import Nesting, with_outer

__all__ = ["WEIGHTS", "Averaging", "average_over"]

Codes = NDArray[np.intp]

WEIGHTS = ("equal", "proportional", "outer", "cells", "flat")


@dataclass(frozen=True, eq=False)
class Averaging:
    """Weighted means of the cells in groups.

    Parameters
    ----------
    keys : mapping of str to ndarray of int, shape (m,)
        Levels of what was asked for in every group.
    group : ndarray of int, shape (cells,)
        Group of every cell, -1 for one that has no part.
    share : ndarray, shape (cells,)
        Weights, which sum to 1 in a group, or are NaN where none of its cells has data.
    weight : ndarray, shape (m,)
        Rows of the data in every group.
    averaged : tuple of str
        What was averaged over.
    """

    keys: Mapping[str, Codes]
    group: Codes
    share: Array
    weight: Array
    averaged: tuple[str, ...]

    def of(self, values: Array) -> Array:
        """Return the means of values, shape (cells, ...), in the groups: (m, ...)."""
        means = np.zeros((len(self.weight), *values.shape[1:]))
        part = self.group >= 0
        share = self.share[part].reshape(-1, *[1] * (values.ndim - 1))
        # A cell of weight zero has no part, although there may be nothing known of it.
        np.add.at(means, self.group[part], np.where(share == 0, 0.0, share * values[part]))
        return means


def average_over(
    codes: Mapping[str, Codes],
    weight: Array,
    wanted: Sequence[str],
    weights: str | ArrayLike,
    nesting: Nesting,
) -> Averaging:
    """Average over what is not wanted.

    Parameters
    ----------
    codes : mapping of str to ndarray of int, shape (cells,)
        Position of the value of every variable of the grid.
    weight : ndarray, shape (cells,)
        Rows of the data in every cell.
    wanted : sequence of str
        Variables that are not averaged over, and those that they are nested in.
    weights : str or array_like
        See `WEIGHTS`; or a weight for each combination that is averaged over, of which the
        first variable varies fastest.
    nesting : dict
        From `find_nesting`.
    """
    wanted = with_outer(wanted, nesting)
    inner = [name for name in codes if name in nesting and name not in wanted]
    if not inner:
        plain = _plain(codes, weight, wanted, weights)
        return _occurring(plain) if any(name in nesting for name in wanted) else plain
    # The factor that is nested most deeply is averaged over within groups of all others.
    first = max(inner, key=lambda name: len(nesting[name]))
    outer = tuple(dict.fromkeys([*nesting[first], *(n for n in inner if n != first)]))
    kept = tuple(name for name in codes if name in {*wanted, *outer})
    within = _groups({name: codes[name] for name in outer})[0]
    step = _within(codes, weight, kept, weights, within, codes[first])
    remaining = {name: outer for name, outer in nesting.items() if name in kept}
    rest = average_over(step.keys, step.weight, wanted, weights, remaining)
    part = step.group >= 0
    group, share = np.full(len(weight), -1), np.zeros(len(weight))
    group[part] = rest.group[step.group[part]]
    share[part] = step.share[part] * rest.share[step.group[part]]
    averaged = tuple(dict.fromkeys([*step.averaged, *rest.averaged]))
    return Averaging(rest.keys, group, share, rest.weight, averaged)


def _within(
    codes: Mapping[str, Codes],
    weight: Array,
    kept: Sequence[str],
    weights: str | ArrayLike,
    within: Codes,
    inner: Codes,
) -> Averaging:
    """Average in each group of `within` over those levels of a factor that occur in it."""
    parts: list[Averaging] = []
    group, share, start = np.full(len(weight), -1), np.zeros(len(weight)), 0
    for at in range(int(within.max()) + 1):
        cells = within == at
        present = np.unique(inner[cells & (weight > 0)])
        cells &= np.isin(inner, present)
        if not cells.any():
            continue
        chosen = {name: each[cells] for name, each in codes.items()}
        part = _plain(chosen, weight[cells], kept, weights)
        group[cells], share[cells] = part.group + start, part.share
        start += len(part.weight)
        parts.append(part)
    keys = {name: np.concatenate([part.keys[name] for part in parts]) for name in kept}
    averaged = tuple(dict.fromkeys(name for part in parts for name in part.averaged))
    return Averaging(keys, group, share, np.concatenate([p.weight for p in parts]), averaged)


def _plain(
    codes: Mapping[str, Codes], weight: Array, wanted: Sequence[str], weights: str | ArrayLike
) -> Averaging:
    group, keys = _groups({name: codes[name] for name in wanted}, len(weight))
    others = {
        name: each
        for name, each in codes.items()
        if name not in wanted and len(np.unique(each)) > 1
    }
    total: Array = np.bincount(group, weight).astype(float)
    counted = weight if weight.any() else np.ones(len(weight))
    raw = _raw_weights(others, counted, weights)
    sums = np.bincount(group, raw)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = raw / np.where(sums > 0, sums, np.nan)[group]
    return Averaging(keys, group, share, total, tuple(others))


def _raw_weights(others: Mapping[str, Codes], weight: Array, weights: str | ArrayLike) -> Array:
    """Return the weight of every cell, up to a factor for each group."""
    if not isinstance(weights, str):
        combination = _groups(others, len(weight))[0]
        given = np.asarray(weights, dtype=float)
        if given.shape != (combination.max() + 1,) or (given < 0).any() or not given.any():
            names = " and ".join(others) or "nothing"
            raise OptionError(
                f"weights= needs {combination.max() + 1} numbers that are not negative, one for "
                f"each combination of what is averaged over ({names})."
            )
        return np.asarray(given[combination])
    if weights == "equal" or not others:
        return np.ones(len(weight))
    if weights == "cells":
        return weight
    if weights == "flat":
        return (weight > 0).astype(float)
    if weights == "proportional":
        combination = _groups(others)[0]
        return np.asarray(np.bincount(combination, weight)[combination])
    product = np.ones(len(weight))
    for each in others.values():
        product *= np.bincount(each, weight)[each] / weight.sum()
    return product


def _groups(codes: Mapping[str, Codes], cells: int = 0) -> tuple[Codes, dict[str, Codes]]:
    """Count through the combinations that occur, the first variable varying fastest."""
    if not codes:
        return np.zeros(cells, dtype=np.intp), {}
    columns = list(codes.values())
    order = np.column_stack(columns[::-1])
    unique, group = np.unique(order, axis=0, return_inverse=True)
    keys = {name: unique[:, -1 - i] for i, name in enumerate(codes)}
    return np.asarray(group).reshape(-1), keys


def _occurring(found: Averaging) -> Averaging:
    """Leave out combinations of nested factors that do not occur."""
    kept = found.weight > 0
    place = np.where(kept, np.cumsum(kept) - 1, -1)
    keys = {name: each[kept] for name, each in found.keys.items()}
    group = np.where(found.group >= 0, place[found.group], -1)
    return Averaging(keys, group, found.share, found.weight[kept], found.averaged)
