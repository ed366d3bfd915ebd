"""Columns of random effects that several terms have in common, so that each is kept once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..frame.design import Design

__all__ = ["Columns"]


@dataclass(frozen=True, eq=False)
class Columns:
    """Where the columns of the random effects are among the distinct ones.

    Parameters
    ----------
    of_block : tuple of ndarray of int, shape (k,)
    first : tuple of (int, int)
        Of each distinct column the block and the column that it is.
    """

    of_block: tuple[NDArray[np.intp], ...]
    first: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, design: Design) -> Columns:
        """Compare the columns of a design: those of one name with the same values are one."""
        first: list[tuple[int, int]] = []
        of_block = []
        for i, block in enumerate(design.blocks):
            found = []
            for j, name in enumerate(block.names):
                same = [
                    at
                    for at, (b, c) in enumerate(first)
                    if design.blocks[b].names[c] == name
                    and np.array_equal(design.blocks[b].z[:, c], block.z[:, j])
                ]
                found.append(same[0] if same else len(first))
                if not same:
                    first.append((i, j))
            of_block.append(np.array(found, dtype=np.intp))
        return cls(tuple(of_block), tuple(first))

    def gather(self, design: Design, out: Array) -> None:
        """Write the distinct columns into `out`, shape (n, columns)."""
        for at, (block, column) in enumerate(self.first):
            out[:, at] = design.blocks[block].z[:, column]
