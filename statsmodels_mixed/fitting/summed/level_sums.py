"""Sums over rows of z z' for levels, and for pairs of levels in a dense matrix.

Where most levels of the largest term meet most of the others, what is kept of a pair is a product
of columns of Z in a dense matrix, and nothing else. Of [X 1 y] sums are kept by level, beside the
triangle of a QR decomposition, which has all its digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core import TermCoordinates
from ..._typing import Array
from .level_products import Shapes

__all__ = ["LevelSums", "bytes_of_sums"]

Keys = NDArray[np.int32]

# Directions of [X 1 y] that are a smaller share of the longest are rounding errors.
DEPENDENT = 1e-11
# Square matrices of the size of the smaller terms that an evaluation has in memory.
SQUARES = 5


def bytes_of_sums(shapes: Shapes) -> int:
    """Return the memory that sums of terms of these shapes (levels, columns) take in a fit."""
    sizes = [levels * columns for levels, columns in shapes]
    rest = sum(sizes[1:])
    return 8 * (sizes[0] * rest + SQUARES * rest * rest)


class LevelSums:
    """Sums over rows, which are added a batch at a time.

    Parameters
    ----------
    shapes : tuple of (int, int)
        Levels and columns of two terms or more, the largest first.
    coordinates : TermCoordinates
        In which the columns of Z are summed.
    width : int
        Columns of [X 1 y].

    Attributes
    ----------
    own : list of ndarray, shape (l, k, k)
        Z'Z of every level, by term.
    cross : ndarray, shape (q1, q2)
        Z'Z between the first term and the others.
    others : ndarray, shape (q2, q2)
        Z'Z between different terms of these.
    beside : ndarray, shape (q, width)
        Z'[X 1 y].
    solved : object
        Omega as it was last solved, see `dense_schur`; None in a copy.
    """

    solved: Any = None

    def __init__(self, shapes: Shapes, coordinates: TermCoordinates, width: int) -> None:
        self.shapes, self.coordinates = shapes, coordinates
        sizes = [levels * columns for levels, columns in shapes]
        self.starts = np.concatenate([[0], np.cumsum(sizes)])
        rest = sum(sizes[1:])
        self.own = [np.zeros((levels, k, k)) for levels, k in shapes]
        self.cross = np.zeros((sizes[0], rest))
        self.others = np.zeros((rest, rest))
        self.beside = np.zeros((sum(sizes), width))

    def add(self, keys: Keys, z: Sequence[Array], Xy: Array) -> None:
        """Add rows, which were multiplied by the roots of their weights.

        Parameters
        ----------
        keys : ndarray of int32, shape (n, terms)
            The levels of every row.
        z : sequence of ndarray, shape (n, k)
            Columns of each term, in the units of the user.
        Xy : ndarray, shape (n, width)
        """
        z = self.coordinates.columns_inward(z)
        split = self.shapes[0][0] * self.shapes[0][1]
        places = [
            key.astype(np.intp) * k + start
            for key, (_, k), start in zip(keys.T, self.shapes, self.starts, strict=False)
        ]
        for own, part, place, start in zip(self.own, z, places, self.starts, strict=False):
            k = part.shape[1]
            for r in range(k):
                where = place - start + r
                _add_products(own.reshape(-1), where * k, part[:, r], part)
                _add_products(
                    self.beside.reshape(-1),
                    (where + start) * self.beside.shape[1],
                    part[:, r],
                    Xy,
                )
        for a, b in combinations(range(len(z)), 2):
            target = self.others if a else self.cross
            for r in range(z[a].shape[1]):
                row = places[a] + r - (split if a else 0)
                at = row * target.shape[1] + places[b] - split
                _add_products(target.reshape(-1), at, z[a][:, r], z[b])

    def __getstate__(self) -> dict[str, Any]:
        """Return the sums alone."""
        return {name: each for name, each in vars(self).items() if name != "solved"}

    def merge(self, other: LevelSums) -> None:
        """Add the sums of other rows in the same coordinates."""
        for mine, theirs in zip(self.own, other.own, strict=True):
            mine += theirs
        self.cross += other.cross
        self.others += other.others
        self.beside += other.beside

    def tail(self) -> Array:
        """Return Z'Z of all terms but the first, (q2, q2)."""
        out = self.others + self.others.T
        at = 0
        for own in self.own[1:]:
            levels, k, _ = own.shape
            rows = at + np.arange(levels * k).reshape(levels, k)
            out[rows[:, :, None], rows[:, None, :]] = own
            at += levels * k
        return out

    def on_basis(self, triangle: Array) -> Array:
        """Return Z' times orthonormal rows of which [X 1 y] is the triangle, (q, width).

        Parameters
        ----------
        triangle : ndarray, shape (width, width)
            R of a QR decomposition of [X 1 y]; its columns may depend on one another.
        """
        lengths = np.sqrt(np.einsum("ij,ij->j", triangle, triangle))
        unit = np.where(lengths > 0, lengths, 1.0)
        left, size, right = np.linalg.svd(triangle / unit)
        kept = size > DEPENDENT * size[0]
        half = (self.beside / unit) @ right[kept].T
        return np.asarray((half / size[kept]) @ left[:, kept].T)


def _add_products(target: Array, places: NDArray[np.intp], z: Array, columns: Array) -> None:
    """Add z times each column to `target` from the place of every row on."""
    for column in range(columns.shape[1]):
        np.add.at(target, places + column, z * columns[:, column])
