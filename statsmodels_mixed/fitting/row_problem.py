"""The part of the mean of a fit with parameters of rows, to be solved again with them."""

from __future__ import annotations

import numpy as np

from .._core import CoreGeneralized, one_blas_thread
from .._typing import Array
from ..errors import DataError, OptionError
from ..frame.design import Design
from .approximation import generalized_structure
from .conditional_estimates import ConditionalEstimates
from .distributional import model_of_rows
from .generalized_problem import GeneralizedProblem
from .mixed_model_equations import Henderson
from .problem import solved

__all__ = ["RowProblem", "core_at"]


class RowProblem(GeneralizedProblem):
    """A problem whose rows have parameters besides their mean, at their estimates.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : ConditionalEstimates
    """

    estimates: ConditionalEstimates

    def conditional_variances(self) -> tuple[Array, ...]:
        """Return Var(b_j | y) given all parameters."""
        return core_at(self.design, self.estimates).solution().condvar

    def leverage(self) -> Array:
        """Refuse: the weights of rows may be negative."""
        raise OptionError(
            "leverages are not defined for these families, in which a row may add curvature of "
            "either sign: influence() fits without each row or group."
        )

    def mixed_model_equations(self) -> Henderson:
        """Refuse, as `leverage` does."""
        raise OptionError(
            "the mixed-model equations are not defined for these families: get_prediction() has "
            "standard errors with the random effects at zero."
        )


@solved.register(ConditionalEstimates)
def _(estimates: ConditionalEstimates, design: Design) -> RowProblem:
    return RowProblem(design, estimates)


def core_at(design: Design, estimates: ConditionalEstimates) -> CoreGeneralized:
    """Return the core's model of a fit, solved at its estimates.

    Parameters
    ----------
    design : Design
    estimates : ConditionalEstimates

    Raises
    ------
    DataError
        If the conditional modes cannot be found there again.
    """
    with one_blas_thread():
        structure = generalized_structure(design)
        core = model_of_rows(structure.core, design, estimates.spec, estimates.rows, 1)
        gamma = structure.basis.R @ estimates.beta
        core.set_modes(estimates.u, gamma)
        value, _ = core.value_and_gradient(
            np.concatenate([estimates.theta, gamma, estimates.kappa])
        )
    if not np.isfinite(value):
        raise DataError(
            "the conditional modes at the estimates cannot be found again; the fit is not one to "
            "rely on: take a simpler model."
        )
    return core
