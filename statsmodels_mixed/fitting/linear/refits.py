"""Fits of one linear model to other responses, or without some rows; see `refits.Refits`."""

from __future__ import annotations

import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from ..._core import CoreDesign, CoreWorkspace
from ..._typing import Array
from ...frame.design import Design
from ..crossprod import form_crossproducts
from ..estimates import LinearEstimates
from ..fixed_effects.basis import residual_response
from ..refits import Fits, Fitter, Flag, Refit, RowNumbers
from ..search.optimize import FitOptions, minimize, settled
from ..search.warm_start import inside_theta

if TYPE_CHECKING:
    from ..._core.refits import CoreFits

__all__ = ["LinearRefits"]


def _fit_each(workspace: CoreWorkspace, responses: Array, start: Array, stop: Flag) -> CoreFits:
    """Fit a linear model to responses, shape (m, n), until the flag is set."""
    return workspace.refit(responses, start, stop, FitOptions())


class LinearRefits:
    """A linear model ready to be fitted again; the methods are those of `Refits`.

    Parameters
    ----------
    design : Design
    estimates : LinearEstimates
        Say the criterion and a fixed sigma.
    theta : ndarray, shape (n_theta,)
        Where fits start, moved inside its range.
    beta : ndarray, shape (rank,)
        The coefficients of the fixed part that responses are given without.
    """

    def __init__(
        self, design: Design, estimates: LinearEstimates, theta: Array, beta: Array
    ) -> None:
        self._products = form_crossproducts(design)
        self._design, self._estimates, self._beta = design, estimates, beta
        workspace = self._products.workspace
        self.basis, self.core = self._products.basis, workspace.design
        self._constant = self._products.constant(estimates.reml)
        self._start = inside_theta(theta, workspace.identity(), self.core.coordinates)

    def _workspace(self, y: Array, weights: Array | None) -> CoreWorkspace:
        """Return a workspace of the criterion, for one thread."""
        own = self._estimates
        workspace = CoreWorkspace(self._core_of_thread(), y, weights)
        fixed = own.sigma / self._products.y_scale if own.sigma_fixed else 0.0
        workspace.set_criterion(own.reml, fixed)
        return workspace

    def _core_of_thread(self) -> CoreDesign:
        """Return the analysed design, which threads share: it is never written."""
        return self.core

    @property
    def tail_size(self) -> int:
        """Order of the dense matrix that is factored."""
        return int(self.core.sizes["tail_size"])

    # Other responses.

    def fitter(self) -> Fitter:
        """Return what fits to responses without their fixed part, in one thread."""
        workspace = self._workspace(np.zeros(self.core.n), self._design.weights)

        def fit(responses: NDArray[Any], stop: Flag) -> Fits:
            scaled = responses / self._products.y_scale
            return self._fits(_fit_each(workspace, scaled, self._start, stop))

        return fit

    def _fits(self, fits: CoreFits) -> Fits:
        """Carry fits back to the units of the data."""
        y_scale, R = self._products.y_scale, self.basis.inverse
        value, pwrss, dof, decrement, min_eigenvalue, _ = fits.facts.T
        sigma = y_scale * np.sqrt(pwrss / dof)
        if self._estimates.sigma_fixed:
            sigma = np.where(np.isnan(value), np.nan, self._estimates.sigma)
        return Fits(
            objective=value + self._constant,
            scale=sigma,
            beta=self._beta + np.einsum("ij,rj->ri", R, y_scale * fits.beta),
            covariance=sigma[:, None, None] ** 2 * (R @ fits.xvx_inverse @ R.T),
            theta=fits.theta,
            # A sigma of the size of rounding errors is on its way to zero.
            converged=np.asarray(settled(value, decrement, min_eigenvalue))
            & (sigma > self._products.rounding),
            separated=np.zeros(fits.beta.shape),
        )

    # Fewer rows.

    @cached_property
    def full(self) -> Array:
        """Coefficients on the basis of the fit to all rows, less those of least squares."""
        workspace = self._workspace(self._residual, self._design.weights)
        workspace.value_and_gradient(self._estimates.theta)
        return np.asarray(self._products.y_scale * workspace.solution().beta)

    @cached_property
    def _weights(self) -> Array:
        weights = self._design.weights
        return np.ones(self.core.n) if weights is None else weights

    @cached_property
    def _residual(self) -> Array:
        """The response less its regression on X, of unit variance."""
        design = self._design
        y = design.y_less_offset
        return residual_response(y, design.X, self.basis, design.weights)[1]

    @cached_property
    def _reweighted(self) -> CoreWorkspace:
        return self._workspace(self._residual, self._weights)

    def for_thread(self) -> Self:
        """Return the same with a workspace of its own."""
        other = copy.copy(self)
        other.__dict__.pop("_reweighted", None)
        return other

    def share_without(self, rows: RowNumbers) -> Array:
        """Return what is left of Q'WQ = I without these rows."""
        Q = self.basis.Q[rows]
        return np.asarray(np.eye(Q.shape[1]) - (Q * self._weights[rows, None]).T @ Q)

    def without(self, rows: RowNumbers) -> Refit:
        """Fit the model with weight zero for some rows."""
        estimates, basis, products = self._estimates, self.basis, self._products
        shift = self._without_rows(rows)
        workspace = self._reweighted
        report = minimize(workspace, self._start, FitOptions())
        raw = workspace.solution()
        sigma = estimates.sigma
        if not estimates.sigma_fixed:
            sigma = products.y_scale * float(np.sqrt(raw.pwrss / raw.dof))
        gamma = products.y_scale * (shift + raw.beta)
        return Refit(
            basis.coefficients(products.gamma + gamma),
            sigma**2 * basis.covariance(raw.xvx_inverse),
            report.end,
            sigma,
            report.objective + self._constant_without(rows, raw.dof),
            report.converged and sigma > products.rounding,
            gamma,
            (sigma / estimates.sigma) ** 2 * raw.xvx_inverse,
        )

    def _without_rows(self, rows: RowNumbers) -> Array:
        """Take rows away; return the coefficients on Q of what was taken off the response."""
        basis = self.basis
        # What the remaining rows leave of the response: an outlier may have bent all residuals.
        moment = (basis.Q[rows] * self._weights[rows, None]).T @ self._residual[rows]
        shift = -np.linalg.solve(self.share_without(rows), moment)
        weights = self._weights.copy()
        weights[rows] = 0.0
        self._reweighted.reweight(self._residual - basis.Q @ shift, weights)
        return np.asarray(shift)

    def _constant_without(self, rows: RowNumbers, dof: float) -> float:
        """Return the objective in the units of the data less that of the workspace."""
        products = self._products
        # As in `Crossproducts.constant`, of the rows that remain.
        log_weights = products.log_weights - np.log(self._weights[rows]).sum()
        constant = 2.0 * dof * np.log(products.y_scale) - log_weights
        if self._estimates.reml:
            constant += self.basis.logdet
        return float(constant)
