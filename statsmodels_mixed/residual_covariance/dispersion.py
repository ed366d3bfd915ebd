"""What the variance of a residual depends on: strata, or powers and exponentials of a column.

With columns U as the user gave them, log(sd) of a row is log(s) + u'gamma, and s the standard
deviation where all of them are zero. Years and dates are far from zero: s and gamma would nearly
depend on one another, and s be beyond the range of numbers. Searches go through orthogonal columns
Q of mean square one with U = 1 m' + Q R,

    log(sd) = (log(s) + m'gamma) + q'(R gamma),

and the standard deviation that is searched is the one at m: zero for columns that have values on
both sides of zero or are zero, and the mean of others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from .._typing import Array
from ..errors import DataError, OptionError
from ..formula.residual import DispersionTerm
from ..frame.matrices.factor_values import Labels, read_value
from ..structures.structure import Structure

__all__ = ["Centred", "Dispersion", "read_dispersion"]


# A column is a combination of others, and of a constant, where this share of it is left.
DEPENDENT = 1e-10


@dataclass(frozen=True, eq=False)
class Centred:
    """How columns U become orthogonal columns Q of mean square one: U = 1 m' + Q R.

    Parameters
    ----------
    middle : ndarray, shape (d,)
        m.
    R : ndarray, shape (d, d)
        Upper triangular, with 1 in the diagonal for columns that depend on those before.
    independent : ndarray of bool, shape (d,)
        The others; of these the columns of Q are zero.
    """

    middle: Array
    R: Array
    independent: NDArray[np.bool_]

    @classmethod
    def of(cls, U: Array, middle: Array) -> Centred:
        """Orthogonalize columns about m by Gram and Schmidt's method.

        Parameters
        ----------
        U : ndarray, shape (n, d)
        middle : ndarray, shape (d,)
        """
        (n, d), R = U.shape, np.eye(len(middle))
        independent = np.ones(d, dtype=bool)
        Q = np.zeros((n, d))
        for j in range(d):
            left = U[:, j] - middle[j]
            for i in range(j):
                R[i, j] = Q[:, i] @ left / n
                left = left - Q[:, i] * R[i, j]
            largest = float(np.abs(left).max(initial=0.0)) or 1.0
            size = largest * float(np.sqrt(np.mean((left / largest) ** 2)))
            independent[j] = size > DEPENDENT * float(np.abs(U[:, j]).max(initial=0.0))
            if independent[j]:
                R[j, j], Q[:, j] = size, left / size
        return cls(middle, R, independent)

    def columns(self, U: Array) -> Array:
        """Return Q of any rows, shape (m, d); equal rows give equal digits."""
        Q = np.zeros(U.shape)
        for j in np.flatnonzero(self.independent):
            left = U[:, j] - self.middle[j]
            for i in range(j):
                left = left - Q[:, i] * self.R[i, j]
            Q[:, j] = left / self.R[j, j]
        return Q

    @cached_property
    def inverse(self) -> Array:
        """R^-1: gamma is this times the coefficients of Q, shape (d, d)."""
        return np.asarray(solve_triangular(self.R, np.eye(len(self.R))))

    @cached_property
    def slopes(self) -> Array:
        """Derivatives of log(s) with respect to the coefficients of Q, shape (d,)."""
        return np.asarray(-self.middle @ self.inverse)


@dataclass(frozen=True, eq=False)
class Dispersion:
    """log(sd) of each row, up to a constant: U gamma.

    Parameters
    ----------
    values : ndarray, shape (n, d)
        U.
    names : tuple of str, length d
    ratios : bool
        Whether exp(gamma) are ratios of standard deviations, else gamma are exponents.
    text : str
        As the user wrote it.
    centred : Centred
        Of all rows, where `values` are some of them.
    """

    values: Array
    names: tuple[str, ...]
    ratios: bool
    text: str
    centred: Centred = field(kw_only=True)

    @cached_property
    def columns(self) -> Array:
        """The columns that are searched, shape (n, d)."""
        return self.centred.columns(self.values)

    def about_means(self) -> Dispersion:
        """Return the same with standard deviations where columns have their means."""
        return replace(self, centred=Centred.of(self.values, self.values.mean(axis=0)))


def _middle(U: Array, structures: Sequence[Structure]) -> Array:
    """Return where standard deviations are searched: at zero, or at the means of columns off it.

    Structures without standard deviations cannot take these up.
    """
    if not all(len(structure.read().scales) for structure in structures):
        return np.zeros(U.shape[1])
    off = (U.min(axis=0) > 0) | (U.max(axis=0) < 0)
    return np.where(off, U.mean(axis=0), 0.0)


def read_dispersion(
    term: DispersionTerm,
    columns: Mapping[str, Any],
    matrix: tuple[Array, tuple[str, ...]] | None,
    structures: Sequence[Structure],
) -> Dispersion:
    """Return what log(sd) of the rows depends on.

    Parameters
    ----------
    term : DispersionTerm
    columns : mapping
        The columns that it names.
    matrix : (ndarray, tuple of str) or None
        The columns and names of a formula.
    structures : sequence of Structure
        Of the residuals.

    Raises
    ------
    DataError, OptionError
        If there is nothing that the variance could depend on.
    """
    if term.kind == "formula":
        assert matrix is not None
        values, names = matrix
        if not len(names):
            raise OptionError(f"dispersion={term.text!r} has no terms besides the constant.")
        centred = Centred.of(values, _middle(values, structures))
        return Dispersion(values, names, True, term.text, centred=centred)
    try:
        value = read_value(columns[term.code])
    except DataError as error:
        raise DataError(f"dispersion={term.text!r}: {term.code!r} {error}") from error
    if isinstance(value, Labels):
        raise DataError(f"dispersion={term.text!r} needs numbers, and {term.code!r} holds labels.")
    x = np.asarray(value[:, 0], dtype=float)
    if term.kind == "power":
        if not (x != 0).all():
            raise DataError(f"dispersion={term.text!r}: {term.code!r} is zero in some rows.")
        x = np.log(np.abs(x))
    if np.ptp(x) == 0:
        raise DataError(f"dispersion={term.text!r}: {term.code!r} is the same in all rows.")
    U = x[:, None]
    centred = Centred.of(U, _middle(U, structures))
    return Dispersion(U, (term.text,), False, term.text, centred=centred)
