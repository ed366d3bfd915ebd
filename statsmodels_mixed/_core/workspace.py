"""The owner of the handle of a workspace, the place of one thread's evaluations.

It keeps every array lent to C alive and checks it once. cffi releases the GIL during calls, so
a workspace has a lock.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..later import Method
from ._smm import ffi, lib
from .boundary import check_status, doubles, floats, integers, is_trial_failure
from .memory import refuse_beyond_memory
from .minimizer import Minimizable, Minimization, run_minimizer
from .options import FitOptions
from .structure import CoreDesign
from .threads import blas_threads

if TYPE_CHECKING:
    from .refits import refit
else:
    refit = Method("_core.refits:refit")

__all__ = ["CoreEstimates", "CoreSolution", "CoreWorkspace"]


class CoreSolution(NamedTuple):
    """What a solved workspace knows, in the units it was given.

    Attributes
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


class CoreEstimates(NamedTuple):
    """What a solved workspace knows, in the units of the data; see ``smm_estimates``.

    Attributes
    ----------
    scalars : list of float
        As the last four of `CoreSolution`; log|X'V^-1 X| is that of the basis of X.
    beta : ndarray, shape (p,)
    covariance : ndarray, shape (p, p)
    errors : ndarray, shape (p,)
    inverse : ndarray, shape (p, p)
        The covariance on the basis of X.
    root : ndarray, shape (p, p)
        Upper triangle with root root' = inverse.
    back : ndarray, shape (p, p)
        What takes coefficients on the basis to those of X; see `FixedBasis.inverse`.
    u, b : tuple of ndarray, shape (l, k)
        By term.
    effects : ndarray, shape (n,)
        Z b.
    """

    scalars: list[float]
    beta: Array
    covariance: Array
    errors: Array
    inverse: Array
    root: Array
    back: Array
    u: tuple[Array, ...]
    b: tuple[Array, ...]
    effects: Array


class CoreWorkspace:
    """The place of one thread's evaluations of one design.

    Parameters
    ----------
    design : CoreDesign
    y : ndarray, shape (n,)
        Response.
    weights : ndarray, shape (n,), optional
        Prior weights.
    nobs : int, optional
        How many rows those of the design stand for, if others are zero.
    """

    refit = refit

    def __init__(
        self, design: CoreDesign, y: Array, weights: Array | None = None, nobs: int | None = None
    ) -> None:
        self.design = design
        self.nobs = design.n if nobs is None else nobs
        self.lock = threading.Lock()
        # As many as any call here can use; to be entered for several of them, too.
        sizes = design.sizes
        self.threads = blas_threads(sizes["tail_size"])
        refuse_beyond_memory(sizes)
        self._weights = None if weights is None else floats(weights, (design.n,), "weights")
        out = ffi.new("smm_workspace **")
        check_status(lib.smm_workspace_create(design.handle, out), "allocate its workspace")
        # The closure keeps the design's handle until the workspace is destroyed.
        self.handle = ffi.gc(
            out[0], lambda handle, _design=design.handle: lib.smm_workspace_destroy(handle)
        )
        self._kept_scale: Array | None = None
        self._call(lib.smm_crossprod, "form the cross-products", y)
        if nobs is not None:
            check_status(lib.smm_set_rows(self.handle, nobs), "set the number of rows")

    def _call(self, function: Any, doing: str, y: Array) -> None:
        given = floats(y, (self.design.n,), "y")
        with self.threads, self.lock:
            status = function(self.handle, doubles(given), self.weight_pointer())
        check_status(status, doing)
        self._y = given  # C keeps it, or after a failure the one before
        self.lent: tuple[Array, ...] = ()  # responses of `refit` of which it may keep one instead

    def weight_pointer(self) -> Any:
        """Return the weights for C."""
        return ffi.NULL if self._weights is None else doubles(self._weights)

    def set_response(self, y: Array) -> None:
        """Replace the response, keeping all else."""
        self._call(lib.smm_crossprod_y, "form the cross-products", y)

    def take_columns(self) -> None:
        """Form everything anew, after columns of the design have changed."""
        self._kept_scale = None
        self._call(lib.smm_crossprod, "form the cross-products", self._y)

    def reweight(self, y: Array, weights: Array) -> None:
        """Take other weights and a response; rows of weight zero do not count."""
        self._weights = floats(weights, (self.design.n,), "weights")
        self._kept_scale = None
        self._call(lib.smm_crossprod, "form the cross-products", y)

    @property
    def response(self) -> Array:
        """The response that the cross-products are of, shape (n,)."""
        return self._y

    def set_criterion(self, reml: bool, sigma: float = 0.0) -> None:
        """Choose ML or REML, and a fixed sigma (0: profiled)."""
        with self.lock:
            check_status(lib.smm_set_criterion(self.handle, int(reml), sigma), "set the criterion")

    def set_precision(self, always: bool) -> None:
        """Choose twice the digits of doubles everywhere, or only where these lose too many."""
        with self.lock:
            check_status(lib.smm_set_precision(self.handle, int(always)), "set the precision")

    def theta_scale(self) -> Array:
        """Typical size of each element of theta, shape (ntheta,)."""
        return self.design.coordinates.scale_outward(self._scale())

    def identity(self) -> Array:
        """Return the theta of T = I where the columns of z are orthogonal with unit mean square."""
        return self.design.coordinates.identity(self._scale())

    def moments(self) -> Array:
        """Return a theta from moments of the levels' effects; the workspace is not solved there."""
        out = np.empty(self.design.ntheta)
        with self.threads, self.lock:
            check_status(lib.smm_moments(self.handle, doubles(out)), "find a start")
        return self.design.coordinates.outward(out)

    def in_units(self, theta: Array) -> Array:
        """Return theta in the core's coordinates and in units where columns have mean square 1."""
        return self.inward(theta) / self._scale()

    def from_units(self, theta: Array) -> Array:
        """Return the theta that `in_units` takes to this one, but for the signs of columns of T."""
        return self.design.coordinates.outward(self._scale() * theta)

    def _scale(self) -> Array:
        """Return the typical size of each element of the core's theta; of the weights, not of y."""
        if self._kept_scale is None:
            out = np.empty(self.design.core_ntheta)
            with self.lock:
                check_status(lib.smm_theta_scale(self.handle, doubles(out)), "scale theta")
            self._kept_scale = out[self.design.theta_rows] if self.design.by_factors else out
            self._kept_scale.flags.writeable = False
        return self._kept_scale

    def inward(self, theta: Array) -> Array:
        """Return theta in the core's coordinates, after checking its size."""
        return self.design.coordinates.inward(floats(theta, (self.design.ntheta,), "theta"))

    def _value(self, inner: Array) -> float:
        """Evaluate; NaN when the matrix is not positive definite. The lock is held."""
        out = ffi.new("double *")
        if self.design.by_factors:
            factors = np.zeros(self.design.factors_size)
            factors[self.design.in_factors] = inner
            status = lib.smm_value_factors(self.handle, doubles(factors), out)
        else:
            status = lib.smm_value(self.handle, doubles(inner), out)
        if not is_trial_failure(status):
            check_status(status, "evaluate the objective")
        return float(out[0])

    def _gradient(self) -> Array:
        if self.design.by_factors:
            full = np.empty(self.design.factors_size)
            status = lib.smm_gradient_factors(self.handle, doubles(full))
            check_status(status, "evaluate the gradient")
            return np.asarray(2.0 * full[self.design.in_factors])
        out = np.empty(self.design.ntheta)
        check_status(lib.smm_gradient(self.handle, doubles(out)), "evaluate the gradient")
        return out

    def _value_and_gradient(self, inner: Array) -> tuple[float, Array]:
        with self.threads, self.lock:
            value = self._value(inner)
            if np.isnan(value):
                return value, np.full(self.design.ntheta, np.nan)
            return value, self._gradient()

    def _curvature(self) -> Array:
        nt = self.design.ntheta
        out = np.empty((nt, nt))
        with self.threads, self.lock:
            check_status(lib.smm_curvature(self.handle, doubles(out)), "evaluate the curvature")
        return out

    def value(self, theta: Array) -> float:
        """Return the objective at theta; NaN where it cannot be evaluated."""
        inner = self.inward(theta)
        with self.threads, self.lock:
            return self._value(inner)

    def share_left(self, theta: Array) -> float:
        """Return the share r2 / y'Wy at theta from doubles alone; NaN if nothing surely is left."""
        out = ffi.new("double *")
        inner = self.inward(theta)
        with self.threads, self.lock:
            status = lib.smm_share_left(self.handle, doubles(inner), out)
        if not is_trial_failure(status):
            check_status(status, "evaluate what is left of the response")
        return float(out[0])

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return the objective and its gradient, leaving the workspace solved at theta."""
        value, gradient = self._value_and_gradient(self.inward(theta))
        return value, self.design.coordinates.gradient_outward(gradient)

    def curvature(self) -> Array:
        """Return the approximate Hessian where the workspace is solved."""
        return self.design.coordinates.curvature_outward(self._curvature())

    def gradient(self) -> Array:
        """Return the gradient where the workspace was last evaluated."""
        with self.threads, self.lock:
            gradient = self._gradient()
        return self.design.coordinates.gradient_outward(gradient)

    def scores(self) -> tuple[Array, ...]:
        """Return Z'V^-1 (y - X beta), one (l, k) array per term, where it is solved."""
        out = np.empty(self.design.q)
        with self.threads, self.lock:
            check_status(lib.smm_scores(self.handle, doubles(out)), "read the scores")
        return self.design.coordinates.duals(self.design.by_term(out))

    def information(self, directions: Sequence[Array]) -> Array:
        """Return W'Z'P Z W, where P = V^-1 less what the fixed effects take up.

        Parameters
        ----------
        directions : sequence of ndarray, shape (l, k, m)
            W: m random effects of every level, by term.

        Returns
        -------
        ndarray, shape (m, m)
        """
        parts = self.design.coordinates.effects_inward(directions)
        m = directions[0].shape[2]
        W = np.concatenate([part.reshape(-1, m) for part in parts])
        out, most = np.empty((m, m)), self.design.core_ntheta
        for start in range(0, m, most):
            some = np.ascontiguousarray(W[:, start : start + most])
            projected = np.empty_like(some)
            with self.threads, self.lock:
                status = lib.smm_project(
                    self.handle, some.shape[1], doubles(some), doubles(projected)
                )
            check_status(status, "compute the average information")
            out[:, start : start + most] = W.T @ projected
        return (out + out.T) / 2.0

    def solution(self) -> CoreSolution:
        """Return coefficients, conditional modes and determinants where it is solved."""
        p, q = self.design.p, self.design.q
        beta, u, b = np.empty(p), np.empty(q), np.empty(q)
        inverse, scalars = np.empty((p, p)), np.empty(4)
        with self.threads, self.lock:
            status = lib.smm_solution(
                self.handle,
                doubles(beta),
                doubles(u),
                doubles(b),
                doubles(inverse),
                doubles(scalars),
            )
        check_status(status, "read the solution")
        r2, logdet_omega, logdet_xvx, dof = (float(value) for value in scalars)
        b = self.design.effects_outward(b)
        return CoreSolution(beta, u, b, inverse, r2, logdet_omega, logdet_xvx, dof)

    def estimates(self, scale: float, gamma: Array, R: Array | None) -> CoreEstimates:
        """Return the solution where it is solved in the units of the data; arrays are read-only.

        Parameters
        ----------
        scale : float
            What the response was divided by.
        gamma : ndarray, shape (p,)
            Coefficients on the basis of X that were taken off the response before that.
        R : ndarray, shape (p, p), Fortran order, or None
            Upper triangle that makes X of its basis; None for coefficients on the basis.
        """
        design = self.design
        p, q = design.p, design.q
        out = np.empty(4 + 2 * p + 4 * p * p + 2 * q + design.n)
        triangle = ffi.NULL if R is None else doubles(R.T)
        with self.threads, self.lock:
            status = lib.smm_estimates(self.handle, scale, doubles(gamma), triangle, doubles(out))
        check_status(status, "read the solution")
        out.flags.writeable = False
        errors = 4 + p + p * p
        root = errors + p + p * p
        back = root + p * p
        u = back + p * p
        b = u + q
        modes = design.by_term(out[b : b + q])
        return CoreEstimates(
            scalars=out[:4].tolist(),
            beta=out[4 : 4 + p],
            covariance=out[4 + p : errors].reshape(p, p),
            errors=out[errors : errors + p],
            inverse=out[errors + p : root].reshape(p, p),
            root=out[root:back].reshape(p, p).T,
            back=out[back:u].reshape(p, p).T,
            u=design.by_term(out[u:b]),
            b=modes if design.coordinates.trivial else design.coordinates.effects(modes),
            effects=out[b + q :],
        )

    def root(self) -> Array:
        """Return the upper triangle U with U U' = (X'V^-1 X)^-1, shape (p, p)."""
        return self.estimates(1.0, np.zeros(self.design.p), None).root

    def condvar(self) -> tuple[Array, ...]:
        """Return Var(b | y) / sigma^2 of every level, one (l, k, k) array per term."""
        out = np.empty(self.design.condvar_size)
        with self.threads, self.lock:
            check_status(lib.smm_condvar(self.handle, doubles(out)), "read conditional variances")
        return self.design.coordinates.covariances(self.design.squares_by_term(out))

    def leverage(self) -> Array:
        """Return the diagonal of d(fitted)/dy, shape (n,)."""
        out = np.empty(self.design.n)
        with self.threads, self.lock:
            status = lib.smm_leverage(self.handle, self.weight_pointer(), doubles(out))
        check_status(status, "compute leverages")
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
        pointer = integers(levels)
        with self.threads, self.lock:
            status = lib.smm_level_covariances(self.handle, len(levels), pointer, doubles(out))
        check_status(status, "read joint covariances")
        return self.design.coordinates.joint_covariances(out)

    def row_errors(self, levels: NDArray[np.int32], z: Array, x: Array) -> Array:
        """Return variances over sigma^2 of x'(beta^ - beta) + z'(b^ - b), shape (m,).

        They keep more digits than what `level_covariances` gives, one row at a time.

        Parameters
        ----------
        levels : ndarray of int, shape (m, terms)
            A level of every term, -1 for none.
        z : ndarray, shape (m, K)
            Columns of all terms.
        x : ndarray, shape (m, p)
        """
        design = self.design
        ends = np.cumsum([cols for _, cols in design.shapes])[:-1]
        inward = design.coordinates.columns_inward(np.split(z, ends, axis=1))
        z, x = np.ascontiguousarray(np.hstack(inward)), np.ascontiguousarray(x)
        levels, out = np.ascontiguousarray(levels), np.empty(len(x))
        with self.threads, self.lock:
            status = lib.smm_row_errors(
                self.handle, len(x), integers(levels), doubles(z), doubles(x), doubles(out)
            )
        check_status(status, "compute errors of rows")
        return out

    def mode_slopes(self) -> tuple[Array, ...]:
        """Return Lambda Omega^-1 Lambda'Z'WX, one (l, k, p) array per term."""
        out = np.empty((self.design.q, self.design.p))
        with self.threads, self.lock:
            check_status(lib.smm_mode_slopes(self.handle, doubles(out)), "differentiate the modes")
        return self.design.coordinates.slopes(self.design.rows_by_term(out))

    def minimize(
        self, theta: Array, options: FitOptions, *, log_capacity: int | None = None
    ) -> Minimization:
        """Minimize the objective from theta, leaving the workspace solved at the end.

        Parameters
        ----------
        theta : ndarray, shape (ntheta,)
            Start.
        options : FitOptions
            The minimizer, tolerances and limits.
        log_capacity : int, optional
            How many evaluations are logged at most.
        """
        model = Minimizable(
            self.handle,
            lib.smm_newton,
            lib.smm_nlopt_minimize,
            lib.smm_end,
            self.lock,
            self._value_and_gradient,
            self._scale,
        )
        with self.threads:
            run = run_minimizer(model, self.inward(theta), options, log_capacity)
        return run.outward(self.design.coordinates)
