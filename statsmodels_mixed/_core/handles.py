"""Owners of the C handles: they keep every array lent to C alive and check it once.

cffi releases the GIL during calls, so a workspace has a lock; a design is read-only
after its creation and needs none.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CoreError
from ._smm import ffi, lib
from .blas import blas_table
from .boundary import check, doubles, floats, is_trial_failure
from .minimizer import Minimization, run_minimizer

__all__ = ["CoreDesign", "CoreWorkspace", "Refits", "Solution", "TermArrays"]

Array = NDArray[np.float64]


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
    """

    levels: int
    refs: NDArray[np.int32]
    z: Array
    pattern: NDArray[np.bool_]


@dataclass(frozen=True)
class Solution:
    """What a solved workspace knows, in the units it was given.

    Parameters
    ----------
    beta : ndarray, shape (p,)
    u, b : ndarray, shape (q,)
        Term by term, level by level.
    xvx_inverse : ndarray, shape (p, p)
    pwrss, logdet_omega, logdet_xvx, dof : float
    """

    beta: Array
    u: Array
    b: Array
    xvx_inverse: Array
    pwrss: float
    logdet_omega: float
    logdet_xvx: float
    dof: float


@dataclass(frozen=True)
class Refits:
    """Fits of one model to m responses; NaN where a fit failed.

    Parameters
    ----------
    facts : ndarray, shape (m, 6)
        Objective, pwrss, its degrees of freedom, promised decrease, least eigenvalue of the
        curvature, why it ended (``smm_stop``).
    theta : ndarray, shape (m, ntheta)
    beta : ndarray, shape (m, p)
    xvx_inverse : ndarray, shape (m, p, p)
    """

    facts: Array
    theta: Array
    beta: Array
    xvx_inverse: Array


def _refs(refs: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return refs as C-ordered 32-bit integers, never changing a value."""
    out = np.ascontiguousarray(refs, dtype=np.int32)
    if out is not refs and not np.array_equal(out, refs):
        raise CoreError(f"refs of type {np.asarray(refs).dtype} do not fit 32-bit integers.")
    return out


class CoreDesign:
    """The analysed structure of a model.

    Parameters
    ----------
    terms : sequence of TermArrays
        The term with most random effects first.
    X : ndarray, shape (n, p)
        Fixed-effects columns.

    Raises
    ------
    CoreError
        If the arrays do not fit together or the model is too large.
    """

    def __init__(self, terms: Sequence[TermArrays], X: Array) -> None:
        if X.ndim != 2 or any(term.z.ndim != 2 for term in terms):
            raise CoreError("X and the z of every random-effects term must have two dimensions.")
        n, p = X.shape
        self.n: int = n
        self.p: int = p
        self.X = floats(X, (n, p), "X")
        self.shapes = tuple((term.levels, term.z.shape[1]) for term in terms)
        self.ntheta = int(sum(np.count_nonzero(term.pattern) for term in terms))
        self.q = sum(levels * cols for levels, cols in self.shapes)
        self.condvar_size = sum(levels * cols * cols for levels, cols in self.shapes)
        c_terms = ffi.new("smm_term[]", len(terms))
        keep = []
        for c_term, term, (levels, cols) in zip(c_terms, terms, self.shapes, strict=True):
            refs = _refs(term.refs)
            z = floats(term.z, (n, cols), "z")
            pattern = np.ascontiguousarray(term.pattern, dtype=np.uint8)
            if refs.shape != (n,) or pattern.shape != (cols, cols):
                raise CoreError("refs or pattern of a random-effects term has the wrong shape.")
            keep.append((refs, z, pattern))
            c_term.levels = levels
            c_term.cols = cols
            c_term.refs = ffi.cast("int32_t *", refs.ctypes.data)
            c_term.z = doubles(z)
            c_term.pattern = ffi.cast("uint8_t *", pattern.ctypes.data)
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
        check(status, "analyse the structure of the model")
        self.handle = ffi.gc(out[0], lib.smm_design_destroy)

    def by_term(self, values: Array) -> tuple[Array, ...]:
        """Cut values of all random effects, shape (q,), into one (l, k) array per term."""
        return self._cut(values, [(levels, cols) for levels, cols in self.shapes])

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
        parts = np.split(values, np.cumsum([math.prod(shape) for shape in shapes])[:-1])
        return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))

    def joint_blocks(self, levels: NDArray[np.integer]) -> tuple[NDArray[np.int32], Array]:
        """Return levels, shape (m, terms), as C takes them, and room for a K x K matrix of each."""
        if levels.ndim != 2 or levels.shape[1] != len(self.shapes):
            raise CoreError(
                f"levels has shape {levels.shape}, not a column for each of the "
                f"{len(self.shapes)} terms."
            )
        width = sum(cols for _, cols in self.shapes)
        return _refs(levels), np.empty((len(levels), width, width))

    @property
    def sizes(self) -> dict[str, int]:
        """Sizes of the analysed problem: n, q, p, head nodes, tail size, ..."""
        out = ffi.new("smm_sizes *")
        check(lib.smm_design_sizes(self.handle, out), "read its sizes")
        return {name: int(getattr(out, name)) for name, _ in ffi.typeof("smm_sizes").fields}


class CoreWorkspace:
    """The place of one thread's evaluations of one design.

    Parameters
    ----------
    design : CoreDesign
    y : ndarray, shape (n,)
        Response.
    weights : ndarray, shape (n,), optional
        Prior weights.
    """

    def __init__(self, design: CoreDesign, y: Array, weights: Array | None = None) -> None:
        self.design = design
        self._lock = threading.Lock()
        self._weights = None if weights is None else floats(weights, (design.n,), "weights")
        out = ffi.new("smm_workspace **")
        check(lib.smm_workspace_create(design.handle, out), "allocate its workspace")
        # the closure keeps the design's handle until the workspace is destroyed
        self.handle = ffi.gc(
            out[0], lambda handle, _design=design.handle: lib.smm_workspace_destroy(handle)
        )
        self._call(lib.smm_crossprod, "form the cross-products", y)

    def _call(self, function: Any, doing: str, y: Array) -> None:
        y = floats(y, (self.design.n,), "y")
        with self._lock:
            status = function(self.handle, doubles(y), self._weight_pointer())
        check(status, doing)

    def _weight_pointer(self) -> Any:
        return ffi.NULL if self._weights is None else doubles(self._weights)

    def set_response(self, y: Array) -> None:
        """Replace the response, keeping all else."""
        self._call(lib.smm_crossprod_y, "form the cross-products", y)

    def reweight(self, y: Array, weights: Array) -> None:
        """Take other weights and a response; rows of weight zero do not count."""
        self._weights = floats(weights, (self.design.n,), "weights")
        self._call(lib.smm_crossprod, "form the cross-products", y)

    def set_criterion(self, reml: bool, sigma: float = 0.0) -> None:
        """Choose ML or REML, and a fixed sigma (0: profiled)."""
        with self._lock:
            check(lib.smm_set_criterion(self.handle, int(reml), sigma), "set the criterion")

    def theta_scale(self) -> Array:
        """Typical size of each element of theta, shape (ntheta,)."""
        out = np.empty(self.design.ntheta)
        with self._lock:
            check(lib.smm_theta_scale(self.handle, doubles(out)), "scale theta")
        return out

    def _value(self, theta: Array) -> float:
        """Evaluate; NaN when the matrix is not positive definite. The lock is held."""
        out = ffi.new("double *")
        status = lib.smm_value(self.handle, doubles(theta), out)
        if not is_trial_failure(status):
            check(status, "evaluate the objective")
        return float(out[0])

    def _gradient(self) -> Array:
        out = np.empty(self.design.ntheta)
        check(lib.smm_gradient(self.handle, doubles(out)), "evaluate the gradient")
        return out

    def value(self, theta: Array) -> float:
        """Return the objective at theta; NaN where it cannot be evaluated."""
        theta = floats(theta, (self.design.ntheta,), "theta")
        with self._lock:
            return self._value(theta)

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return the objective and its gradient, leaving the workspace solved at theta."""
        theta = floats(theta, (self.design.ntheta,), "theta")
        with self._lock:
            value = self._value(theta)
            if np.isnan(value):
                return value, np.full(self.design.ntheta, np.nan)
            return value, self._gradient()

    def curvature(self) -> Array:
        """Return the approximate Hessian where the workspace is solved."""
        nt = self.design.ntheta
        out = np.empty((nt, nt))
        with self._lock:
            check(lib.smm_curvature(self.handle, doubles(out)), "evaluate the curvature")
        return out

    def gradient(self) -> Array:
        """Return the gradient where the workspace was last evaluated."""
        with self._lock:
            return self._gradient()

    def solution(self) -> Solution:
        """Return coefficients, conditional modes and determinants where it is solved."""
        p, q = self.design.p, self.design.q
        beta, u, b = np.empty(p), np.empty(q), np.empty(q)
        inverse, scalars = np.empty((p, p)), np.empty(4)
        with self._lock:
            status = lib.smm_solution(
                self.handle,
                doubles(beta),
                doubles(u),
                doubles(b),
                doubles(inverse),
                doubles(scalars),
            )
        check(status, "read the solution")
        r2, logdet_omega, logdet_xvx, dof = (float(value) for value in scalars)
        return Solution(beta, u, b, inverse, r2, logdet_omega, logdet_xvx, dof)

    def condvar(self) -> tuple[Array, ...]:
        """Return Var(b | y) / sigma^2 of every level, one (l, k, k) array per term."""
        out = np.empty(self.design.condvar_size)
        with self._lock:
            check(lib.smm_condvar(self.handle, doubles(out)), "read conditional variances")
        return self.design.squares_by_term(out)

    def leverage(self) -> Array:
        """Return the diagonal of d(fitted)/dy, shape (n,)."""
        out = np.empty(self.design.n)
        with self._lock:
            status = lib.smm_leverage(self.handle, self._weight_pointer(), doubles(out))
        check(status, "compute leverages")
        return out

    def level_covariances(self, levels: NDArray[np.integer]) -> Array:
        """Return joint covariances over sigma^2 of the random effects of given levels.

        Parameters
        ----------
        levels : ndarray of int, shape (m, terms)
            A level of every term, -1 for none.

        Returns
        -------
        ndarray, shape (m, K, K)
            With the columns of all terms; zero where a term has no level.
        """
        levels, out = self.design.joint_blocks(levels)
        pointer = ffi.cast("int32_t *", levels.ctypes.data)
        with self._lock:
            status = lib.smm_level_covariances(self.handle, len(levels), pointer, doubles(out))
        check(status, "read joint covariances")
        return out

    def mode_slopes(self) -> tuple[Array, ...]:
        """Return Lambda Omega^-1 Lambda'Z'WX, one (l, k, p) array per term."""
        out = np.empty((self.design.q, self.design.p))
        with self._lock:
            check(lib.smm_mode_slopes(self.handle, doubles(out)), "differentiate the modes")
        return self.design.rows_by_term(out)

    def minimize(
        self, theta: Array, *, algorithm: int | None = None, **options: Any
    ) -> Minimization:
        """Minimize the objective from theta, leaving the workspace solved at the end.

        Parameters
        ----------
        theta : ndarray, shape (ntheta,)
            Start.
        algorithm : int, optional
            NLopt's number of an algorithm; Newton steps when omitted.
        **options
            See `run_minimizer`.
        """
        return run_minimizer(
            self.handle,
            lib.smm_newton,
            lib.smm_nlopt_minimize,
            floats(theta, (self.design.ntheta,), "theta"),
            self._lock,
            evaluate=self.value_and_gradient,
            curvature=self.curvature,
            scale=self.theta_scale,
            algorithm=algorithm,
            **options,
        )

    def refit(
        self,
        responses: Array,
        theta: Array,
        stop: NDArray[np.int32],
        *,
        ftol_rel: float,
        ftol_abs: float,
        xtol_rel: float,
        xtol_abs: float,
    ) -> Refits:
        """Fit the model to many responses by Newton steps, each from theta.

        Parameters
        ----------
        responses : ndarray, shape (m, n)
        theta : ndarray, shape (ntheta,)
            Start.
        stop : ndarray of int32, shape (1,)
            Another thread sets it to end the run; the fits done by then are returned.
        ftol_rel, ftol_abs, xtol_rel, xtol_abs : float
            Tolerances; 0 switches a test off.
        """
        count, p, nt = len(responses), self.design.p, self.design.ntheta
        responses = floats(responses, (count, self.design.n), "responses")
        start = floats(theta, (nt,), "theta")
        facts, ends = np.empty((count, 6)), np.empty((count, nt))
        beta, inverse = np.empty((count, p)), np.empty((count, p, p))
        options = ffi.new("smm_options *")
        options.ftol_rel, options.ftol_abs = ftol_rel, ftol_abs
        options.xtol_rel, options.xtol_abs = xtol_rel, xtol_abs
        done = ffi.new("int64_t *")
        with self._lock:
            status = lib.smm_refit(
                self.handle,
                count,
                doubles(responses),
                self._weight_pointer(),
                options,
                doubles(start),
                ffi.cast("int32_t *", stop.ctypes.data),
                doubles(ends),
                doubles(beta),
                doubles(inverse),
                doubles(facts),
                done,
            )
        check(status, "fit the model to responses")
        rows = slice(int(done[0]))
        return Refits(facts[rows], ends[rows], beta[rows], inverse[rows])
