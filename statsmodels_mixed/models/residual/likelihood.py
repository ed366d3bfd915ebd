"""The likelihood of a linear model with correlated residuals at given covariance parameters."""

from __future__ import annotations

import numpy as np

from ..._typing import Array, Numbers
from ...formula.residual import DispersionTerm, ResidualTerm
from ...frame.table.columns import as_numbers
from ...residual_covariance.cells import Cells
from ...residual_covariance.covariance import ResponseCovariance
from ...residual_covariance.likelihood import MarginalLikelihood
from ...residual_covariance.parameters import coordinates_of, slopes_of
from ...residual_covariance.problem import ResidualProblem, covariance_model
from ..base import MixedModel

__all__ = ["ResidualLikelihood"]


class ResidualLikelihood(MixedModel):
    """A model as a function of its covariance parameters, before any are estimated."""

    cells: Cells
    residual: ResidualTerm | None
    dispersion: DispersionTerm | None

    @property
    def problem(self) -> ResidualProblem:
        """The model as the fit sees it."""
        return ResidualProblem(self.kept_design(), self.cells)

    @property
    def theta_names(self) -> list[str]:
        """Names of the covariance parameters."""
        model = self._covariance
        names = [
            f"{part.name}.{name}"
            for part in model.parts
            for name in part.free.structure.read().names
        ]
        spread = self.cells.dispersion
        return names + [f"dispersion.{name}" for name in (spread.names if spread else ())]

    @property
    def _covariance(self) -> ResponseCovariance:
        return covariance_model(self.cells, self.kept_design().blocks)

    def objective(self, theta: Numbers, reml: bool = False) -> float:
        """Return -2 log-likelihood, or the REML criterion, at given covariance parameters.

        Parameters
        ----------
        theta : array_like, shape (n_theta,)
            Covariance parameters, as `theta_names` says.
        reml : bool
            Return the REML criterion.

        Returns
        -------
        float
            Infinite where the covariance is not positive definite.

        Raises
        ------
        OptionError
            If theta has not n_theta finite elements.
        DataError
            If the data were removed.

        See Also
        --------
        LinearMixedModel.objective

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> model = mixedlm2("reaction ~ days", sleep, residual="ar1(days | subj)")
        >>> round(model.objective([50.0, 0.8]), 3)
        1748.235
        """
        likelihood, x = self._likelihood_at(theta, reml)
        solution = likelihood.solve(likelihood.model.at(x))
        return np.inf if solution is None else solution.value

    def gradient(self, theta: Numbers, reml: bool = False) -> Array:
        """Return the gradient of `objective`.

        Parameters
        ----------
        theta, reml
            As for `objective`.

        Returns
        -------
        ndarray, shape (n_theta,)

        Raises
        ------
        OptionError
            If theta has not n_theta finite elements.
        DataError
            If the data were removed.

        See Also
        --------
        ResidualCovarianceModel.objective

        Examples
        --------
        >>> sleep = datasets.load("sleepstudy")
        >>> model = mixedlm2("reaction ~ days", sleep, residual="ar1(days | subj)")
        >>> model.gradient([50.0, 0.8]).round(2)
        array([  0.22, -12.56])
        """
        likelihood, x = self._likelihood_at(theta, reml)
        return np.asarray(np.linalg.solve(slopes_of(likelihood.model, x).T, likelihood(x)[1]))

    def _likelihood_at(self, theta: Numbers, reml: bool) -> tuple[MarginalLikelihood, Array]:
        """Return the likelihood, and the coordinates of theta in which it is taken."""
        likelihood = self.problem.likelihood(bool(reml))
        x = coordinates_of(likelihood.model, as_numbers(theta, "theta"), "theta")
        return likelihood, x
