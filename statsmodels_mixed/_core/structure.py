"""The owner of the handle of an analysed structure.

It keeps every array lent to C alive and checks it once; it is read-only after its creation, so
threads may share it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._frozen import quickly_made
from .._typing import Array
from ..errors import CoreError, DataError
from ._smm import ffi, lib
from .blas import blas_table
from .boundary import check_status, doubles, floats, integers
from .coordinates import TermCoordinates

__all__ = ["CoreDesign", "TermArrays"]

# What the core can number.
MOST_THETA = 32767


_SIZES = [name for name, _ in ffi.typeof("smm_sizes").fields]
_read_sizes = attrgetter(*_SIZES)


@quickly_made
@dataclass(frozen=True)
class TermArrays:
    """One random-effects term as the core sees it.

    Parameters
    ----------
    levels : int
        Number of levels l.
    refs : ndarray of int32, shape (n,)
        Level of each row.
    z : ndarray, shape (n, k)
        Columns of the term, by row.
    pattern : ndarray of bool, shape (k, k)
        Free elements of T.
    prior : scipy.sparse.csc_array, shape (l, l), optional
        Lower triangle, with sorted rows and the whole diagonal, of the precision Q of the levels:
        their effects before T have precision Q, not I.
    prior_logdet : float, optional
        log|Q|, where it is known without a factorization.
    level_sd : float
        A typical standard deviation that Q gives to a level.
    predictor : int
        0 if the term is of the linear predictor eta, 1 if of that of zeros; see `smm.h`.
    """

    levels: int
    refs: NDArray[np.int32]
    z: Array
    pattern: NDArray[np.bool_]
    prior: Any = None
    level_sd: float = 1.0
    predictor: int = 0
    prior_logdet: float | None = None


def _refs(refs: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return refs as C-ordered 32-bit integers, never changing a value."""
    out = np.ascontiguousarray(refs, dtype=np.int32)
    if out is not refs and not np.array_equal(out, refs):
        raise CoreError(f"refs of type {np.asarray(refs).dtype} do not fit 32-bit integers.")
    return out


def _lower(term: TermArrays) -> tuple[Any, tuple[Any, ...]]:
    """Return the prior of a term as C takes it, and what must live as long."""
    if term.prior is None:
        return ffi.NULL, ()
    if term.prior.shape != (term.levels, term.levels):
        raise CoreError(f"prior has shape {term.prior.shape} for {term.levels} levels.")
    at = np.ascontiguousarray(term.prior.indptr, dtype=np.int64)
    row = np.ascontiguousarray(term.prior.indices, dtype=np.int32)
    value = floats(term.prior.data, (len(row),), "prior")
    lower = ffi.new("smm_lower *")
    lower.at = ffi.from_buffer("int64_t[]", at)
    lower.row = integers(row)
    lower.value = doubles(value)
    logdet = ffi.NULL if term.prior_logdet is None else ffi.new("double *", term.prior_logdet)
    lower.logdet = logdet
    return lower, (lower, at, row, value, logdet)


def _places(pattern: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return where the free elements of T, column by column, are in a column-major matrix."""
    columns, rows = np.nonzero(np.asarray(pattern).T)
    return columns * len(pattern) + rows


def _refuse_many_elements(count: int) -> None:
    """Refuse covariance matrices with more free elements than the core can number."""
    if count > MOST_THETA:
        raise DataError(
            f"the covariance matrices of random effects have {count} elements, more than "
            f"{MOST_THETA}: take fewer places or columns left of a bar, by rounding times for "
            "instance."
        )


class CoreDesign:
    """The analysed structure of a model.

    Parameters
    ----------
    terms : sequence of TermArrays
        The term with most random effects first.
    X : ndarray, shape (n, p)
        Fixed-effects columns.
    weights : ndarray, shape (n,), optional
        Weights of the rows, for the choice of coordinates: see `TermCoordinates`. Handles made of
        this design work in these; the classes that own them take and give everything in the
        coordinates of the terms.
    coordinates : TermCoordinates, optional
        Coordinates of more rows than these, to use in place of those of these.
    by_factors : bool
        Give the core T itself in place of theta: its work then does not grow with the number of
        free elements, which for covariances that are functions of few parameters are many. There
        is no minimizer and no curvature.

    Raises
    ------
    CoreError
        If the arrays do not fit together or the model is too large.
    DataError
        If covariance matrices have too many elements.
    """

    def __init__(
        self,
        terms: Sequence[TermArrays],
        X: Array,
        weights: Array | None = None,
        *,
        coordinates: TermCoordinates | None = None,
        by_factors: bool = False,
    ) -> None:
        if X.ndim != 2 or any([term.z.ndim != 2 for term in terms]):
            raise CoreError("X and the z of every random-effects term must have two dimensions.")
        n, p = X.shape
        self.n: int = n
        self.p: int = p
        self.X = floats(X, (n, p), "X")
        self._place_effects(terms)
        self.coordinates = coordinates or TermCoordinates(terms, weights)
        self.ntheta = self.coordinates.ntheta
        columns = self.coordinates.z
        if coordinates is not None:
            columns = coordinates.columns_inward([term.z for term in terms])
        self.by_factors = by_factors
        self.core_ntheta = sum([cols for _, cols in self.shapes]) if by_factors else self.ntheta
        _refuse_many_elements(self.core_ntheta)
        if by_factors:
            self._place_factors(terms)
        c_terms = ffi.new("smm_term[]", len(terms))
        keep: list[Any] = []
        for c_term, term, z, (levels, cols) in zip(
            c_terms, terms, columns, self.shapes, strict=True
        ):
            refs = _refs(term.refs)
            z = floats(z, (n, cols), "z")
            free = np.eye(cols) if by_factors else term.pattern
            pattern = np.ascontiguousarray(free, dtype=np.uint8)
            keep.append((refs, z, pattern))
            c_term.levels = levels
            c_term.cols = cols
            c_term.refs = integers(refs)
            c_term.z = doubles(z)
            c_term.pattern = ffi.from_buffer("uint8_t[]", pattern)
            c_term.predictor = term.predictor
            c_term.prior, lent = _lower(term)
            keep.append(lent)
        self._keep = keep  # C borrows refs and z for the lifetime of the handle
        out = ffi.new("smm_design **")
        status = lib.smm_design_create(
            blas_table(),
            ffi.NULL,
            n,
            len(terms),
            c_terms,
            p,
            doubles(self.X) if p else ffi.NULL,
            out,
        )
        check_status(status, "analyse the structure of the model")
        self.handle = ffi.gc(out[0], lib.smm_design_destroy)
        # Read now: a property that is computed once has a lock, which a fork may find held.
        sizes = ffi.new("smm_sizes *")
        check_status(lib.smm_design_sizes(self.handle, sizes), "read its sizes")
        self.sizes: dict[str, int] = dict(zip(_SIZES, _read_sizes(sizes), strict=True))

    def _place_effects(self, terms: Sequence[TermArrays]) -> None:
        """Check the arrays of the terms, and note where the effects of each are among all."""
        n = self.n
        self.q = self.condvar_size = 0
        self.predictors: int = 1
        self._parts: list[tuple[int, int, tuple[int, int]]] = []
        for term in terms:
            levels, cols = shape = term.levels, term.z.shape[1]
            self._parts.append((self.q, self.q + levels * cols, shape))
            self.q += levels * cols
            self.condvar_size += levels * cols * cols
            if term.z.shape != (n, cols):
                raise CoreError(f"z has shape {term.z.shape}, not {(n, cols)}.")
            if term.refs.shape != (n,) or term.pattern.shape != (cols, cols):
                raise CoreError("refs or pattern of a random-effects term has the wrong shape.")
            if term.predictor >= self.predictors:
                self.predictors = 1 + term.predictor
        self.shapes = tuple([shape for _, _, shape in self._parts])

    def _place_factors(self, terms: Sequence[TermArrays]) -> None:
        """Note where the elements of theta are in the factors, term by term in C's layout."""
        at = np.cumsum([0, *(cols * cols for _, cols in self.shapes)]).tolist()
        self.factors_size: int = at[-1]
        none = [np.empty(0, dtype=np.intp)]
        self.in_factors = np.concatenate(
            none
            + [start + _places(term.pattern) for start, term in zip(at[:-1], terms, strict=True)]
        )
        ends = np.cumsum([0, *(cols for _, cols in self.shapes)])
        self.theta_rows = np.concatenate(
            none
            + [
                end + np.nonzero(term.pattern.T)[1]
                for end, term in zip(ends[:-1], terms, strict=True)
            ]
        )

    def set_columns(self, term: int, columns: slice, values: Array) -> None:
        """Replace columns of z of a term, shape (n, k), in which the core sees them as they are.

        What was made of them, the cross-products of workspaces, must be formed again.
        """
        if not self.coordinates.trivial:
            raise CoreError("columns that change are not in coordinates of the core.")
        self._keep[2 * term][1][:, columns] = values
        self.coordinates.forget_sizes()

    def by_term(self, values: Array) -> tuple[Array, ...]:
        """Cut values of all random effects, shape (q,), into one (l, k) array per term."""
        return tuple([values[start:stop].reshape(shape) for start, stop, shape in self._parts])

    def squares_by_term(self, values: Array) -> tuple[Array, ...]:
        """Cut a k x k matrix of every level into one (l, k, k) array per term."""
        return self._cut(values, [(levels, cols, cols) for levels, cols in self.shapes])

    def rows_by_term(self, values: Array) -> tuple[Array, ...]:
        """Cut a row for every random effect, shape (q, p), into one (l, k, p) array per term."""
        width = values.shape[1]
        return self._cut(
            values.reshape(-1), [(levels, cols, width) for levels, cols in self.shapes]
        )

    @staticmethod
    def _cut(values: Array, shapes: Sequence[tuple[int, ...]]) -> tuple[Array, ...]:
        parts, start = [], 0
        for shape in shapes:
            stop = start + math.prod(shape)
            parts.append(values[start:stop].reshape(shape))
            start = stop
        return tuple(parts)

    def effects_outward(self, b: Array) -> Array:
        """Return all random effects, shape (q,), for those in the core's coordinates."""
        if self.coordinates.trivial:
            return b
        parts = self.coordinates.effects(self.by_term(b))
        return np.concatenate([part.ravel() for part in parts])

    def joint_blocks(self, levels: NDArray[np.integer]) -> tuple[NDArray[np.int32], Array]:
        """Return levels, shape (m, terms), as C takes them, and room for a K x K matrix of each."""
        if levels.ndim != 2 or levels.shape[1] != len(self.shapes):
            raise CoreError(
                f"levels has shape {levels.shape}, not a column for each of the "
                f"{len(self.shapes)} terms."
            )
        width = sum(cols for _, cols in self.shapes)
        return _refs(levels), np.empty((len(levels), width, width))
