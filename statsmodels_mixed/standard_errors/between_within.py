"""Between-within degrees of freedom: a split of the residual ones by level of variation.

Columns of X that are constant within every subject are tested between subjects, with (subjects -
such columns - intercept) degrees of freedom; the others, and the intercept, within subjects, with
(rows - subjects - other columns). A contrast of both has the smaller number
(Schluchter and Elashoff 1990, Journal of Statistical Computation and Simulation 37, 69-87).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from .contrast_tests import ContrastTests

__all__ = ["BetweenWithin", "between_within"]


@dataclass(frozen=True, eq=False)
class BetweenWithin(ContrastTests):
    """Degrees of freedom of each coefficient by itself.

    Parameters
    ----------
    degrees : ndarray, shape (rank,)
    """

    degrees: Array

    def _working(self, rows: Array) -> Array:
        return rows  # only which coefficients are not zero matters

    def _df(self, rows: Array) -> Array:
        return np.asarray(np.where(rows != 0, self.degrees, np.inf).min(axis=1))

    def _joint(self, rows: Array) -> tuple[float, float]:
        used = np.abs(rows).max(axis=0) > 1e-8 * np.abs(rows).max()
        return float(self.degrees[used].min()), 1.0


def between_within(X: Array, subject: NDArray[np.intp], tests: ContrastTests) -> BetweenWithin:
    """Divide the degrees of freedom.

    Parameters
    ----------
    X : ndarray, shape (n, rank)
        Estimable columns.
    subject : ndarray of int, shape (n,)
    tests : ContrastTests
        Coefficients and their covariance.
    """
    _, first, code = np.unique(subject, return_index=True, return_inverse=True)
    constant = (X[0] == X).all(axis=0)
    between = (X[first][code] == X).all(axis=0) & ~constant
    intercept = int(constant.any())
    above = len(first) - intercept - int(between.sum())
    below = len(X) - len(first) - int((~between & ~constant).sum())
    degrees = np.where(between, float(above), float(below))
    return BetweenWithin(
        beta=tests.beta,
        covariance=tests.covariance,
        degrees=np.maximum(degrees, 1.0),
        on_basis=tests.on_basis,
        model_based=tests.model_based,
    )
