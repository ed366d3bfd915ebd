"""Coded matrices: how factors become columns of a model matrix.

What a formula engine decided about a bar-free formula (categories, contrasts, the
order and names of the columns, the memory of `center` or `bs`) is kept as plain
data, and is all it takes to build the same matrix again from new rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from .factors import CodedFactor, Rows

__all__ = ["CodedMatrix", "CodedTerm", "Matrix", "ProductColumns", "response_values"]


class Matrix(Protocol):
    """A block of model-matrix columns that can be built for any rows."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""

    @property
    def slices(self) -> dict[str, slice]:
        """Columns of every term, by the name of the term."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of data that are needed."""

    def fill(self, rows: Rows, out: Array) -> None:
        """Write the matrix of these rows into `out`, shape (n, len(names))."""


@dataclass(frozen=True, eq=False)
class ProductColumns:
    """Columns that are all products of columns of the same factors.

    Parameters
    ----------
    factors : tuple of CodedFactor
        In order; the columns of the first vary fastest. None: the intercept.
    contrasts : tuple of (ndarray, shape (levels, columns)) or None
        For every factor its coding, None for numbers.
    width : int
        Number of columns.
    """

    factors: tuple[CodedFactor, ...]
    contrasts: tuple[Array | None, ...]
    width: int

    def fill(self, rows: Rows, out: Array) -> None:
        """Write the columns of these rows into `out`, shape (n, width)."""
        block: Array | None = None
        for factor, contrast in zip(self.factors, self.contrasts, strict=True):
            values = rows.value_of(factor)
            part = values if contrast is None else _coded(contrast, values)
            if block is None:
                block = part
            else:
                # Products of whole numbers of few bits would begin again at the least of them.
                both = np.multiply(part[:, :, None], block[:, None, :], dtype=np.float64)
                block = both.reshape(len(part), part.shape[1] * block.shape[1])
        out[...] = 1.0 if block is None else block


def _coded(contrast: Array, codes: NDArray[Any]) -> Array:
    """Return the columns, (n, c), of labels; NaN where a label is missing, whose code is -1."""
    coded = contrast.take(codes, axis=0)
    if codes.min(initial=0) < 0:
        coded = coded.astype(np.float64)
        coded[codes < 0] = np.nan
    return coded


@dataclass(frozen=True, eq=False)
class CodedTerm:
    """A term of a formula and its columns.

    Parameters
    ----------
    name : str
        ``"days"``, ``"service:dept"``, ``"Intercept"``.
    pieces : tuple of ProductColumns
        More than one when coding without redundancy needs it.
    """

    name: str
    pieces: tuple[ProductColumns, ...]


@dataclass(frozen=True, eq=False)
class CodedMatrix:
    """All columns that one bar-free formula gives; see `Matrix`.

    Parameters
    ----------
    names : tuple of str
        Names of the columns.
    terms : tuple of CodedTerm
        In the order of the columns.
    """

    names: tuple[str, ...]
    terms: tuple[CodedTerm, ...]

    @property
    def slices(self) -> dict[str, slice]:
        """Columns of every term, by the name of the term."""
        found, start = {}, 0
        for term in self.terms:
            stop = start + sum(piece.width for piece in term.pieces)
            found[term.name] = slice(start, stop)
            start = stop
        return found

    @property
    def factors(self) -> tuple[CodedFactor, ...]:
        """Its factors, each once."""
        found: dict[CodedFactor, None] = {}
        for term in self.terms:
            for piece in term.pieces:
                found.update(dict.fromkeys(piece.factors))
        return tuple(found)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of data that are needed."""
        names = (name for factor in self.factors for name in factor.source.columns)
        return tuple(dict.fromkeys(names))

    def keeping(self, wanted: NDArray[np.bool_]) -> tuple[CodedMatrix, NDArray[np.intp]]:
        """Return the terms that have wanted columns, and where their columns are here."""
        parts = self.slices.values()
        kept = [bool(wanted[part].any()) for part in parts]
        columns = [np.arange(p.start, p.stop) for p, keep in zip(parts, kept, strict=True) if keep]
        terms = tuple(term for term, keep in zip(self.terms, kept, strict=True) if keep)
        positions = np.concatenate(columns) if columns else np.empty(0, dtype=np.intp)
        return CodedMatrix(tuple(self.names[i] for i in positions), terms), positions

    def fill(self, rows: Rows, out: Array) -> None:
        """Write the matrix of these rows into `out`, shape (n, len(names))."""
        start = 0
        for term in self.terms:
            for piece in term.pieces:
                piece.fill(rows, out[:, start : start + piece.width])
                start += piece.width


def response_values(matrix: Matrix, rows: Rows) -> tuple[Array, tuple[Any, ...] | None]:
    """Values of the left side; the codes and the levels of labels, NaN where one is missing."""
    if isinstance(matrix, CodedMatrix) and len(matrix.factors) == 1:
        factor = matrix.factors[0]
        if factor.categories is not None:
            codes = rows.value_of(factor)
            return np.where(codes < 0, np.nan, codes), tuple(factor.categories)
    y = np.empty((len(rows.index), len(matrix.names)))
    matrix.fill(rows, y)
    return (y[:, 0] if y.shape[1] == 1 else y), None
