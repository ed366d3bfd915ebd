"""Fitting one model to many draws: the structure is analysed once, starts are warm.

A refitter is made once and shared; each thread asks it for a worker of its own, which returns
`ParameterRows`. `fitter` gives the same with whole covariance matrices, for tests of several
coefficients.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..fitting.estimates import Estimates
from ..fitting.problem import problem_of
from ..fitting.refits import Fits, Fitter, Flag
from ..frame.design import Design
from ..results.parameters import CovarianceParameters
from ..simulation.simulator import Truth
from .parameter_rows import ParameterRows

__all__ = ["Refitter", "ResponseRefitter", "Worker"]


# (draws, flag) -> rows of those that were fitted before the flag was set, and whether each
# converged. Draws are responses, or what else data are made from, one in a row.
Worker = Callable[[NDArray[Any], Flag], tuple[Array, NDArray[np.bool_]]]


class Refitter(ABC):
    """Fits one model to many draws."""

    @abstractmethod
    def fitter(self) -> Fitter:
        """Return what fits in one thread."""

    def worker(self) -> Worker:
        """Return what fits in one thread, and returns rows."""
        fit = self.fitter()

        def work(draws: NDArray[Any], stop: Flag) -> tuple[Array, NDArray[np.bool_]]:
            fits = fit(draws, stop)
            return _rows(fits).values, fits.converged

        return work


def _rows(fits: Fits) -> ParameterRows:
    """Return the parameters of every fit in a row, infinite coefficients as such."""
    with np.errstate(invalid="ignore"):  # rounding may leave nothing of a variance
        errors = np.sqrt(np.diagonal(fits.covariance, axis1=1, axis2=2))
    infinite = fits.separated != 0
    return ParameterRows.of(
        objective=fits.objective,
        scale=fits.scale,
        beta=np.where(infinite, np.copysign(np.inf, fits.separated), fits.beta),
        se=np.where(infinite, np.nan, errors),
        theta=fits.theta if fits.reported is None else fits.reported,
    )


class ResponseRefitter(Refitter):
    """Fits a model to responses, those of a linear model given without their fixed part.

    Parameters
    ----------
    design : Design
    estimates : Estimates
        Say how the model was fitted.
    truth : Truth
        Where fits start, moved inside its range; its beta is what the fixed part was.
    components : CovarianceParameters
        Say whether rows have theta or what is reported of covariance structures.
    """

    def __init__(
        self, design: Design, estimates: Estimates, truth: Truth, components: CovarianceParameters
    ) -> None:
        problem = problem_of(design, estimates)
        self._refits = problem.refits(truth.theta, truth.beta, truth.scale)
        self._components = components

    def fitter(self) -> Fitter:
        """Return what fits in one thread."""
        fit = self._refits.fitter()

        def rectified(responses: Array, stop: Flag) -> Fits:
            fits = fit(responses, stop)
            if self._components.natural:
                return fits
            fits = fits._replace(reported=None)
            return fits._replace(theta=self._components.rectify(fits.theta))

        return rectified
