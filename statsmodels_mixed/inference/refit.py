"""Fitting one model to many responses: the structure is analysed once, starts are warm.

A refitter is made once and shared; each thread asks it for a worker of its own. A row of
what a worker returns holds, in the units of the data: objective, scale (sigma, or the
dispersion), coefficients, their standard errors, theta.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._core import CoreWorkspace, Refits
from ..approximation import core_model, working_basis
from ..basis import FixedBasis
from ..crossprod import core_design, form_crossproducts
from ..design import Design
from ..errors import CoreError
from ..estimates import GeneralizedEstimates, LinearEstimates
from ..optimize import FitOptions, settled
from .parameters import Components
from .simulate import Truth

__all__ = ["Flag", "Refitter", "Worker", "make_refitter"]

Array = NDArray[np.float64]

# One number that other threads set to 1 to end a run.
Flag = NDArray[np.int32]
# (responses, flag) -> rows of those that were fitted before the flag was set, and whether
# each converged.
Worker = Callable[[Array, Flag], tuple[Array, NDArray[np.bool_]]]

_TOLERANCES: dict[str, Any] = {
    "ftol_rel": FitOptions.ftol_rel,
    "ftol_abs": FitOptions.ftol_abs,
    "xtol_rel": FitOptions.xtol_rel,
    "xtol_abs": FitOptions.xtol_abs,
}


def _fit_each(workspace: CoreWorkspace, responses: Array, start: Array, stop: Flag) -> Refits:
    """Fit a linear model to responses, shape (m, n), until the flag is set."""
    return workspace.refit(responses, start, stop, **_TOLERANCES)


def _inverse(basis: FixedBasis) -> Array:
    """Return R^-1, shape (rank, rank)."""
    rank = len(basis.columns)
    return np.asarray(np.linalg.solve(basis.R, np.eye(rank)), dtype=float).reshape(rank, rank)


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
        self._estimates, self._truth, self._components = estimates, truth, components
        self._constant = self._products.constant(estimates.reml)
        self._inverse_r = _inverse(self._products.basis)

    def worker(self) -> Worker:
        """Return a worker for one thread."""
        core, scale = self._products.workspace.design, self._products.y_scale
        workspace = CoreWorkspace(core, np.zeros(core.n), self._weights)
        fixed = self._estimates.sigma / scale if self._estimates.sigma_fixed else 0.0
        workspace.set_criterion(self._estimates.reml, fixed)

        def work(responses: Array, stop: Flag) -> tuple[Array, NDArray[np.bool_]]:
            fits = _fit_each(workspace, responses / scale, self._truth.theta, stop)
            value, _, _, decrement, min_eigenvalue, _ = fits.facts.T
            return self._rows(fits), np.asarray(settled(value, decrement, min_eigenvalue))

        return work

    def _rows(self, fits: Refits) -> Array:
        """Carry fits back to the units of the data."""
        y_scale, R = self._products.y_scale, self._inverse_r
        value, pwrss, dof = fits.facts.T[:3]
        sigma = y_scale * np.sqrt(pwrss / dof)
        if self._estimates.sigma_fixed:
            sigma = np.where(np.isnan(value), np.nan, self._estimates.sigma)
        beta = self._truth.beta + np.einsum("ij,rj->ri", R, y_scale * fits.beta)
        variance = np.einsum("rij,ij->ri", R @ fits.xvx_inverse, R)
        se = sigma[:, None] * np.sqrt(variance)
        head = np.column_stack([value + self._constant, sigma])
        return np.hstack([head, beta, se, self._components.rectify(fits.theta)])


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
        self._design, self._estimates, self._components = design, estimates, components
        self._basis = working_basis(design)
        self._inverse_r = _inverse(self._basis)
        self._core = core_design(design, self._basis.Q)
        self._gamma = self._basis.R @ truth.beta
        zeta = [np.log(truth.scale)] if estimates.spec.has_dispersion else []
        middle = self._gamma[: 0 if estimates.fast else None]
        self._start = np.concatenate([truth.theta, middle, zeta])

    def worker(self) -> Worker:
        """Return a worker for one thread."""

        def work(responses: Array, stop: Flag) -> tuple[Array, NDArray[np.bool_]]:
            width = 2 + 2 * self._core.p + self._core.ntheta
            rows = np.full((len(responses), width), np.nan)
            facts = np.full((len(responses), 3), np.nan)
            done = len(responses)
            for r, y in enumerate(responses):
                if stop[0]:
                    done = r
                    break
                try:
                    rows[r], facts[r] = self._fit(y)
                except CoreError:
                    continue
            return rows[:done], np.asarray(settled(*facts[:done].T))

        return work

    def _fit(self, y: Array) -> tuple[Array, tuple[float, float, float]]:
        """Fit one response; a new handle, because PIRLS remembers where it was."""
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
        if estimates.fast:
            core.set_beta(self._gamma)
        run = core.minimize(self._start, log_capacity=0, **_TOLERANCES)
        solution = core.solution()
        R = self._inverse_r
        se = np.sqrt(np.einsum("ij,jk,ik->i", R, solution.xvx_inverse, R))
        theta = self._components.rectify(run.theta[None, : self._core.ntheta])[0]
        row = np.concatenate([[run.value, solution.dispersion], R @ solution.beta, se, theta])
        return row, (run.value, run.decrement, run.min_eigenvalue)


Refitter = LinearRefitter | GeneralizedRefitter


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
