"""Tests of linear hypotheses on the coefficients, by any method for the degrees of freedom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import qr, solve_triangular
from scipy.special import chdtrc, fdtrc, ndtr, stdtr

from .._typing import Array
from ..errors import OptionError
from ..fitting.fixed_effects.basis import OnBasis
from ..later import load
from .undetermined import Undetermined

__all__ = [
    "ContrastTests",
    "FTest",
    "FixedContrastTests",
    "LeastDegreesTests",
    "covariance_root",
    "root_of",
    "two_sided",
]


# A correlation matrix with eigenvalues of less than this ratio is singular.
SINGULAR = 1e-14
# With a ratio below this one too few digits are left of it.
NEARLY_SINGULAR = 1e-8
# A robust variance that is this share of the model's is made of rounding errors.
NOTHING_LEFT = 1e-16


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

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> test = inference.f_test(fit, np.eye(2))
    >>> test.df_num, round(test.df_denom, 2)
    (2, 18.0)
    """

    statistic: float
    df_num: int
    df_denom: float
    pvalue: float
    scaling: float
    wald: float


def two_sided(t: Array, df: Array) -> Array:
    """Return two-sided p-values of t statistics; infinite degrees of freedom are normal."""
    normal = np.isinf(df)
    tail = np.where(normal, ndtr(-np.abs(t)), stdtr(np.where(normal, 1.0, df), -np.abs(t)))
    return np.asarray(2.0 * tail)


def _upper_tail(statistic: float, df_num: int, df_denom: float) -> float:
    if np.isinf(df_denom):
        return float(chdtrc(df_num, df_num * statistic))
    return float(fdtrc(df_num, df_denom, statistic))


def covariance_root(covariance: Array) -> Array:
    """Return C with a covariance C C', which may be singular.

    Parameters
    ----------
    covariance : ndarray, shape (k, k)

    Returns
    -------
    ndarray, shape (k, k)
    """
    try:
        return np.asarray(np.linalg.cholesky(covariance))
    except np.linalg.LinAlgError:
        errors = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        unit = np.where(errors > 0, errors, 1.0)
        values, vectors = np.linalg.eigh(covariance / np.outer(unit, unit))
        return np.asarray(unit[:, None] * vectors * np.sqrt(np.maximum(values, 0.0)))


def root_of(known: OnBasis) -> Array:
    """Return C with the covariance C C', over its scale, that is known on a basis, shape (m, rank).

    What columns far from zero have in common cancels in products with this.
    """
    return np.asarray(known.inverse @ covariance_root(known.matrix))


@dataclass(frozen=True, eq=False)
class ContrastTests(ABC):
    """What t and F tests of the coefficients of one fit need, computed once.

    Parameters
    ----------
    beta : ndarray, shape (rank,)
        Estimable coefficients.
    covariance : ndarray, shape (rank, rank)
        Their covariance, with the method's correction if it makes one.
    undetermined : Undetermined or None
        What depends on covariance parameters that the data do not determine: there are no
        tests of that.
    on_basis : OnBasis or None
        The covariance on an orthonormal basis of X. Further matrices of a method are in that
        basis if there is one, over its scale.
    infinite : ndarray of bool, shape (rank,), or None
        Coefficients without a finite estimate: there are no tests of combinations with them.
    model_based : OnBasis or None
        Beside a robust covariance, that of the model. There are no tests of combinations of which
        nothing is left in the robust one, as of those that one cluster alone determines.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> inference.denominators(fit).covariance.round(2)
    array([[43.99, -1.37],
           [-1.37,  2.26]])
    """

    beta: Array
    covariance: Array
    undetermined: Undetermined | None = field(default=None, kw_only=True)
    on_basis: OnBasis | None = field(default=None, kw_only=True)
    infinite: NDArray[np.bool_] | None = field(default=None, kw_only=True)
    model_based: OnBasis | None = field(default=None, kw_only=True)

    def covariance_of(self, rows: Array, others: Array | None = None) -> Array:
        """Return the covariance of combinations of the coefficients.

        Parameters
        ----------
        rows : ndarray, shape (m, rank)
        others : ndarray, shape (l, rank), optional
            The combinations in the columns, `rows` by default.

        Returns
        -------
        ndarray, shape (m, l)

        See Also
        --------
        ContrastTests.errors

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> inference.denominators(fit).covariance_of(np.array([[1.0, 5.0]])).round(2)
        array([[86.69]])
        """
        left, middle, scale = self._on_basis(rows)
        right = left if others is None else self._on_basis(others)[0]
        found = np.asarray(scale * (left @ middle @ right.T))
        if self.model_based is not None:
            found[~self._is_left(rows)] = np.nan
            found[:, ~self._is_left(rows if others is None else others)] = np.nan
        if others is None:  # where variances are of rounding errors there are no covariances
            lost = found.diagonal() < 0
            if lost.any():
                found[lost] = found[:, lost] = np.nan
        return found

    def variances(self, rows: Array) -> Array:
        """Return the variance of each combination of the coefficients.

        Parameters
        ----------
        rows : ndarray, shape (m, rank)

        Returns
        -------
        ndarray, shape (m,)

        See Also
        --------
        ContrastTests.errors

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> inference.denominators(fit).variances(np.array([[1.0, 5.0]])).round(2)
        array([86.69])
        """
        left, middle, scale = self._on_basis(rows)
        found = np.asarray(scale * np.einsum("mi,mi->m", left @ middle, left))
        if self.model_based is None:
            return np.where(found < 0, np.nan, found)
        return np.where(found >= NOTHING_LEFT * self.model_based.variances(rows), found, np.nan)

    def _is_left(self, rows: Array) -> NDArray[np.bool_]:
        """Return of which combinations something is left in a robust covariance."""
        return np.isfinite(self.variances(rows))

    def _on_basis(self, rows: Array) -> tuple[Array, Array, float]:
        """Return combinations of coefficients as those on the basis, and the covariance there."""
        known = self.on_basis
        if known is None:
            if self.infinite is None:
                return rows, self.covariance, 1.0
            # Combinations without them do not depend on covariances that are not known.
            return rows, np.where(np.isfinite(self.covariance), self.covariance, 0.0), 1.0
        known = known.standardized()
        return rows @ known.inverse, known.matrix, known.scale

    def _working(self, rows: Array) -> Array:
        """Return the combinations in the coordinates in which a method has its matrices."""
        return self._on_basis(rows)[0]

    @abstractmethod
    def _df(self, rows: Array) -> Array:
        """Return degrees of freedom of each row, (m, rank), in the method's coordinates."""

    @abstractmethod
    def _joint(self, rows: Array) -> tuple[float, float]:
        """Return degrees of freedom and scaling for all of several independent rows together."""

    def df(self, contrasts: ArrayLike) -> Array:
        """Return the degrees of freedom of the t test of each contrast.

        Parameters
        ----------
        contrasts : array_like, shape (m, rank) or (rank,)
            A row for each combination of estimable coefficients.

        Returns
        -------
        ndarray, shape (m,)
            inf for rows of zeros, whose contrasts are known; NaN where a covariance parameter
            that the data do not determine has a part.

        See Also
        --------
        ContrastTests.f_test

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> inference.denominators(fit).df(np.eye(2)).round(2)
        array([18., 18.])
        """
        rows = self._rows(contrasts)
        out = np.where(self.known(rows), np.inf, np.nan)
        some = np.any(rows != 0, axis=1) & ~np.isnan(out)
        out[some] = self._df(self._working(rows[some]))
        return out

    def errors(self, contrasts: ArrayLike) -> Array:
        """Return the standard error of each contrast.

        Parameters
        ----------
        contrasts : array_like, shape (m, rank) or (rank,)
            A row for each combination of estimable coefficients.

        Returns
        -------
        ndarray, shape (m,)
            NaN as for `df`.

        See Also
        --------
        ContrastTests.df

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> inference.denominators(fit).errors([1.0, 5.0]).round(3)
        array([9.311])
        """
        rows = self._rows(contrasts)
        known, out = self.known(rows), np.full(len(rows), np.nan)
        with np.errstate(invalid="ignore"):  # a variance that is adjusted may be negative
            out[known] = np.sqrt(self.variances(rows[known]))
        return out

    def known(self, rows: Array) -> NDArray[np.bool_]:
        """Return whether each contrast depends only on finite estimates that the data determine.

        Parameters
        ----------
        rows : ndarray, shape (m, rank)
            The contrasts.

        Returns
        -------
        ndarray of bool, shape (m,)

        See Also
        --------
        ContrastTests.errors

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> inference.denominators(fit).known(np.eye(2))
        array([ True,  True])
        """
        finite = np.ones(len(rows), dtype=bool)
        if self.infinite is not None:
            present = load("standard_errors.independent_contrasts:present")
            finite = ~np.any(present(rows) & self.infinite, axis=1)
        if self.model_based is not None:
            finite &= self._is_left(rows)
        return finite if self.undetermined is None else finite & ~self.undetermined.tests(rows)

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
            All but `df_num` is NaN where the covariance of independent contrasts is singular,
            as a robust one of too few clusters is, or depends on a covariance parameter that
            the data do not determine, and where a coefficient has no finite estimate.

        Raises
        ------
        OptionError
            If the contrasts have not one column for each estimable coefficient or are zero,
            or no coefficients have all the values.

        See Also
        --------
        f_test

        Examples
        --------
        >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
        >>> round(inference.denominators(fit).f_test(np.eye(2)).statistic, 1)
        794.1
        """
        rows = self._rows(contrasts)
        values = np.asarray(value, dtype=float)
        if values.shape not in ((), (len(rows),)) or not np.isfinite(values).all():
            raise OptionError(
                f"value must be a finite number for each of the {len(rows)} contrasts, not "
                f"{value!r}."
            )
        values = np.broadcast_to(values, len(rows))
        independent = load("standard_errors.independent_contrasts:independent")
        kept = independent(rows, values, self.beta)
        rank = len(kept)
        known = self.undetermined is None or not self.undetermined.joint(rows)
        known = known and (self.infinite is None or bool(self.known(rows).all()))
        wald = self._wald(rows[kept], values[kept]) if known else np.nan
        if np.isnan(wald):
            return FTest(np.nan, rank, np.nan, np.nan, np.nan, np.nan)
        # The basis in which Fai and Cornelius decompose the hypothesis: eigenvectors of the
        # covariance, which are singular vectors of its root.
        left, middle, _ = self._on_basis(rows)
        basis = np.linalg.svd(left @ covariance_root(middle))[0][:, :rank]
        df, scaling = self._joint(self._working(basis.T @ rows))
        statistic = scaling * wald / rank
        return FTest(statistic, rank, df, _upper_tail(statistic, rank, df), scaling, wald)

    def _wald(self, rows: Array, values: Array) -> float:
        """Return Wald's statistic of independent rows; NaN if their covariance is singular."""
        variance, distance = self.covariance_of(rows), rows @ self.beta - values
        with np.errstate(invalid="ignore"):
            size = np.sqrt(np.diag(variance))
        if not np.all(size > 0):
            return np.nan
        # In units of their standard errors, so that units of columns do not matter.
        variance, distance = variance / np.outer(size, size), distance / size
        roots, vectors = np.linalg.eigh(variance)
        if self.on_basis is not None and not roots[0] > NEARLY_SINGULAR * roots[-1]:
            # Coefficients of columns that are far from zero nearly depend on one another. In
            # their place are combinations that are orthonormal on the basis of X.
            left, middle, scale = self._on_basis(rows / size[:, None])
            Q, T = qr(left.T, mode="economic")
            distance = solve_triangular(T, distance, trans="T")
            roots, vectors = np.linalg.eigh(scale * (Q.T @ middle @ Q))
        if not roots[0] > SINGULAR * roots[-1]:
            return np.nan
        return float(np.sum((vectors.T @ distance) ** 2 / roots))

    def _rows(self, contrasts: ArrayLike) -> Array:
        rows = np.atleast_2d(np.asarray(contrasts, dtype=float))
        if rows.ndim != 2 or rows.shape[1] != len(self.beta) or not np.isfinite(rows).all():
            raise OptionError(
                f"contrasts must be finite numbers, one for each of the {len(self.beta)} "
                f"estimable coefficients in every row; their shape is {rows.shape}."
            )
        return rows


@dataclass(frozen=True, eq=False)
class FixedContrastTests(ContrastTests):
    """The same degrees of freedom for every contrast.

    Parameters
    ----------
    degrees : float
        inf for normal and chi-squared reference distributions.
    """

    degrees: float

    @classmethod
    def of(cls, tests: ContrastTests, degrees: float) -> FixedContrastTests:
        """Return tests with the same covariances as others, and these degrees of freedom."""
        return cls(
            tests.beta,
            tests.covariance,
            degrees,
            on_basis=tests.on_basis,
            model_based=tests.model_based,
        )

    def _df(self, rows: Array) -> Array:
        return np.full(len(rows), self.degrees)

    def _joint(self, rows: Array) -> tuple[float, float]:
        return self.degrees, 1.0


@dataclass(frozen=True, eq=False)
class LeastDegreesTests(ContrastTests):
    """Tests of estimates with degrees of freedom of their own: a contrast has the fewest of them.

    Parameters
    ----------
    degrees : ndarray, shape (p,)
        Of each estimate.
    """

    degrees: Array

    def _df(self, rows: Array) -> Array:
        parts = np.where(rows != 0, self.degrees, np.inf)
        return np.asarray(parts.min(axis=1, initial=np.inf))

    def _joint(self, rows: Array) -> tuple[float, float]:
        return float(self._df(rows).min()), 1.0
