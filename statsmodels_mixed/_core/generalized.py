"""Owner of the C handle of a generalized model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ._smm import ffi, lib
from .boundary import check_status, doubles, floats, integers, is_trial_failure
from .families import ZEROS, core_family
from .memory import refuse_beyond_memory
from .minimizer import Minimizable, Minimization, run_minimizer
from .nlopt_python import FIRST_STEP
from .options import FitOptions
from .structure import CoreDesign
from .threads import blas_threads

__all__ = ["VANISHED", "CoreGeneralized", "GeneralizedSolution"]


# Share of the variance of the response below which rounding hides a dispersion.
VANISHED = float(lib.SMM_VANISHED)


@dataclass(frozen=True)
class GeneralizedSolution:
    """What a solved generalized model knows, in the units it was given.

    Parameters
    ----------
    beta : ndarray, shape (p,)
    u, b : ndarray, shape (q,)
    eta : ndarray, shape (n,)
    zeros : ndarray, shape (n,), or None
        The predictor of zeros, where it has random effects.
    xvx_inverse : ndarray, shape (p, p)
    condvar : tuple of ndarray, shape (l, k, k)
    loglik, usq, logdet_omega, dispersion : float
    pirls_steps : int
    saturated : float
        Log-likelihood of the saturated model.
    several_modes : bool
        Whether the starts of PIRLS led to different modes.
    """

    beta: Array
    u: Array
    b: Array
    eta: Array
    xvx_inverse: Array
    condvar: tuple[Array, ...]
    loglik: float
    usq: float
    logdet_omega: float
    dispersion: float
    pirls_steps: int
    saturated: float
    several_modes: bool
    zeros: Array | None = None


class CoreGeneralized:
    """A generalized model of one design: evaluate, minimize, solve; one thread at a time.

    Parameters
    ----------
    design : CoreDesign
    distribution, link : str
        Keys of `DISTRIBUTIONS` and `LINKS`.
    y : ndarray, shape (n,)
    weights, offset : ndarray, shape (n,), optional
    power : float
        Exponent of the power link.
    observed : bool
        Whether the Laplace approximation uses the observed information.

    Raises
    ------
    MemoryError
        If it needs more than there is.
    """

    # Whether the rows are in memory.
    has_rows = True

    def __init__(
        self,
        design: CoreDesign,
        distribution: str,
        link: str,
        y: Array,
        *,
        weights: Array | None = None,
        offset: Array | None = None,
        power: float = 1.0,
        observed: bool = False,
    ) -> None:
        shape = (design.n,)
        self.design = design
        refuse_beyond_memory(design.sizes)
        self._lock = threading.Lock()
        # As many as any call here can use; to be entered for several of them, too.
        self.threads = blas_threads(design.sizes["tail_size"])
        # C borrows these three for the lifetime of the handle
        self._y = floats(y, shape, "y")
        self._weights = None if weights is None else floats(weights, shape, "weights")
        self._offset = None if offset is None else floats(offset, shape, "offset")
        out = ffi.new("smm_glmm **")
        status = lib.smm_glmm_create(
            design.handle,
            core_family(distribution, link, power, observed),
            doubles(self._y),
            ffi.NULL if self._weights is None else doubles(self._weights),
            ffi.NULL if self._offset is None else doubles(self._offset),
            out,
        )
        check_status(status, "prepare the generalized model")
        # The closure keeps the design's handle until the model is destroyed.
        self.handle = ffi.gc(
            out[0], lambda handle, _design=design.handle: lib.smm_glmm_destroy(handle)
        )

    def set_sides(self, X: Sequence[Array | None], constant: Array, zeros: str) -> None:
        """Make the four parameters of a row besides eta linear; see `smm_glmm_set_sides`."""
        columns = next(x.shape[1] for x in X if x is not None)
        shape = (self.design.n, columns)
        self._sides = [None if x is None else floats(x, shape, "X") for x in X]
        pointers = ffi.new(
            "double *[4]", [ffi.NULL if x is None else doubles(x) for x in self._sides]
        )
        status = lib.smm_glmm_set_sides(
            self.handle,
            columns,
            pointers,
            doubles(floats(constant, (4,), "constant")),
            ZEROS[zeros],
        )
        check_status(status, "set the parameters of the rows")

    def set_approximation(self, fast: bool, nodes: Array, log_weights: Array) -> None:
        """Choose the approximation; one node is Laplace's."""
        nodes = floats(nodes, (len(nodes),), "nodes")
        log_weights = floats(log_weights, nodes.shape, "log_weights")
        with self.threads, self._lock:
            status = lib.smm_glmm_approximation(
                self.handle, int(fast), len(nodes), doubles(nodes), doubles(log_weights)
            )
        check_status(status, "set up the quadrature")

    def set_unit(self, unit: float, zeros: float = 1.0) -> None:
        """Give the typical size of a change in eta, and in the predictor of zeros."""
        units = np.array([unit, zeros])
        with self.threads, self._lock:
            check_status(lib.smm_glmm_set_unit(self.handle, doubles(units)), "set the unit")

    def set_beta(self, beta: Array) -> None:
        """Give the coefficients PIRLS starts from when it profiles them out."""
        beta = floats(beta, (self.design.p,), "beta")
        with self.threads, self._lock:
            check_status(lib.smm_glmm_set_beta(self.handle, doubles(beta)), "set beta")

    def without_effects(self, eta: Array, least: float) -> Array | None:
        """Return coefficients without random effects, (p,); None where rows do not tell them.

        From linear predictors, (n,), by reweighted least squares; see `smm.h`.
        """
        eta, beta = floats(eta, (self.design.n,), "eta"), np.empty(self.design.p)
        with self.threads, self._lock:
            status = lib.smm_glmm_without_effects(self.handle, doubles(eta), least, doubles(beta))
        if status == lib.SMM_ENOTPD:
            return None
        check_status(status, "find coefficients to start from")
        return beta

    def set_target(self, target: Array) -> None:
        """Give the responses on the scale of eta, near which a second mode is looked for."""
        target = floats(target, (self.design.n,), "target")
        with self.threads, self._lock:
            check_status(lib.smm_glmm_set_target(self.handle, doubles(target)), "set the target")

    def set_modes(self, u: Sequence[Array], beta: Array) -> None:
        """Give conditional modes that are known, one (l, k) array per term; see `smm.h`."""
        stacked = floats(np.concatenate([part.ravel() for part in u]), (self.design.q,), "u")
        beta = floats(beta, (self.design.p,), "beta")
        with self.threads, self._lock:
            status = lib.smm_glmm_set_modes(self.handle, doubles(stacked), doubles(beta))
        check_status(status, "set the conditional modes")

    def fresh_value(self, parameters: Array) -> float:
        """Return the objective as a new model would; NaN where PIRLS does not settle.

        The model is no longer solved where its derivatives are known.
        """
        with self.threads, self._lock:
            self._forget_modes()
            value = ffi.new("double *")
            status = lib.smm_glmm_value(self.handle, doubles(self._inward(parameters)), value)
        if not is_trial_failure(status):
            check_status(status, "evaluate the objective")
        return float(value[0])

    def forget_modes(self) -> None:
        """Forget the conditional modes found so far, as a new model has none."""
        with self._lock:
            self._forget_modes()

    def _forget_modes(self) -> None:
        check_status(lib.smm_glmm_forget_modes(self.handle), "forget the conditional modes")

    @property
    def several_modes_possible(self) -> bool:
        """Whether a second mode is looked for; see `set_target`."""
        return bool(lib.smm_glmm_several_possible(self.handle))

    @property
    def met_several_modes(self) -> bool:
        """Whether an evaluation since the model was made, or forgot its modes, found several."""
        return bool(lib.smm_glmm_met_several(self.handle))

    @property
    def met_edge(self) -> bool:
        """Whether nodes of quadrature that matter were outside the range of means since then."""
        return bool(lib.smm_glmm_met_edge(self.handle))

    @property
    def nparameters(self) -> int:
        """Number of parameters of the objective."""
        return int(lib.smm_glmm_parameters(self.handle))

    def value_and_gradient(self, parameters: Array) -> tuple[float, Array]:
        """Return the objective and its exact gradient; NaN where PIRLS does not settle."""
        value, gradient = self._value_and_gradient(self._inward(parameters))
        return value, self.design.coordinates.gradient_outward(gradient)

    def _inward(self, parameters: Array) -> Array:
        parameters = floats(parameters, (self.nparameters,), "parameters")
        return self.design.coordinates.inward(parameters)

    def _value_and_gradient(self, parameters: Array) -> tuple[float, Array]:
        count = self.nparameters
        value, gradient = ffi.new("double *"), np.full(count, np.nan)
        with self.threads, self._lock:
            status = lib.smm_glmm_value(self.handle, doubles(parameters), value)
            if status == lib.SMM_OK:
                status = lib.smm_glmm_gradient(self.handle, doubles(gradient))
        if not is_trial_failure(status):
            check_status(status, "evaluate the objective")
        return float(value[0]), gradient

    def parameter_sizes(self) -> Array:
        """Return the size of a parameter that the unit and its columns make typical."""
        sizes, ntheta = self._scale(), self.design.ntheta
        outward = self.design.coordinates.scale_outward(sizes[:ntheta])
        return np.concatenate([outward, sizes[ntheta:]])

    def _scale(self) -> Array:
        """Return the typical size of each of the core's parameters."""
        out = np.empty(self.nparameters)
        with self._lock:
            check_status(lib.smm_glmm_scale(self.handle, doubles(out)), "scale the parameters")
        return out

    def _first_steps(self, parameters: Array) -> Array | None:
        """Return sizes of an algorithm's first steps, as in csrc/src/minimize/nlopt.c."""
        value, gradient = self._value_and_gradient(parameters)
        if not (np.isfinite(value) and np.all(np.isfinite(gradient))):
            return None
        size = np.where(parameters != 0, np.abs(parameters), 1.0)
        known = np.maximum(np.diag(self._curvature()), 0.0)
        known[: self.design.ntheta] = 0.0
        with np.errstate(divide="ignore"):
            return np.minimum(FIRST_STEP / np.sqrt(known), size)

    def in_units(self, theta: Array) -> Array:
        """Return theta in the core's coordinates and in units where columns have mean square 1."""
        coordinates = self.design.coordinates
        return coordinates.inward(theta) * coordinates.column_sizes()

    def curvature(self) -> Array:
        """Return the approximate Hessian where the model is solved."""
        return self.design.coordinates.curvature_outward(self._curvature())

    def _curvature(self) -> Array:
        count = self.nparameters
        out = np.empty((count, count))
        with self.threads, self._lock:
            check_status(
                lib.smm_glmm_curvature(self.handle, doubles(out)), "evaluate the curvature"
            )
        return out

    def solution(self) -> GeneralizedSolution:
        """Return coefficients, modes and variances where the model is solved."""
        n, p, q = self.design.n, self.design.p, self.design.q
        beta, u, b, eta = (
            np.empty(p),
            np.empty(q),
            np.empty(q),
            np.empty(n * self.design.predictors if self.has_rows else 0),
        )
        inverse, condvar, scalars = (
            np.empty((p, p)),
            np.empty(self.design.condvar_size),
            np.empty(7),
        )
        with self.threads, self._lock:
            status = lib.smm_glmm_solution(
                self.handle,
                *(doubles(array) for array in (beta, u, b)),
                doubles(eta) if self.has_rows else ffi.NULL,
                *(doubles(array) for array in (inverse, condvar, scalars)),
            )
        check_status(status, "read the solution")
        blocks = self.design.coordinates.covariances(self.design.squares_by_term(condvar))
        b = self.design.effects_outward(b)
        loglik, usq, logdet, dispersion, steps, saturated, several = map(float, scalars)
        return GeneralizedSolution(
            beta,
            u,
            b,
            eta[:n],
            inverse,
            blocks,
            loglik,
            usq,
            logdet,
            dispersion,
            int(steps),
            saturated,
            several != 0,
            eta[n:] if len(eta) > n else None,
        )

    def leverage(self) -> Array:
        """Return the diagonal of d(fitted)/dy of the last weighted least squares, shape (n,)."""
        out = np.empty(self.design.n)
        with self.threads, self._lock:
            check_status(lib.smm_glmm_leverage(self.handle, doubles(out)), "compute leverages")
        return out

    def level_covariances(self, levels: NDArray[np.integer]) -> Array:
        """Return joint covariances with the expected weights; see `CoreWorkspace`."""
        levels, out = self.design.joint_blocks(levels)
        pointer = integers(levels)
        with self.threads, self._lock:
            status = lib.smm_glmm_level_covariances(self.handle, len(levels), pointer, doubles(out))
        check_status(status, "read joint covariances")
        return self.design.coordinates.joint_covariances(out)

    def mode_slopes(self) -> tuple[Array, ...]:
        """Return Lambda Omega^-1 Lambda'Z'WX, one (l, k, p) array per term."""
        out = np.empty((self.design.q, self.design.p))
        with self.threads, self._lock:
            check_status(
                lib.smm_glmm_mode_slopes(self.handle, doubles(out)), "differentiate the modes"
            )
        return self.design.coordinates.slopes(self.design.rows_by_term(out))

    def minimize(
        self, start: Array, options: FitOptions, *, log_capacity: int | None = None
    ) -> Minimization:
        """Minimize from `start`; see `CoreWorkspace.minimize`."""
        model = Minimizable(
            self.handle,
            lib.smm_glmm_newton,
            lib.smm_glmm_nlopt,
            lib.smm_glmm_end,
            self._lock,
            self._value_and_gradient,
            self._scale,
            first_steps=self._first_steps,
        )
        with self.threads:
            run = run_minimizer(model, self._inward(start), options, log_capacity)
        return run.outward(self.design.coordinates)
