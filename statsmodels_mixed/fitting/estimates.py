"""The numbers of a fitted mixed model, frozen, without any model behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .families import FamilySpec
from .identification import ALL_IDENTIFIED, Identification
from .optimize import FitReport

__all__ = ["GeneralizedEstimates", "LinearEstimates"]

Array = NDArray[np.float64]


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

    @property
    def cov_conditional(self) -> Array:
        """Covariance of `beta` given the covariance parameters, shape (rank, rank)."""
        with np.errstate(over="ignore", under="ignore"):
            return self.sigma**2 * self.cov_unscaled


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
        T of each random block, lower triangular: Cov(b_j) = T T', whatever the dispersion.
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
