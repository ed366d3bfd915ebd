"""The numbers of a fitted linear model with correlated residuals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..fitting.fixed_effects.basis import OnBasis
from ..fitting.identification import ALL_IDENTIFIED, Identification
from ..fitting.search.optimize import FitReport
from .cells import Cells
from .covariance import ResponseCovariance
from .natural import NaturalParameters
from .parameters import coordinates_inside, coordinates_of

__all__ = ["CovarianceEstimate", "ResidualEstimates"]


@dataclass(frozen=True, eq=False)
class CovarianceEstimate:
    """What was estimated of one structure.

    Parameters
    ----------
    name : str
        What it is the covariance of: ``"Residual"``, or a grouping factor.
    kind : str
        The name of the structure.
    is_residual : bool
    labels : tuple of str
        Of the places, or the random effects.
    matrix : ndarray, shape (k, k)
    names : tuple of str
        Of what is reported.
    values : ndarray, shape (r,)
    errors : ndarray, shape (r,)
        Standard errors, from the observed information; NaN at a bound.
    at_bounds : tuple of str
        Names of the parameters that are at a bound of their range.
    """

    name: str
    kind: str
    is_residual: bool
    labels: tuple[str, ...]
    matrix: Array
    names: tuple[str, ...]
    values: Array
    errors: Array
    at_bounds: tuple[str, ...]


@dataclass(frozen=True)
class ResidualEstimates:
    """Everything a fit with correlated residuals estimates.

    Parameters
    ----------
    reml : bool
    x : ndarray, shape (m,)
        Free coordinates of all covariance parameters.
    theta : ndarray, shape (m,)
        Covariance parameters on the scale of their structures.
    names : tuple of str
        Their names.
    structures : tuple of CovarianceEstimate
        Residuals first.
    dispersion_names : tuple of str
    dispersion_values, dispersion_errors : ndarray
        Ratios of standard deviations, or exponents.
    factors : tuple of ndarray, shape (k, k)
        Lower-triangular T of each random block: Cov(b_j) = T T'.
    columns, beta, cov_conditional, objective, u, b, linear_predictor, fitted, report
        See `LinearEstimates`.
    residual_variances : ndarray, shape (n,)
        Variance of the residual of each row.
    cells : Cells
        The places of the rows.
    natural : NaturalParameters
        All covariance parameters as they are reported.
    on_basis : OnBasis
        `cov_conditional` on an orthonormal basis of X.
    """

    reml: bool
    x: Array
    theta: Array
    names: tuple[str, ...]
    structures: tuple[CovarianceEstimate, ...]
    dispersion_names: tuple[str, ...]
    dispersion_values: Array
    dispersion_errors: Array
    factors: tuple[Array, ...]
    columns: NDArray[np.intp]
    beta: Array
    cov_conditional: Array
    objective: float
    logdet_omega: float
    u: tuple[Array, ...]
    b: tuple[Array, ...]
    linear_predictor: Array
    fitted: Array
    residual_variances: Array
    singular: bool
    report: FitReport
    cells: Cells
    natural: NaturalParameters
    on_basis: OnBasis
    identification: Identification = ALL_IDENTIFIED

    # See `Estimates`. Covariances are absolute, so that what they are relative to is 1.

    linear = True
    structured = None
    monte_carlo = None
    spec = None
    fast = False
    several_modes = False
    scale_name = ""
    scale = 1.0
    dispersion = 1.0
    scale_estimated = False
    effects_scale = 1.0
    sigma = 1.0
    sigma_fixed = False

    @property
    def how(self) -> tuple[bool, str, str]:
        """The criterion, and the covariance of the residuals."""
        term, spread = self.cells.term, self.cells.dispersion
        return (self.reml, term.text if term else "", spread.text if spread else "")

    @property
    def bounded(self) -> bool:
        """Whether an estimate is at an end of its range, where derivatives may vanish."""
        return self.singular or any(each.at_bounds for each in self.structures)

    @property
    def errors_unscaled(self) -> Array:
        """Standard errors of `beta`."""
        return np.sqrt(np.diag(self.cov_conditional))

    @property
    def n_covariance(self) -> int:
        """Number of covariance parameters."""
        return len(self.theta)

    @property
    def eta(self) -> Array:
        """The same as `fitted`."""
        return self.fitted

    def coordinates(
        self, model: ResponseCovariance, theta: Array, name: str, inside: float = 0.0
    ) -> Array:
        """Return the coordinates of covariance parameters; see `coordinates_of`.

        Those of the estimates are known, even where these are beyond the range of numbers.
        """
        if np.array_equal(theta, self.theta, equal_nan=True):
            return coordinates_inside(model, self.x, inside) if inside else self.x
        return coordinates_of(model, theta, name, inside)

    @property
    def residuals(self) -> tuple[CovarianceEstimate, ...]:
        """The covariances of residuals, one for each stratum."""
        return tuple(each for each in self.structures if each.is_residual)

    def with_cells(self, cells: Cells) -> Self:
        """Return the same for rows at other places."""
        return replace(self, cells=cells)

    def without_rows(self) -> Self:
        """Return the same without what has an element for each row."""
        nothing = np.empty(0)
        return replace(
            self,
            linear_predictor=nothing,
            fitted=nothing,
            residual_variances=nothing,
            cells=self.cells.without_rows(),
        )
