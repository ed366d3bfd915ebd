"""What the rooms above may ask of estimates, of whichever kind of model."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from .families.spec import FamilySpec
from .fixed_effects.basis import OnBasis
from .identification import Identification
from .search.monte_carlo import MonteCarlo
from .search.optimize import FitReport
from .structured.fit import StructuredFit

__all__ = ["Estimates"]


class Estimates(Protocol):
    """What the estimates of a linear and of a generalized model have in common.

    The fields of the two are documented in more detail at `LinearEstimates` and
    `GeneralizedEstimates`.
    """

    @property
    def theta(self) -> Array:
        """Covariance parameters, shape (n_theta,)."""

    @property
    def factors(self) -> tuple[Array, ...]:
        """T of each random block, (k, k)."""

    @property
    def columns(self) -> NDArray[np.intp]:
        """Estimable columns of X, shape (rank,)."""

    @property
    def beta(self) -> Array:
        """Their coefficients, shape (rank,)."""

    @property
    def cov_conditional(self) -> Array:
        """Covariance of `beta` given the other parameters, shape (rank, rank)."""

    @property
    def on_basis(self) -> OnBasis | None:
        """The same on an orthonormal basis of X."""

    @property
    def objective(self) -> float:
        """What was minimized."""

    @property
    def logdet_omega(self) -> float:
        """log|Lambda'Z'WZ Lambda + I|."""

    @property
    def u(self) -> tuple[Array, ...]:
        """Spherical conditional modes of each block, (l, k)."""

    @property
    def b(self) -> tuple[Array, ...]:
        """Conditional modes of each block, (l, k)."""

    @property
    def linear_predictor(self) -> Array:
        """X beta + offset, shape (n,)."""

    @property
    def fitted(self) -> Array:
        """Conditional means of the response, shape (n,)."""

    @property
    def singular(self) -> bool:
        """Whether some T is (numerically) rank deficient."""

    @property
    def report(self) -> FitReport:
        """What happened during the fit."""

    @property
    def identification(self) -> Identification:
        """What the data determine of the covariance parameters."""

    @property
    def structured(self) -> StructuredFit | None:
        """The parameters of covariance structures, if there are any."""

    @property
    def monte_carlo(self) -> MonteCarlo | None:
        """Errors of an iterative fit; None for a direct one."""

    @property
    def n_covariance(self) -> int:
        """Number of covariance parameters besides the scale."""

    @property
    def linear(self) -> bool:
        """Whether the response is X beta + Z b plus normal errors of its own."""

    @property
    def spec(self) -> FamilySpec | None:
        """Distribution and link of a generalized model; None for a linear model."""

    @property
    def reml(self) -> bool:
        """Whether the REML criterion was minimized; False for a generalized model."""

    @property
    def fast(self) -> bool:
        """Whether the coefficients were profiled out inside PIRLS; False for a linear model."""

    @property
    def several_modes(self) -> bool:
        """Whether there are several conditional modes; False for a linear model."""

    @property
    def how(self) -> tuple[Any, ...]:
        """Everything besides the design that decides what is estimated, and how."""

    @property
    def eta(self) -> Array:
        """X beta + Z b + offset, shape (n,)."""

    @property
    def dispersion(self) -> float:
        """sigma^2 of a linear model, phi or alpha of a generalized one (1 if it has neither)."""

    @property
    def scale(self) -> float:
        """The parameter besides beta and theta: sigma, or the dispersion."""

    @property
    def scale_name(self) -> str:
        """``"sigma"``, ``"dispersion"``, or empty for a family without one."""

    @property
    def scale_estimated(self) -> bool:
        """Whether that parameter was estimated, not given or absent."""

    @property
    def effects_scale(self) -> float:
        """The s in Cov(b_j) = s^2 T T': sigma of a linear model, otherwise 1."""

    def without_rows(self) -> Self:
        """Return the same with empty arrays in place of those that have an element for each row."""
