"""Fits of a model with covariance structures to other responses, or without some rows.

See `refits.Refits`. Every fit starts from the same parameters, moved inside their ranges.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._core import CoreDesign, CoreWorkspace
from ..._typing import Array
from ...errors import CoreError
from ...frame.design import Design
from ..crossprod import core_design
from ..estimates import LinearEstimates
from ..linear.refits import LinearRefits
from ..refits import Fits, Fitter, Flag, Refit, RowNumbers
from ..search.trust_region import Minimum, minimize_newton
from .covariance_model import inside_phi
from .linear import column_sizes, objective_of, off_zero
from .objective import StructuredObjective

__all__ = ["StructuredRefits"]


class StructuredRefits(LinearRefits):
    """A linear model with covariance structures ready to be fitted again.

    Parameters
    ----------
    design : Design
    estimates : LinearEstimates
        Whose structures say where fits start.
    beta : ndarray, shape (rank,)
        The coefficients of the fixed part that responses are given without.
    """

    def __init__(self, design: Design, estimates: LinearEstimates, beta: Array) -> None:
        super().__init__(design, estimates, estimates.theta, beta)
        assert estimates.structured is not None
        self._objective = objective_of(design, estimates)
        model = self._objective.model
        phi = inside_phi(model, estimates.structured.phi, estimates.sigma)
        self._begin = self._objective.join(model.x(phi), estimates.sigma)
        self._units = self._objective.units(column_sizes(design, design.weights))

    def _core_of_thread(self) -> CoreDesign:
        if not self._objective.model.has_own_places:
            return self.core
        # Columns of Z are functions of parameters: every workspace writes its own.
        return core_design(self._design, self.basis.Q, self._design.weights, by_factors=True)

    def _of(self, workspace: CoreWorkspace) -> StructuredObjective:
        products = replace(self._products, workspace=workspace)
        return replace(self._objective, products=products)

    def _minimize(self, objective: StructuredObjective) -> Minimum:
        size = objective.size
        longest = np.append(objective.model.longest(self._begin[: objective.model.size]), 2.0)

        def descend(begin: Array) -> Minimum:
            return minimize_newton(objective, begin, longest=longest[:size], units=self._units)

        run = descend(self._begin)
        raised = off_zero(objective, run.end, run.value)
        if raised is not None:
            run = run.or_lower(descend(raised))
        if np.isfinite(run.value):
            objective.solve(run.end, ridge=0.0)
        return run

    def fitter(self) -> Fitter:
        """Return what fits to responses without their fixed part, in one thread."""
        workspace = self._workspace(np.zeros(self.core.n), self._design.weights)
        objective = self._of(workspace)
        rank, n_theta = len(self._estimates.beta), len(self._estimates.theta)
        model = objective.model

        def fit(responses: NDArray[Any], stop: Flag) -> Fits:
            out = Fits.unknown(len(responses), rank, n_theta, model.n_reported)
            for r, y in enumerate(responses):
                if stop[0]:
                    return out.first(r)
                workspace.set_response(y / self._products.y_scale)
                run = self._minimize(objective)
                if not np.isfinite(run.value):
                    continue
                _, sigma = objective.split(run.end)
                out.objective[r], out.scale[r] = run.value, sigma
                raw, R = workspace.solution(), self.basis.inverse
                out.beta[r] = self._beta + R @ (self._products.y_scale * raw.beta)
                out.covariance[r] = sigma**2 * (R @ raw.xvx_inverse @ R.T)
                theta = objective.theta(run.end, ridge=0.0)[0]
                assert out.reported is not None
                out.reported[r] = model.row(run.end[: model.size], workspace.in_units(theta))
                out.theta[r] = theta
                out.converged[r] = run.converged and sigma > self._products.rounding
            return out

        return fit

    def without(self, rows: RowNumbers) -> Refit:
        """Fit the model with weight zero for some rows."""
        shift = self._without_rows(rows)
        workspace, products = self._reweighted, self._products
        objective = self._of(workspace)
        run = self._minimize(objective)
        if not np.isfinite(run.value):
            raise CoreError("the objective cannot be evaluated without these rows.")
        raw = workspace.solution()
        _, sigma = objective.split(run.end)
        constant = self._constant_without(rows, raw.dof) - products.constant(self._estimates.reml)
        gamma = products.y_scale * (shift + raw.beta)
        return Refit(
            self.basis.coefficients(products.gamma + gamma),
            sigma**2 * self.basis.covariance(raw.xvx_inverse),
            objective.theta(run.end, ridge=0.0)[0],
            sigma,
            run.value + constant,
            run.converged and sigma > products.rounding,
            gamma,
            (sigma / self._estimates.sigma) ** 2 * raw.xvx_inverse,
        )
