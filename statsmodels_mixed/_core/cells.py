"""Rows reduced to few that have the same cross-products; see ``csrc/src/linear/cells.c``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..errors import CoreError
from ._smm import ffi, lib
from .boundary import check_status, doubles

__all__ = ["CoreCells"]


class CoreCells:
    """The rows that are left of each combination of levels; one thread at a time may use it.

    Parameters
    ----------
    terms : int
        Levels that make a combination.
    columns : int
        Columns of random effects, which come first.
    width : int
        Columns in all.
    """

    def __init__(self, terms: int, columns: int, width: int) -> None:
        self.terms, self.columns, self.width = terms, columns, width
        out = ffi.new("smm_cells **")
        status = lib.smm_cells_create(ffi.NULL, terms, columns, width, out)
        check_status(status, "make room for cells")
        self.handle = ffi.gc(out[0], lib.smm_cells_destroy)

    def __len__(self) -> int:
        """Return how many combinations have occurred."""
        return int(lib.smm_cells_count(self.handle))

    @property
    def bytes_each(self) -> int:
        """Memory that one combination takes."""
        return 8 * self.columns * self.width + 4 * self.terms + 32

    def add(self, keys: NDArray[np.int32], rows: Array) -> None:
        """Take rows; what is left of them stays in `rows`.

        Parameters
        ----------
        keys : ndarray of int32, shape (n, terms)
        rows : ndarray, shape (n, width), C order
            Random effects first, multiplied by the roots of the weights. Afterwards these are
            zero; the others belong to the cross-products of all levels together.
        """
        n = len(rows)
        if keys.shape != (n, self.terms) or rows.shape != (n, self.width):
            raise CoreError(f"keys and rows have shapes {keys.shape} and {rows.shape}.")
        if not rows.flags.c_contiguous or rows.dtype != np.float64:
            raise CoreError("rows are changed, and must be doubles in C order.")
        keys = np.ascontiguousarray(keys, dtype=np.int32)
        pointer = ffi.cast("int32_t *", keys.ctypes.data)
        status = lib.smm_cells_add(self.handle, n, pointer, doubles(rows))
        check_status(status, "keep the combinations of levels")

    def read(self) -> tuple[NDArray[np.int32], Array]:
        """Return the combinations, shape (m, terms), and their rows, (m, columns, width)."""
        keys = np.empty((len(self), self.terms), dtype=np.int32)
        rows = np.empty((len(self), self.columns, self.width))
        pointer = ffi.cast("int32_t *", keys.ctypes.data)
        check_status(lib.smm_cells_read(self.handle, pointer, doubles(rows)), "read the cells")
        return keys, rows
