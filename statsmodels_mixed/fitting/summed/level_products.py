"""Z'WZ of a design by levels, for the iterative solution: blocks of a level, blocks of a pair.

Where the levels of two terms meet does not depend on W, so it is found once; the sums over rows
are then formed for as many weights as penalized least squares needs. The first term, which has
most random effects, is the one that is eliminated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..._typing import Array

__all__ = ["Crossing", "LevelPattern", "LevelProducts", "apply_lambda", "by_term"]

Refs = NDArray[np.integer]
Shapes = tuple[tuple[int, int], ...]


def by_term(effects: Array, shapes: Shapes) -> list[Array]:
    """Return rows for all random effects, (q, ...), as one array (l, k, ...) for each term."""
    parts, at = [], 0
    for levels, columns in shapes:
        size = levels * columns
        parts.append(effects[at : at + size].reshape(levels, columns, *effects.shape[1:]))
        at += size
    return parts


def apply_lambda(
    factors: Sequence[Array], effects: Array, shapes: Shapes, *, transposed: bool = False
) -> Array:
    """Return Lambda, or its transpose, times (q, m).

    Parameters
    ----------
    factors : sequence of ndarray, shape (k, k)
        T of each term.
    effects : ndarray, shape (q, m)
    shapes : sequence of (int, int)
        Levels and columns of each term.
    transposed : bool
    """
    parts = [
        ((T.T if transposed else T) @ part).reshape(-1, effects.shape[1])
        for T, part in zip(factors, by_term(effects, shapes), strict=True)
    ]
    return np.concatenate(parts)


class Crossing(NamedTuple):
    """Where the levels of two terms meet, sorted by the level of the later term.

    Parameters
    ----------
    later, earlier : int
        The terms.
    starts : ndarray of int, shape (l_later + 1,)
    levels : ndarray of int, shape (pairs,)
        Of the earlier term.
    pair_of : ndarray of int, shape (n,)
        The pair of each row.
    """

    later: int
    earlier: int
    starts: NDArray[np.int32]
    levels: NDArray[np.int32]
    pair_of: NDArray[np.intp]

    def later_levels(self) -> NDArray[np.intp]:
        """Return the level of the later term of each pair."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def matrix(self, blocks: Array, levels: int) -> sparse.csr_array:
        """Return the sparse matrix of the blocks, (pairs, k_later, k_earlier)."""
        _, rows, columns = blocks.shape
        shape = ((len(self.starts) - 1) * rows, levels * columns)
        if rows == columns == 1:
            return sparse.csr_array((blocks.ravel(), self.levels, self.starts), shape=shape)
        return sparse.bsr_array((blocks, self.levels, self.starts), shape=shape).tocsr()


def _order(refs: Refs, levels: int, values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return values sorted by refs, in the order they have within a level: a counting sort."""
    n = len(refs)
    places = (refs, np.arange(n, dtype=np.int32))
    return np.asarray(sparse.coo_array((values, places), shape=(levels, n)).tocsr().data)


def _crossing(later: int, earlier: int, refs: Sequence[Refs], shapes: Shapes) -> Crossing:
    a, b = refs[later], refs[earlier]
    order = _order(b, shapes[earlier][0], np.arange(len(b), dtype=np.int32))
    order = _order(a[order], shapes[later][0], order)
    first, second = a[order], b[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    pair_of = np.empty(len(order), dtype=np.intp)
    pair_of[order] = np.cumsum(new) - 1
    counts = np.bincount(first[new], minlength=shapes[later][0])
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    return Crossing(later, earlier, starts, second[new].astype(np.int32), pair_of)


class LevelPattern:
    """Where the levels of the terms of a design meet, and the rows that say so.

    Parameters
    ----------
    z : sequence of ndarray, shape (n, k)
    refs : sequence of ndarray of int, shape (n,)
    levels : sequence of int
    """

    def __init__(self, z: Sequence[Array], refs: Sequence[Refs], levels: Sequence[int]) -> None:
        self.z, self.refs = tuple(z), tuple(refs)
        self.shapes: Shapes = tuple(
            (count, columns.shape[1]) for count, columns in zip(levels, z, strict=True)
        )
        self.crossings = [
            _crossing(later, earlier, refs, self.shapes)
            for earlier, later in combinations(range(len(z)), 2)
        ]

    def products(self, weights: Array | None) -> LevelProducts:
        """Sum over the rows with these weights, (n,); None for ones."""
        own = [
            self._sums(z, z, refs, levels, weights, symmetric=True)
            for z, refs, (levels, _) in zip(self.z, self.refs, self.shapes, strict=True)
        ]
        crossed = [
            self._sums(self.z[c.later], self.z[c.earlier], c.pair_of, len(c.levels), weights)
            for c in self.crossings
        ]
        return LevelProducts(self, own, crossed)

    @staticmethod
    def _sums(
        left: Array,
        right: Array,
        places: Refs,
        count: int,
        weights: Array | None,
        symmetric: bool = False,
    ) -> Array:
        """Return w left right' summed over the rows of each place, (count, k_left, k_right)."""
        out = np.empty((count, left.shape[1], right.shape[1]))
        for r in range(left.shape[1]):
            weighted = left[:, r] if weights is None else left[:, r] * weights
            for c in range(r + 1 if symmetric else right.shape[1]):
                out[:, r, c] = np.bincount(places, weighted * right[:, c], minlength=count)
                if symmetric:
                    out[:, c, r] = out[:, r, c]
        return out

    def transposed(self, rows: Array) -> Array:
        """Return Z' times rows, (n, m), as (q, m)."""
        parts = []
        for z, refs, (levels, k) in zip(self.z, self.refs, self.shapes, strict=True):
            part = np.empty((levels, k, rows.shape[1]))
            for r in range(k):
                for c in range(rows.shape[1]):
                    part[:, r, c] = np.bincount(refs, z[:, r] * rows[:, c], minlength=levels)
            parts.append(part.reshape(levels * k, -1))
        return np.concatenate(parts)

    def rows(self, effects: Array, part: slice = slice(None)) -> Array:
        """Return Z times (q, m) for some rows."""
        out = np.zeros((len(self.refs[0][part]), effects.shape[1]))
        for z, refs, b in zip(self.z, self.refs, by_term(effects, self.shapes), strict=True):
            here = refs[part]
            for c in range(z.shape[1]):
                out += z[part, c, None] * b[here, c]
        return out


@dataclass(frozen=True)
class LevelProducts:
    """Z'WZ.

    Parameters
    ----------
    pattern : LevelPattern
    own : list of ndarray, shape (l, k, k)
        The block of each level, by term.
    crossed : list of ndarray, shape (pairs, k_later, k_earlier)
        The block of each pair of levels, for every crossing of the pattern.
    """

    pattern: LevelPattern
    own: list[Array]
    crossed: list[Array]

    @property
    def shapes(self) -> Shapes:
        """Levels and columns of each term."""
        return self.pattern.shapes

    @property
    def split(self) -> int:
        """Number of random effects of the first term."""
        levels, columns = self.shapes[0]
        return levels * columns

    @cached_property
    def _matrices(self) -> list[tuple[int, int, sparse.csr_array]]:
        return [
            (c.later, c.earlier, c.matrix(blocks, self.shapes[c.earlier][0]))
            for c, blocks in zip(self.pattern.crossings, self.crossed, strict=True)
        ]

    def multiply(self, effects: Array) -> Array:
        """Return Z'WZ times (q, m)."""
        m = effects.shape[1]
        parts = [part.reshape(-1, m) for part in by_term(effects, self.shapes)]
        out = [
            (own @ part.reshape(len(own), -1, m)).reshape(-1, m)
            for own, part in zip(self.own, parts, strict=True)
        ]
        for later, earlier, matrix in self._matrices:
            out[later] += matrix @ parts[earlier]
            out[earlier] += matrix.T @ parts[later]
        return np.concatenate(out)
