"""Fitting one model to many responses: the structure is analysed once, starts are warm.

A refitter is made once and shared; each thread asks it for a worker of its own. A row of
what a worker returns holds, in the units of the data: objective, scale (sigma, or the
dispersion), coefficients, their standard errors, theta.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Event

import numpy as np
from numpy.typing import NDArray

from .._core import CoreDesign, CoreGeneralized, CoreWorkspace, Minimization, TermArrays
from ..basis import FixedBasis, orthonormal_basis
from ..crossprod import form_crossproducts
from ..design import Design
from ..errors import CoreError
from ..estimates import GeneralizedEstimates, LinearEstimates
from ..optimize import CONVERGED_DECREMENT, FitOptions
from .parameters import Components
from .simulate import Truth

__all__ = ["GeneralizedRefitter", "LinearRefitter", "Refitter", "make_refitter"]

Array = NDArray[np.float64]

# Rows that were fitted, shape (done, width), and whether each converged.
Worker = Callable[[Array, Event], tuple[Array, NDArray[np.bool_]]]

_TOLERANCES = {
    "ftol_rel": FitOptions.ftol_rel,
    "ftol_abs": FitOptions.ftol_abs,
    "xtol_rel": FitOptions.xtol_rel,
    "xtol_abs": FitOptions.xtol_abs,
    "log_capacity": 0,
}


def _converged(run: Minimization) -> bool:
    """Tell what `minimize` of the fits would say of a run."""
    negative = -1e-4 * max(1.0, abs(run.value) * 1e-4)
    return run.decrement <= CONVERGED_DECREMENT and run.min_eigenvalue >= negative


class LinearRefitter:
    """Refits a linear model to responses given without their fixed part.

    Parameters
    ----------
    design : Design
    estimates : LinearEstimates
        Say the criterion and a fixed sigma.
    truth : Truth
        Its theta is where fits start, its beta what the fixed part was.
    components : Components
    """

    def __init__(
        self, design: Design, estimates: LinearEstimates, truth: Truth, components: Components
    ) -> None:
        self._products = form_crossproducts(design)
        self._weights = design.weights
        self._estimates = estimates
        self._truth = truth
        self._components = components
        self._constant = self._products.constant(estimates.reml)
        self._inverse_r = _inverse(self._products.basis)

    def worker(self) -> Worker:
        """Return a worker for one thread."""
        core, scale = self._products.workspace.design, self._products.y_scale
        fixed = self._estimates.sigma / scale if self._estimates.sigma_fixed else 0.0
        workspace: CoreWorkspace | None = None

        def work(responses: Array, stop: Event) -> tuple[Array, NDArray[np.bool_]]:
            nonlocal workspace
            responses = responses / scale
            if workspace is None:
                workspace = CoreWorkspace(core, responses[0], self._weights)
                workspace.set_criterion(self._estimates.reml, fixed)
            count, p = len(responses), core.p
            scalars, theta = np.full((count, 3), np.nan), np.full((count, core.ntheta), np.nan)
            gamma, inverse = np.full((count, p), np.nan), np.full((count, p, p), np.nan)
            converged = np.zeros(count, dtype=bool)
            for r, y in enumerate(responses):
                if stop.is_set():
                    count = r
                    break
                workspace.set_response(y)
                try:
                    run = workspace.minimize(self._truth.theta, **_TOLERANCES)
                except CoreError:
                    continue
                solution = workspace.solution()
                converged[r] = _converged(run)
                scalars[r] = run.value, solution.pwrss, solution.dof
                theta[r], gamma[r], inverse[r] = run.theta, solution.beta, solution.xvx_inverse
            rows = self._rows(scalars[:count], theta[:count], gamma[:count], inverse[:count])
            return rows, converged[:count]

        return work

    def _rows(self, scalars: Array, theta: Array, gamma: Array, inverse: Array) -> Array:
        """Carry solutions back to the units of the data."""
        y_scale, R = self._products.y_scale, self._inverse_r
        value, pwrss, dof = scalars.T
        sigma = y_scale * np.sqrt(pwrss / dof)
        if self._estimates.sigma_fixed:
            sigma = np.where(np.isnan(value), np.nan, self._estimates.sigma)
        beta = self._truth.beta + np.einsum("ij,rj->ri", R, y_scale * gamma)
        variance = np.einsum("rij,ij->ri", R @ inverse, R)
        se = sigma[:, None] * np.sqrt(variance)
        head = np.column_stack([value + self._constant, sigma])
        return np.hstack([head, beta, se, self._components.rectify(theta)])


class GeneralizedRefitter:
    """Refits a generalized model by the approximation it was fitted by.

    Parameters
    ----------
    design : Design
    estimates : GeneralizedEstimates
        Say family, approximation and weights of its information.
    truth : Truth
        Where fits start.
    components : Components
    """

    def __init__(
        self, design: Design, estimates: GeneralizedEstimates, truth: Truth, components: Components
    ) -> None:
        self._design, self._estimates = design, estimates
        self._basis = orthonormal_basis(design.X, None)
        self._inverse_r = _inverse(self._basis)
        terms = [
            TermArrays(len(block.levels), block.refs, block.z, block.pattern)
            for block in design.blocks
        ]
        self._core = CoreDesign(terms, self._basis.Q)
        self._components = components
        nodes, weights = np.polynomial.hermite_e.hermegauss(estimates.n_agq)
        self._rule = nodes, np.log(weights / np.sqrt(2.0 * np.pi))
        self._gamma = self._basis.R @ truth.beta
        zeta = [np.log(truth.scale)] if estimates.spec.has_dispersion else []
        middle = [] if estimates.fast else self._gamma
        self._start = np.concatenate([truth.theta, middle, zeta])

    def worker(self) -> Worker:
        """Return a worker for one thread."""

        def work(responses: Array, stop: Event) -> tuple[Array, NDArray[np.bool_]]:
            width = 2 + 2 * self._core.p + self._core.ntheta
            rows = np.full((len(responses), width), np.nan)
            converged = np.zeros(len(responses), dtype=bool)
            for r, y in enumerate(responses):
                if stop.is_set():
                    return rows[:r], converged[:r]
                try:
                    rows[r], converged[r] = self._fit(y)
                except CoreError:
                    continue
            return rows, converged

        return work

    def _fit(self, y: Array) -> tuple[Array, bool]:
        """Fit one response; a new handle, because PIRLS remembers where it was."""
        estimates, design, spec = self._estimates, self._design, self._estimates.spec
        core = CoreGeneralized(
            self._core,
            spec.family,
            spec.link,
            y,
            weights=design.weights,
            offset=design.offset,
            power=spec.power,
            observed=estimates.hessian == "observed",
        )
        core.set_approximation(estimates.fast, *self._rule)
        if estimates.fast:
            core.set_beta(self._gamma)
        run = core.minimize(self._start, **_TOLERANCES)
        solution = core.solution()
        R = self._inverse_r
        se = np.sqrt(np.einsum("ij,jk,ik->i", R, solution.xvx_inverse, R))
        theta = self._components.rectify(run.theta[None, : self._core.ntheta])[0]
        head = [run.value, solution.dispersion]
        return np.concatenate([head, R @ solution.beta, se, theta]), _converged(run)


Refitter = LinearRefitter | GeneralizedRefitter


def _inverse(basis: FixedBasis) -> Array:
    """Return R^-1, shape (rank, rank)."""
    rank = len(basis.columns)
    return np.linalg.solve(basis.R, np.eye(rank)) if rank else np.empty((0, 0))


def make_refitter(
    design: Design,
    estimates: LinearEstimates | GeneralizedEstimates,
    truth: Truth,
    components: Components,
) -> Refitter:
    """Return the refitter of a fit."""
    if isinstance(estimates, LinearEstimates):
        return LinearRefitter(design, estimates, truth, components)
    return GeneralizedRefitter(design, estimates, truth, components)
