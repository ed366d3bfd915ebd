"""The numbers of a fitted mixed model, frozen, without any model behind them.

What those of a linear and of a generalized model have in common is in `estimates_protocol`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from .._frozen import quickly_made
from .._typing import Array
from .estimates_protocol import Estimates
from .families.spec import FamilySpec
from .fixed_effects.basis import OnBasis
from .identification import ALL_IDENTIFIED, Identification
from .search.monte_carlo import MonteCarlo
from .search.optimize import FitReport
from .structured.fit import StructuredFit

__all__ = ["Estimates", "GeneralizedEstimates", "LinearEstimates"]


@quickly_made
@dataclass(frozen=True)
class LinearEstimates:
    """Everything a linear fit estimates.

    Parameters
    ----------
    reml : bool
        Whether the REML criterion was minimized, else the ML deviance.
    theta : ndarray, shape (n_theta,)
        Covariance parameters, rectified: no diagonal element of T is negative.
    factors : tuple of ndarray, shape (k, k)
        T of each random block, lower triangular: Cov(b_j) = sigma^2 T T'.
    columns : ndarray of int, shape (rank,)
        The columns of X whose coefficients are estimable, in their order in X.
    beta : ndarray, shape (rank,)
        Their coefficients.
    cov_unscaled : ndarray, shape (rank, rank)
        (X'V^-1 X)^-1; times sigma^2 it is the covariance of `beta` given theta.
    errors_unscaled : ndarray, shape (rank,)
        Square roots of its diagonal, even where that is beyond the range of doubles.
    sigma : float
        Residual standard deviation.
    sigma_fixed : bool
        Whether `sigma` was given and not estimated.
    pwrss : float
        Penalized weighted residual sum of squares r2(theta).
    logdet_omega : float
        log|Lambda'Z'WZ Lambda + I|.
    logdet_xvx : float
        log|X'V^-1 X|.
    objective : float
        What was minimized: -2 log likelihood, or the REML criterion.
    u, b : tuple of ndarray, shape (l, k)
        Conditional modes of the random effects of each block, spherical and
        on the scale of the response.
    linear_predictor : ndarray, shape (n,)
        X beta + offset, without random effects.
    fitted : ndarray, shape (n,)
        X beta + Z b + offset.
    singular : bool
        Whether some T is (numerically) rank deficient, judged relative to sigma.
    report : FitReport
        What happened during the fit.
    identification : Identification
        The directions of the covariance parameters that the data do not determine.
    structured : StructuredFit or None
        The parameters of covariance structures, of which theta is then a function.
    monte_carlo : MonteCarlo or None
        Errors of an iterative fit.
    unscaled_on_basis : OnBasis or None
        `cov_unscaled` on an orthonormal basis of X.
    """

    reml: bool
    theta: Array
    factors: tuple[Array, ...]
    columns: NDArray[np.intp]
    beta: Array
    cov_unscaled: Array
    errors_unscaled: Array
    sigma: float
    sigma_fixed: bool
    pwrss: float
    logdet_omega: float
    logdet_xvx: float
    objective: float
    u: tuple[Array, ...]
    b: tuple[Array, ...]
    linear_predictor: Array
    fitted: Array
    singular: bool
    report: FitReport
    identification: Identification = ALL_IDENTIFIED
    structured: StructuredFit | None = None
    monte_carlo: MonteCarlo | None = None
    unscaled_on_basis: OnBasis | None = None

    @property
    def start(self) -> Array:
        """What a fit to other data starts from: theta, or the parameters of structures."""
        return self.theta if self.structured is None else self.structured.phi

    @property
    def n_covariance(self) -> int:
        """Number of covariance parameters besides sigma."""
        return len(self.theta) if self.structured is None else len(self.structured.phi)

    @property
    def cov_conditional(self) -> Array:
        """Covariance of `beta` given the covariance parameters, shape (rank, rank)."""
        with np.errstate(over="ignore", under="ignore"):
            return self.sigma**2 * self.cov_unscaled

    @property
    def on_basis(self) -> OnBasis | None:
        """The same on an orthonormal basis of X."""
        known = self.unscaled_on_basis
        return None if known is None else replace(known, scale=self.sigma**2)

    # See `Estimates`.

    linear = True
    spec = None
    fast = False
    several_modes = False
    scale_name = "sigma"

    @property
    def fixed_sigma(self) -> float | None:
        """Residual standard deviation that was given; None if it is an estimate."""
        return self.sigma if self.sigma_fixed else None

    @property
    def how(self) -> tuple[bool, float | None]:
        """The criterion, and sigma if it was given."""
        return self.reml, self.fixed_sigma

    @property
    def eta(self) -> Array:
        """The same as `fitted`."""
        return self.fitted

    @property
    def dispersion(self) -> float:
        """The residual variance."""
        return self.sigma**2

    @property
    def scale(self) -> float:
        """The residual standard deviation."""
        return self.sigma

    @property
    def scale_estimated(self) -> bool:
        """Whether sigma was not given."""
        return not self.sigma_fixed

    @property
    def effects_scale(self) -> float:
        """The residual standard deviation."""
        return self.sigma

    def without_rows(self) -> Self:
        """Return the same without `linear_predictor` and `fitted`."""
        return replace(self, linear_predictor=np.empty(0), fitted=np.empty(0))


@quickly_made
@dataclass(frozen=True)
class GeneralizedEstimates:
    """Everything a generalized fit estimates.

    Parameters
    ----------
    spec : FamilySpec
        Distribution and link.
    n_agq : int
        Quadrature points for each random effect of a level; 1 is the Laplace approximation.
    fast : bool
        Whether the coefficients were profiled out inside PIRLS.
    hessian : str
        Weights of Omega in the approximation, ``"expected"`` or ``"observed"``.
    theta : ndarray, shape (n_theta,)
        Covariance parameters, rectified: no diagonal element of T is negative.
    factors : tuple of ndarray, shape (k, k)
        T of each random block, lower triangular: Cov(b_j) = T T', for any dispersion.
    columns : ndarray of int, shape (rank,)
        The columns of X whose coefficients are estimable, in their order in X.
    beta : ndarray, shape (rank,)
        Their coefficients.
    cov_conditional : ndarray, shape (rank, rank)
        Covariance of `beta` given theta and the dispersion, from the joint curvature in
        (u, beta); the dispersion is a factor of it already.
    dispersion : float
        phi in the variance phi V(mu), alpha of the negative binomial, 1 for families
        without either.
    objective : float
        What was minimized: -2 log-likelihood of the approximation, all constants included.
    deviance : float
        Squared deviance residuals summed, + |u|^2 + log|Omega|: relative to a saturated
        model.
    logdet_omega : float
        log|Lambda'Z'WZ Lambda + I|.
    u, b : tuple of ndarray, shape (l, k)
        Conditional modes of the random effects of each block, spherical and on the scale
        of the linear predictor.
    linear_predictor : ndarray, shape (n,)
        X beta + offset, without random effects.
    eta : ndarray, shape (n,)
        X beta + Z b + offset.
    fitted : ndarray, shape (n,)
        Means at `eta`.
    singular : bool
        Whether some T is (numerically) rank deficient.
    pirls_steps : int
        Penalized least squares problems solved in all.
    several_modes : bool
        Whether the conditional modes at the estimates are the highest of several maxima.
    report : FitReport
        What happened during the fit.
    identification : Identification
        The directions of the covariance parameters that the data do not determine.
    structured : StructuredFit or None
        The parameters of covariance structures, of which theta is then a function.
    monte_carlo : MonteCarlo or None
        Errors of an iterative fit.
    on_basis : OnBasis or None
        `cov_conditional` on an orthonormal basis of X.
    """

    spec: FamilySpec
    n_agq: int
    fast: bool
    hessian: str
    theta: Array
    factors: tuple[Array, ...]
    columns: NDArray[np.intp]
    beta: Array
    cov_conditional: Array
    dispersion: float
    objective: float
    deviance: float
    logdet_omega: float
    u: tuple[Array, ...]
    b: tuple[Array, ...]
    linear_predictor: Array
    eta: Array
    fitted: Array
    singular: bool
    pirls_steps: int
    several_modes: bool
    report: FitReport
    identification: Identification = ALL_IDENTIFIED
    structured: StructuredFit | None = None
    monte_carlo: MonteCarlo | None = None
    on_basis: OnBasis | None = None

    @property
    def n_covariance(self) -> int:
        """Number of covariance parameters besides the dispersion."""
        return len(self.theta) if self.structured is None else len(self.structured.phi)

    # See `Estimates`.

    linear = False
    reml = False
    effects_scale = 1.0

    @property
    def how(self) -> tuple[FamilySpec, int, bool, str]:
        """Family, quadrature points, `fast` and the information."""
        return self.spec, self.n_agq, self.fast, self.hessian

    @property
    def scale(self) -> float:
        """The dispersion."""
        return self.dispersion

    @property
    def scale_name(self) -> str:
        """``"dispersion"``, or empty for a family without one."""
        return "dispersion" if self.spec.has_dispersion else ""

    @property
    def scale_estimated(self) -> bool:
        """Whether the family has a dispersion."""
        return self.spec.has_dispersion

    def without_rows(self) -> Self:
        """Return the same without `linear_predictor`, `eta` and `fitted`."""
        nothing = np.empty(0)
        return replace(self, linear_predictor=nothing, eta=nothing, fitted=nothing)
