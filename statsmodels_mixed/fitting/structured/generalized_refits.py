"""Fits of a generalized model with covariance structures to other data; see `refits.Refits`."""

from __future__ import annotations

import numpy as np

from ..._core import CoreGeneralized, Minimization
from ..._typing import Array
from ...frame.design import Design
from ..estimates import GeneralizedEstimates
from ..generalized.refits import GeneralizedRefits
from ..search.trust_region import minimize_newton
from .apart import ColumnsApart
from .covariance_model import CovarianceModel, inside_phi
from .generalized import ROUNDING, TOLERANCE, StructuredApproximation

__all__ = ["StructuredGeneralizedRefits"]


class StructuredGeneralizedRefits(GeneralizedRefits):
    """A generalized model with covariance structures ready to be fitted again.

    Parameters
    ----------
    design : Design
    estimates : GeneralizedEstimates
        Whose structures say where fits start.
    theta, beta, dispersion : ndarray, ndarray, float
        Where the other parameters start.
    """

    def __init__(
        self,
        design: Design,
        estimates: GeneralizedEstimates,
        theta: Array,
        beta: Array,
        dispersion: float,
    ) -> None:
        self._user = CovarianceModel(design)
        self._other = ColumnsApart.of(design, None)
        if self._other is not None:
            design, estimates = self._other.design, self._other.inner(estimates)
            theta = self._other.theta_inward(theta)
        super().__init__(design, estimates, theta, beta, dispersion)
        assert estimates.structured is not None
        model = CovarianceModel(design)
        phi = inside_phi(model, estimates.structured.phi, self._unit)
        self._n_reported = model.n_reported
        self._begin = np.concatenate([model.x(phi), self._start[self.core.ntheta :]])

    def _minimize(self, model: CoreGeneralized) -> tuple[Minimization, Array | None]:
        objective = StructuredApproximation.of(model, self._design, self._unit)
        run = minimize_newton(objective, self._begin, tolerance=TOLERANCE, rounding=ROUNDING)
        end = objective.parameters(run.end, ridge=0.0)
        value, gradient = model.value_and_gradient(end)
        if not np.isfinite(value):
            end = objective.parameters(run.end)
            value, gradient = model.value_and_gradient(end)
        ntheta = self.core.ntheta
        units = model.in_units(end[:ntheta]) / self._unit
        x = run.end[: objective.model.size]
        if self._other is not None:
            x, end = self._other.outward(x), self._other.theta_outward(end)
        shown = self._user.row(x, units)
        minimization = Minimization(
            theta=end,
            status=run.status,
            evaluations=run.evaluations,
            gradients=run.evaluations,
            failures=run.failures,
            value=value,
            decrement=run.decrement if run.converged else np.inf,
            min_eigenvalue=run.min_eigenvalue,
            log_theta=np.empty((0, len(end))),
            log_value=np.empty(0),
            gradient=gradient,
        )
        return minimization, shown
