"""How the likelihood of a generalized fit was approximated, and what another way gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...fitting.estimates import GeneralizedEstimates
from ...results.base import MixedModelResults

if TYPE_CHECKING:
    from .model import GeneralizedLinearMixedModel

__all__ = ["Approximated"]


class Approximated(MixedModelResults):
    """What a generalized result says of its approximation."""

    estimates: GeneralizedEstimates
    model: GeneralizedLinearMixedModel

    @property
    def method(self) -> str:  # type: ignore[override]
        """The approximation, such as ``"Laplace"`` or ``"AGQ, 9 points"``."""
        estimates = self.estimates
        name = self._approximation
        if estimates.hessian == "observed":
            name += ", observed information"
        return f"{name}, fast" if estimates.fast else name

    @property
    def _approximation(self) -> str:
        points = self.estimates.n_agq
        return "Laplace" if points == 1 else f"AGQ, {points} points"

    @property
    def _approximated_by(self) -> str:
        # With a canonical link the observed information is the expected one.
        name = self._approximation if self.estimates.spec.canonical else self.method
        return f"{name}, fast" if self.estimates.fast else name

    @property
    def deviance(self) -> float:
        """Deviance residuals squared and summed, ``+ |u|^2 + log|Omega|``.

        For quadrature, likewise -2 log-likelihood relative to the saturated model.
        """
        return self.estimates.deviance

    def deviance_at(self, n_agq: int) -> float:
        """Return the deviance at the estimates by another number of quadrature points.

        Parameters
        ----------
        n_agq : int
            Points for each random effect of a level; 1 is the Laplace approximation.

        Returns
        -------
        float
            `deviance`, with the likelihood approximated anew and no parameter changed.

        Raises
        ------
        OptionError
            If the model has several grouping factors and `n_agq` is not 1, or it is not possible.
        DataError
            If the data were removed.

        See Also
        --------
        GeneralizedLinearMixedModel.objective

        References
        ----------
        Pinheiro and Chao (2006), Journal of Computational and Graphical Statistics 15, 58-81.

        Examples
        --------
        >>> contra = datasets.load("contra")
        >>> fit = mixedglm2("use ~ urban + (1 | dist)", contra, "binomial").fit()
        >>> round(fit.deviance_at(9) - fit.deviance, 3)
        -0.262
        """
        estimates = self.estimates
        objective = self.model.objective(
            estimates.theta,
            estimates.beta,
            estimates.dispersion,
            n_agq=n_agq,
            hessian=estimates.hessian,
        )
        return self.deviance + objective - self.objective
