"""Owner of the C handle of a generalized model whose rows pass by in batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ._smm import ffi, lib
from .boundary import check_status, doubles, floats, integers
from .families import core_family
from .generalized import CoreGeneralized
from .memory import refuse_beyond_memory
from .minimizer import Minimization
from .options import FitOptions
from .structure import CoreDesign
from .threads import blas_threads

__all__ = ["CoreStreamed", "RowsOfBatch"]


class RowsOfBatch(NamedTuple):
    """Rows of a model, as the core sees them.

    Attributes
    ----------
    y, weights, offset : ndarray, shape (n,)
        The latter two may be None.
    X : ndarray, shape (n, p)
    refs : sequence of ndarray of int32, shape (n,)
        Levels, by term.
    z : sequence of ndarray, shape (n, k)
        Columns of each term in the core's coordinates.
    """

    y: Array
    weights: Array | None
    offset: Array | None
    X: Array
    refs: Sequence[NDArray[np.int32]]
    z: Sequence[Array]


class _Passes:
    """Runs through the batches for C, keeps alive what C borrows, and what went wrong."""

    def __init__(self, batches: Callable[[], Iterator[RowsOfBatch]], design: CoreDesign) -> None:
        self.batches, self.design = batches, design
        self.rest: Iterator[RowsOfBatch] = iter(())
        self.kept: Any = None
        self.error: BaseException | None = None

    def give(self, restart: int, out: Any) -> int:
        """Give the next batch, or the first one."""
        if self.error is not None:
            return 1
        if restart:
            self.rest = self.batches()
        rows = next(self.rest, None)
        self.kept = None
        if rows is None:
            return 0
        n, p = len(rows.y), self.design.p
        columns = [floats(rows.y, (n,), "y"), floats(rows.X, (n, p), "X")]
        given = {"weights": rows.weights, "offset": rows.offset}
        optional = {
            name: floats(values, (n,), name) for name, values in given.items() if values is not None
        }
        shapes = self.design.shapes
        z = [floats(each, (n, k), "z") for each, (_, k) in zip(rows.z, shapes, strict=True)]
        refs = [np.ascontiguousarray(each, dtype=np.int32) for each in rows.refs]
        pointers = (
            ffi.new("int32_t *[]", [integers(each) for each in refs]),
            ffi.new("double *[]", [doubles(each) for each in z]),
        )
        out.n, out.y = n, doubles(columns[0])
        if p:
            out.X = doubles(columns[1])
        for name, values in optional.items():
            setattr(out, name, doubles(values))
        out.refs = ffi.cast("int32_t **", pointers[0])
        out.z = ffi.cast("double **", pointers[1])
        self.kept = columns, optional, z, refs, pointers
        return 0


def _next_raised(kind: Any, error: Any, traceback: Any) -> int:
    """Keep what a batch raised, Ctrl-C included; C gives up, and Python raises it then."""
    ctx = traceback.tb_frame.f_locals["ctx"]
    ffi.from_handle(ctx).error = error
    return 1


@ffi.def_extern(onerror=_next_raised)  # type: ignore[untyped-decorator]
def smm_python_next(ctx: Any, restart: int, batch: Any) -> int:
    """Give C a batch."""
    passes: _Passes = ffi.from_handle(ctx)
    return passes.give(restart, batch)


class CoreStreamed(CoreGeneralized):
    """A `CoreGeneralized` whose rows pass by in batches; by the Laplace approximation.

    Parameters
    ----------
    design : CoreDesign
        Of rows in which each pair of levels occurs that occurs in any.
    distribution, link : str
        Keys of `DISTRIBUTIONS` and `LINKS`.
    batches : callable
        Starts a pass over the rows.
    rows, batch_rows : int
        Number of rows, and of those of a batch at most.
    weighted : bool
        Whether rows have weights.
    column_sizes : ndarray
        Root mean square of each column of Z in the core's coordinates, term after term.
    row_unit : float
        The change in eta that one row can detect, where the dispersion is 1.
    power, observed
        As for `CoreGeneralized`.
    fast : bool
        Profile the coefficients out.

    Raises
    ------
    MemoryError
        If it needs more than there is.
    """

    has_rows = False

    def __init__(
        self,
        design: CoreDesign,
        distribution: str,
        link: str,
        batches: Callable[[], Iterator[RowsOfBatch]],
        *,
        rows: int,
        batch_rows: int,
        weighted: bool,
        column_sizes: Array,
        row_unit: float,
        power: float = 1.0,
        observed: bool = False,
        fast: bool = False,
    ) -> None:
        self.design = design
        refuse_beyond_memory(design.sizes)
        self._lock = threading.Lock()
        self.threads = blas_threads(design.sizes["tail_size"])
        self._passes = _Passes(batches, design)
        context = ffi.new_handle(self._passes)
        sizes = floats(column_sizes, (sum(k for _, k in design.shapes),), "column_sizes")
        out = ffi.new("smm_glmm **")
        status = lib.smm_glmm_create_streamed(
            design.handle,
            core_family(distribution, link, power, observed),
            rows,
            batch_rows,
            int(weighted),
            doubles(sizes),
            row_unit,
            lib.smm_python_next,
            context,
            out,
        )
        check_status(status, "prepare the generalized model")
        # The closure keeps the design's handle, and the context, until the model is destroyed.
        self.handle = ffi.gc(
            out[0],
            lambda handle, _kept=(design.handle, context): lib.smm_glmm_destroy(handle),
        )
        self.set_approximation(fast, np.zeros(1), np.zeros(1))

    @property
    def passes(self) -> int:
        """How often the rows have passed by."""
        return int(lib.smm_glmm_passes(self.handle))

    def minimize(
        self, start: Array, options: FitOptions, *, log_capacity: int | None = None
    ) -> Minimization:
        """Minimize from `start`; see `CoreWorkspace.minimize`."""
        with self._errors():
            return super().minimize(start, options, log_capacity=log_capacity)

    def value_and_gradient(self, parameters: Array) -> tuple[float, Array]:
        """Return the objective and its exact gradient; NaN where PIRLS does not settle."""
        with self._errors():
            return super().value_and_gradient(parameters)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raise what a batch raised, in place of what C makes of it."""
        try:
            yield
        finally:
            error, self._passes.error = self._passes.error, None
            if error is not None:
                raise error
