"""Tests of linear hypotheses on the coefficients, whatever gives the degrees of freedom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, fdtrc, ndtr, stdtr

from ..errors import OptionError

__all__ = ["Denominators", "FTest", "FixedDenominators", "two_sided"]

Array = NDArray[np.float64]

# A contrast is a combination of others when less than this share of its variance is its own.
DEPENDENT = 1e-10
# Dependent contrasts have values that depend in the same way, up to this share of their size.
CONTRADICTION = 1e-4


@dataclass(frozen=True)
class FTest:
    """Test of a linear hypothesis L beta = c.

    Parameters
    ----------
    statistic : float
        F, after `scaling`.
    df_num : int
        Rank of L.
    df_denom : float
        Denominator degrees of freedom; inf for the chi-squared distribution divided by
        `df_num`.
    pvalue : float
        Upper tail of the F distribution.
    scaling : float
        What the Wald statistic divided by `df_num` was multiplied with: 1 unless the method
        is Kenward and Roger's or that of clusters.
    wald : float
        Wald's chi-squared statistic.
    """

    statistic: float
    df_num: int
    df_denom: float
    pvalue: float
    scaling: float
    wald: float


def two_sided(t: Array, df: Array) -> Array:
    """Return two-sided p-values of t statistics; infinite degrees of freedom are normal."""
    finite = np.isfinite(df)
    tail = np.where(finite, stdtr(np.where(finite, df, 1.0), -np.abs(t)), ndtr(-np.abs(t)))
    return np.asarray(2.0 * tail)


def _upper_tail(statistic: float, df_num: int, df_denom: float) -> float:
    if np.isinf(df_denom):
        return float(chdtrc(df_num, df_num * statistic))
    return float(fdtrc(df_num, df_denom, statistic))


@dataclass(frozen=True, eq=False)
class Denominators(ABC):
    """What t and F tests of the coefficients of one fit need, computed once.

    Parameters
    ----------
    beta : ndarray, shape (rank,)
        Estimable coefficients.
    covariance : ndarray, shape (rank, rank)
        Their covariance, with the method's correction if it makes one.
    """

    beta: Array
    covariance: Array

    @abstractmethod
    def _df(self, rows: Array) -> Array:
        """Return degrees of freedom of each row of (m, rank)."""

    @abstractmethod
    def _joint(self, rows: Array) -> tuple[float, float]:
        """Return degrees of freedom and scaling for all of several independent rows."""

    def df(self, contrasts: ArrayLike) -> Array:
        """Return the degrees of freedom of the t test of each contrast.

        Parameters
        ----------
        contrasts : array_like, shape (m, rank) or (rank,)
            A row for each combination of estimable coefficients.

        Returns
        -------
        ndarray, shape (m,)
        """
        return self._df(self._rows(contrasts))

    def f_test(self, contrasts: ArrayLike, value: ArrayLike = 0.0) -> FTest:
        """Test that all contrasts have given values.

        Parameters
        ----------
        contrasts : array_like, shape (m, rank) or (rank,)
            Rows may depend linearly on one another.
        value : array_like, shape (m,) or scalar
            Values under the hypothesis.

        Returns
        -------
        FTest

        Raises
        ------
        OptionError
            If the contrasts have not one column for each estimable coefficient or are zero,
            or no coefficients have all the values.
        """
        wald, basis = self._wald(contrasts, value)
        df, scaling = self._joint(basis)
        statistic = scaling * wald / len(basis)
        pvalue = _upper_tail(statistic, len(basis), df)
        return FTest(statistic, len(basis), df, pvalue, scaling, wald)

    def _wald(self, contrasts: ArrayLike, value: ArrayLike) -> tuple[float, Array]:
        """Return the statistic, and independent rows (q, rank) that say the same."""
        rows = self._rows(contrasts)
        values = np.asarray(value, dtype=float)
        if values.shape not in ((), (len(rows),)) or not np.isfinite(values).all():
            raise OptionError(
                f"value must be a finite number for each of the {len(rows)} contrasts, not "
                f"{value!r}"
            )
        values = np.broadcast_to(values, len(rows))
        variance = rows @ self.covariance @ rows.T
        size = np.sqrt(np.diag(variance))
        some = size > 0
        impossible = bool(np.any(values[~some]))
        rows, values, size = rows[some], values[some], size[some]
        variance = variance[np.ix_(some, some)]
        if not len(rows) and not impossible:
            raise OptionError("the contrasts are zero: there is nothing to test")
        # In units of their standard errors, so that units of columns do not matter.
        estimates = rows @ self.beta / size
        distance = estimates - values / size
        roots, vectors = np.linalg.eigh(variance / np.outer(size, size))
        kept = roots > DEPENDENT * np.max(roots, initial=0.0)
        rest = vectors[:, ~kept].T @ distance
        reach = np.max(np.abs(estimates) + np.abs(values / size), initial=0.0)
        if impossible or np.any(np.abs(rest) > CONTRADICTION * reach):
            raise OptionError("the hypotheses contradict one another: no coefficients satisfy all")
        statistic = float(np.sum((vectors[:, kept].T @ distance) ** 2 / roots[kept]))
        # The basis in which Fai and Cornelius take the hypothesis apart.
        basis = np.linalg.eigh(variance)[1][:, ::-1][:, : int(kept.sum())]
        return statistic, basis.T @ rows

    def _rows(self, contrasts: ArrayLike) -> Array:
        rows = np.atleast_2d(np.asarray(contrasts, dtype=float))
        if rows.ndim != 2 or rows.shape[1] != len(self.beta) or not np.isfinite(rows).all():
            raise OptionError(
                f"contrasts must be finite numbers, one for each of the {len(self.beta)} "
                f"estimable coefficients in every row; their shape is {rows.shape}"
            )
        return rows


@dataclass(frozen=True, eq=False)
class FixedDenominators(Denominators):
    """The same degrees of freedom for every contrast.

    Parameters
    ----------
    degrees : float
        inf for normal and chi-squared reference distributions.
    """

    degrees: float

    def _df(self, rows: Array) -> Array:
        return np.full(len(rows), self.degrees)

    def _joint(self, rows: Array) -> tuple[float, float]:
        return self.degrees, 1.0
