"""Rows whose means are at an end of their range, where the linear predictor no longer matters.

The mean of a Gaussian response with the logit link goes to 0 or 1 as the linear predictor goes to
infinity, and its log-likelihood to a number: rows that have come near enough to that have no part
in the coefficients that took them there. For the binomial family a response says so by itself (see
`separation`); here the log-likelihood is not concave, and the estimates decide.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..._typing import Array
from ..families.spec import FamilySpec
from ..separation import SolvedRows

__all__ = ["ends_of_rows", "is_higher_at_infinity"]


# Log-likelihood that a row at an end has left to gain or to lose.
NOTHING = 1e-6
# A linear predictor as good as infinite.
FAR = 1e15
# Standard errors by which a coefficient is moved to be as good as infinite, and how much higher the
# log-likelihood is there: absolutely, and as a share of its terms.
BEYOND, HIGHER, ROUNDING = 1e3, 1e-6, 1e-11


def ends_of_rows(rows: SolvedRows, y: Array, spec: FamilySpec) -> Array:
    """Return 1 for rows at the upper end of the linear predictor, -1 at the lower, 0 at none.

    NaN is for rows without weight, which are at both.

    Parameters
    ----------
    rows : SolvedRows
    y : ndarray, shape (n,)
    spec : FamilySpec
    """
    logliks = _row_logliks(rows, y, spec)
    here = logliks(rows.eta)
    up, down = (logliks(np.full_like(rows.eta, end)) for end in (FAR, -FAR))
    with np.errstate(invalid="ignore"):
        high, low = np.abs(up - here) <= NOTHING, np.abs(down - here) <= NOTHING
    return np.where(high & low, np.nan, high.astype(float) - low.astype(float))


def _row_logliks(rows: SolvedRows, y: Array, spec: FamilySpec) -> Callable[[Array], Array]:
    """Return the log-likelihood of every row as a function of the linear predictor."""

    def logliks(eta: Array) -> Array:
        return spec.rows(
            y,
            eta,
            weights=rows.weights,
            zeta=float(np.log(rows.dispersion)) if spec.has_dispersion else 0.0,
            wanted=("loglik",),
        )["loglik"]

    return logliks


def is_higher_at_infinity(
    rows: SolvedRows, X: Array, y: Array, spec: FamilySpec, errors: Array
) -> bool:
    """Return whether the likelihood is higher with an infinite coefficient than at the estimates.

    A mean of zero is no end of the inverse link: it is passed on the way from positive predictors
    to negative ones, but no search by finite coefficients passes it. There rows have no information
    any more, which log|Omega| would count: it lowers the objective further.

    Parameters
    ----------
    rows : SolvedRows
    X : ndarray, shape (n, rank)
    y : ndarray, shape (n,)
    spec : FamilySpec
    errors : ndarray, shape (rank,)
        Standard errors of the coefficients that are moved; 0 for others.
    """
    logliks = _row_logliks(rows, y, spec)
    here = logliks(rows.eta)
    least = HIGHER + ROUNDING * float(np.abs(here).sum())
    for j in np.flatnonzero(errors):
        for sign in (-BEYOND, BEYOND):
            with np.errstate(all="ignore"):
                there = logliks(rows.eta + sign * errors[j] * X[:, j])
                if float(np.sum(there - here)) > least:
                    return True
    return False
