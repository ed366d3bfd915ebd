"""Fitting one model to many responses: the structure is analysed once, starts are warm.

A refitter is made once and shared; each thread asks it for a worker of its own. A row of
what a worker returns holds, in the units of the data: objective, scale (sigma, or the
dispersion), coefficients, their standard errors, theta. `fitter` gives the same with whole
covariance matrices, for tests of several coefficients.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._core import CoreWorkspace, Refits
from ..errors import CoreError
from ..fitting.approximation import core_model, join_parameters, working_basis
from ..fitting.crossprod import core_design, form_crossproducts
from ..fitting.estimates import Estimates, GeneralizedEstimates, LinearEstimates
from ..fitting.fixed_basis import FixedBasis
from ..fitting.generalized_start import row_unit
from ..fitting.optimize import FitOptions, settled
from ..fitting.separation import separation
from ..fitting.warm_start import generalized_theta, inside, inside_theta
from ..frame.design import Design
from ..results.parameters import Components
from ..simulation.simulator import Truth

__all__ = ["Fits", "Fitter", "Flag", "Refitter", "Worker", "make_refitter"]

Array = NDArray[np.float64]

# One number that other threads set to 1 to end a run.
Flag = NDArray[np.int32]
# (draws, flag) -> rows of those that were fitted before the flag was set, and whether each
# converged. Draws are responses, or whatever else data are made from, one in a row.
Worker = Callable[[NDArray[Any], Flag], tuple[Array, NDArray[np.bool_]]]

_TOLERANCES: dict[str, Any] = {
    "ftol_rel": FitOptions.ftol_rel,
    "ftol_abs": FitOptions.ftol_abs,
    "xtol_rel": FitOptions.xtol_rel,
    "xtol_abs": FitOptions.xtol_abs,
}


class Fits(NamedTuple):
    """Fits of one model to m responses, in the units of the data; NaN where one failed.

    Attributes
    ----------
    objective, scale : ndarray, shape (m,)
    beta : ndarray, shape (m, rank)
    covariance : ndarray, shape (m, rank, rank)
        Of the coefficients, given theta.
    theta : ndarray, shape (m, n_theta)
    converged : ndarray of bool, shape (m,)
    separated : ndarray, shape (m, rank)
        1 or -1 where a coefficient goes to plus or minus infinity, else 0.
    """

    objective: Array
    scale: Array
    beta: Array
    covariance: Array
    theta: Array
    converged: NDArray[np.bool_]
    separated: Array

    @classmethod
    def unknown(cls, count: int, rank: int, ntheta: int) -> Fits:
        """Return fits yet to be filled in."""
        shapes = (count,), (count,), (count, rank), (count, rank, rank), (count, ntheta)
        a, b, c, d, e = (np.full(shape, np.nan) for shape in shapes)
        return cls(a, b, c, d, e, np.zeros(count, dtype=bool), np.zeros((count, rank)))

    def first(self, count: int) -> Fits:
        """Return the first few."""
        a, b, c, d, e = (part[:count] for part in self[:5])
        return Fits(a, b, c, d, e, self.converged[:count], self.separated[:count])

    def rows(self) -> Array:
        """Return the numbers of every fit in a row, infinite coefficients as such."""
        se = np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))
        infinite = self.separated != 0
        se = np.where(infinite, np.nan, se)
        beta = np.where(infinite, np.copysign(np.inf, self.separated), self.beta)
        head = np.column_stack([self.objective, self.scale])
        return np.hstack([head, beta, se, self.theta])


# (responses, flag) -> fits of those that were fitted before the flag was set.
Fitter = Callable[[Array, Flag], Fits]


class Refitter(ABC):
    """Fits one model to many responses."""

    @abstractmethod
    def fitter(self) -> Fitter:
        """Return what fits in one thread."""

    def worker(self) -> Worker:
        """Return what fits in one thread, and returns rows."""
        fit = self.fitter()

        def work(responses: NDArray[Any], stop: Flag) -> tuple[Array, NDArray[np.bool_]]:
            fits = fit(responses, stop)
            return fits.rows(), fits.converged

        return work


def _fit_each(workspace: CoreWorkspace, responses: Array, start: Array, stop: Flag) -> Refits:
    """Fit a linear model to responses, shape (m, n), until the flag is set."""
    return workspace.refit(responses, start, stop, **_TOLERANCES)


def _inverse(basis: FixedBasis) -> Array:
    """Return R^-1, shape (rank, rank)."""
    rank = len(basis.columns)
    return np.asarray(np.linalg.solve(basis.R, np.eye(rank)), dtype=float).reshape(rank, rank)


class LinearRefitter(Refitter):
    """Refits a linear model to responses given without their fixed part.

    Parameters
    ----------
    design : Design
    estimates : LinearEstimates
        Say the criterion and a fixed sigma.
    truth : Truth
        Its theta is where fits start, moved inside its range; its beta what the fixed part was.
    components : Components
    """

    def __init__(
        self, design: Design, estimates: LinearEstimates, truth: Truth, components: Components
    ) -> None:
        self._products = form_crossproducts(design)
        self._weights = design.weights
        self._estimates, self._truth, self._components = estimates, truth, components
        self._constant = self._products.constant(estimates.reml)
        self._inverse_r = _inverse(self._products.basis)
        workspace = self._products.workspace
        coordinates = workspace.design.coordinates
        self._start = inside_theta(truth.theta, workspace.identity(), coordinates)

    def fitter(self) -> Fitter:
        """Return what fits in one thread."""
        core, scale = self._products.workspace.design, self._products.y_scale
        workspace = CoreWorkspace(core, np.zeros(core.n), self._weights)
        fixed = self._estimates.sigma / scale if self._estimates.sigma_fixed else 0.0
        workspace.set_criterion(self._estimates.reml, fixed)

        def fit(responses: Array, stop: Flag) -> Fits:
            return self._fits(_fit_each(workspace, responses / scale, self._start, stop))

        return fit

    def _fits(self, fits: Refits) -> Fits:
        """Carry fits back to the units of the data."""
        y_scale, R = self._products.y_scale, self._inverse_r
        value, pwrss, dof, decrement, min_eigenvalue, _ = fits.facts.T
        sigma = y_scale * np.sqrt(pwrss / dof)
        if self._estimates.sigma_fixed:
            sigma = np.where(np.isnan(value), np.nan, self._estimates.sigma)
        return Fits(
            objective=value + self._constant,
            scale=sigma,
            beta=self._truth.beta + np.einsum("ij,rj->ri", R, y_scale * fits.beta),
            covariance=sigma[:, None, None] ** 2 * (R @ fits.xvx_inverse @ R.T),
            theta=self._components.rectify(fits.theta),
            # sigma of the size of rounding errors is on its way to zero
            converged=np.asarray(settled(value, decrement, min_eigenvalue))
            & (sigma > self._products.rounding),
            separated=np.zeros(fits.beta.shape),
        )


class GeneralizedRefitter(Refitter):
    """Refits a generalized model by the approximation it was fitted by.

    Parameters
    ----------
    design : Design
    estimates : GeneralizedEstimates
        Say family, approximation and weights of its information.
    truth : Truth
        Where fits start, moved inside its range.
    components : Components
    """

    def __init__(
        self, design: Design, estimates: GeneralizedEstimates, truth: Truth, components: Components
    ) -> None:
        self._design, self._estimates, self._components = design, estimates, components
        self._basis = working_basis(design)
        self._inverse_r = _inverse(self._basis)
        self._X = design.X[:, self._basis.columns]
        self._core = core_design(design, self._basis.Q)
        self._gamma = self._basis.R @ truth.beta
        spec = estimates.spec
        at = join_parameters(spec, truth.theta, self._gamma, truth.scale, fast=estimates.fast)
        zeta = float(np.log(truth.scale))
        self._unit = row_unit(spec, design.y, estimates.eta, design.weights, zeta)
        coordinates = self._core.coordinates
        usual = generalized_theta(coordinates, self._unit)
        self._start = inside(spec, design.y, at, usual, coordinates)

    def fitter(self) -> Fitter:
        """Return what fits in one thread."""

        def fit(responses: Array, stop: Flag) -> Fits:
            fits = Fits.unknown(len(responses), self._core.p, self._core.ntheta)
            for r, y in enumerate(responses):
                if stop[0]:
                    fits = fits.first(r)
                    break
                with suppress(CoreError):
                    self._fit(y, fits, r)
            return fits._replace(theta=self._components.rectify(fits.theta))

        return fit

    def _fit(self, y: Array, out: Fits, r: int) -> None:
        """Fit response r; a new handle, because PIRLS remembers where it was."""
        estimates, design, spec = self._estimates, self._design, self._estimates.spec
        core = core_model(
            self._core,
            design,
            spec,
            y,
            n_agq=estimates.n_agq,
            fast=estimates.fast,
            hessian=estimates.hessian,
        )
        core.set_unit(self._unit)
        if estimates.fast:
            core.set_beta(self._gamma)
        run = core.minimize(self._start, log_capacity=0, **_TOLERANCES)
        solution = core.solution()
        R = self._inverse_r
        out.objective[r], out.scale[r] = run.value, solution.dispersion
        out.beta[r], out.covariance[r] = R @ solution.beta, R @ solution.xvx_inverse @ R.T
        out.theta[r] = run.theta[: self._core.ntheta]
        out.converged[r] = settled(run.value, run.decrement, run.min_eigenvalue)
        out.separated[r] = separation(
            self._X, y, spec, out.covariance[r], converged=bool(out.converged[r])
        ).sign


def make_refitter(
    design: Design,
    estimates: Estimates,
    truth: Truth,
    components: Components,
) -> Refitter:
    """Return the refitter of a fit."""
    if isinstance(estimates, LinearEstimates):
        return LinearRefitter(design, estimates, truth, components)
    assert isinstance(estimates, GeneralizedEstimates)
    return GeneralizedRefitter(design, estimates, truth, components)
