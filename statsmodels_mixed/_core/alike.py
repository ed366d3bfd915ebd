"""Rows that are alike; see ``csrc/src/design/alike.c``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .._typing import Array, Positions
from ._smm import ffi, lib
from .boundary import check_status, doubles, integers

__all__ = ["alike_rows"]


def alike_rows(
    parts: Sequence[Array], refs: Sequence[NDArray[np.int32]], most: int
) -> tuple[Positions, NDArray[np.int32]] | None:
    """Find which rows are alike, their numbers equal bit by bit.

    Parameters
    ----------
    parts : sequence of ndarray, shape (n, k) or (n,), C order
    refs : sequence of ndarray of int32, shape (n,)
        Levels.
    most : int
        How many distinct rows are worth it.

    Returns
    -------
    first : ndarray of int, shape (m,)
        The first of each distinct row.
    which : ndarray of int32, shape (n,)
        Among them the one that each row is like.

    None where there are more, or where hardly any of the first rows are alike.
    """
    n = len(parts[0])
    lent = [doubles(np.ascontiguousarray(part, dtype=np.float64)) for part in parts]
    levels = [integers(np.ascontiguousarray(each, dtype=np.int32)) for each in refs]
    part, cols = ffi.new("double *[]", lent), [len(values) // max(n, 1) for values in lent]
    groups, widths = ffi.new("int32_t *[]", levels), ffi.new("int32_t[]", cols)
    rows = ffi.new("smm_rows_of *", (len(lent), len(levels), part, widths, groups))
    slots = 1 << (2 * most).bit_length()
    table, which = np.zeros(slots, dtype=np.int32), np.empty(n, dtype=np.int32)
    first, count = np.empty(most, dtype=np.int64), ffi.new("int64_t *")
    status = lib.smm_alike(
        rows,
        n,
        most,
        slots,
        integers(table),
        integers(which),
        ffi.from_buffer("int64_t[]", first),
        count,
    )
    check_status(status, "find rows that are alike")
    return (first[: count[0]], which) if count[0] else None
