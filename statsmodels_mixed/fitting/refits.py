"""Fits of one model to many versions of its data: other responses, or fewer rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from .estimates import Estimates
from .fixed_effects.basis import FixedBasis

__all__ = ["Fits", "Fitter", "Flag", "Refit", "Refits"]

RowNumbers = NDArray[np.intp]

# One number that other threads set to 1 to end a run.
Flag = NDArray[np.int32]


class Fits(NamedTuple):
    """Fits of one model to m responses, in the units of the data; NaN where one failed.

    Attributes
    ----------
    objective, scale : ndarray, shape (m,)
    beta : ndarray, shape (m, rank)
    covariance : ndarray, shape (m, rank, rank)
        Of the coefficients, given theta.
    theta : ndarray, shape (m, n_theta)
        Perhaps not rectified.
    converged : ndarray of bool, shape (m,)
    separated : ndarray, shape (m, rank)
        1 or -1 where a coefficient goes to plus or minus infinity, else 0.
    reported : ndarray, shape (m, r + 1), or None
        Of covariance structures, the parameters on the scale on which they are reported, and
        last 1 where a covariance matrix is singular, else 0.
    """

    objective: Array
    scale: Array
    beta: Array
    covariance: Array
    theta: Array
    converged: NDArray[np.bool_]
    separated: Array
    reported: Array | None = None

    @classmethod
    def unknown(cls, count: int, rank: int, ntheta: int, n_reported: int = 0) -> Fits:
        """Return fits yet to be filled in."""
        shown = np.full((count, n_reported + 1), np.nan) if n_reported else None
        shapes = (count,), (count,), (count, rank), (count, rank, rank), (count, ntheta)
        a, b, c, d, e = (np.full(shape, np.nan) for shape in shapes)
        return cls(a, b, c, d, e, np.zeros(count, dtype=bool), np.zeros((count, rank)), shown)

    def first(self, count: int) -> Fits:
        """Return the first few."""
        a, b, c, d, e = (part[:count] for part in self[:5])
        shown = None if self.reported is None else self.reported[:count]
        return Fits(a, b, c, d, e, self.converged[:count], self.separated[:count], shown)


# (data, flag) -> fits of those that were fitted before the flag was set. The data are responses,
# or what else is drawn, one draw in a row.
Fitter = Callable[[NDArray[Any], Flag], Fits]


@dataclass(frozen=True)
class Refit:
    """One fit, in the units of the data.

    Parameters
    ----------
    beta : ndarray, shape (rank,)
    covariance : ndarray, shape (rank, rank)
        Of the coefficients, given the covariance parameters.
    theta : ndarray, shape (n_theta,)
        Perhaps not rectified.
    scale : float
        sigma, or the dispersion of a generalized model.
    objective : float
    converged : bool
    gamma : ndarray, shape (rank,), or None
        Coefficients on the basis of the `Refits`, to be compared with `full` of these.
    inner : ndarray, shape (rank, rank), or None
        Their covariance, over the scale of that of the fit to all rows; see `OnBasis`.
    singular : bool
        Whether a covariance matrix of random effects beside correlated residuals is singular.
    eta : ndarray, or None
        Linear predictors, with the conditional modes, of the rows of a generalized fit.
    """

    beta: Array
    covariance: Array
    theta: Array
    scale: float
    objective: float
    converged: bool
    gamma: Array | None = None
    inner: Array | None = None
    singular: bool = False
    eta: Array | None = None

    @classmethod
    def of(cls, fit: Estimates) -> Self:
        """Return what estimates say of the same."""
        return cls(
            fit.beta,
            fit.cov_conditional,
            fit.theta,
            fit.scale,
            fit.objective,
            fit.report.converged,
            eta=None if fit.linear else fit.eta,
        )


class Refits(Protocol):
    """A model whose structure is analysed, ready to be fitted to other data from warm starts.

    It is shared by threads; each takes a fitter, or a copy by `for_thread`, of its own.
    """

    @property
    def basis(self) -> FixedBasis:
        """X = Q R of the estimable columns."""

    @property
    def full(self) -> Array:
        """Coefficients on the basis of the fit to all rows, less those where differences begin."""

    @property
    def tail_size(self) -> int:
        """Order of the dense matrix that is factored."""

    def fitter(self) -> Fitter:
        """Return what fits to responses, shape (m, n), in one thread.

        Responses of a linear model are given without their fixed part.
        """

    def for_thread(self) -> Self:
        """Return the same, to leave rows out in another thread."""

    def share_without(self, rows: RowNumbers) -> Array:
        """Return what is left of Q'WQ = I without these rows, shape (rank, rank)."""

    def without(self, rows: RowNumbers) -> Refit:
        """Fit the model with weight zero for these rows.

        Raises
        ------
        CoreError
            If the objective cannot be evaluated.
        """
