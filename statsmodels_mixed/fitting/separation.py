"""Separation: coefficients for which the likelihood has no maximum.

If some direction d has X d >= 0 wherever an outcome grows likelier with the linear
predictor without end (a success), <= 0 wherever it grows likelier as that falls (a failure, a
count of 0), and = 0 in all other rows, then going along d never lowers the likelihood,
for any random effects. Such a direction is found, or excluded, by a linear
program (Konis 2007, "Linear programming algorithms for detecting separated data").
In other families a fit may have taken rows to an end of the range of their means, and the same
program finds the direction in which it did.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from .._typing import Array
from ..later import load
from .families.spec import FamilySpec
from .fixed_effects.basis import OnBasis

__all__ = ["Separation", "SolvedRows", "separation", "suspected_separation"]


# Standard error, per range of its column and on the scale of the link, above which a
# coefficient is suspected of having no finite estimate. The linear program then decides.
SUSPICIOUS = 3.0
# Share of the longest column step that counts as part of the direction.
PRESENT = 1e-7
# Condition of columns, each in units of its range, from which the program takes a basis of them.
FAR_FROM_ZERO = 1e4
MOST_CELLS = 5_000_000
SECONDS = 10.0

_SHARES = ("binomial", "beta_binomial", "ordered_beta")
_COUNTS = (
    *("poisson", "negative_binomial", "negative_binomial1", "generalized_poisson"),
    *("conway_maxwell_poisson", "tweedie"),
)
_BOTH_ENDS = ("logit", "probit", "cauchit", "cloglog", "loglog")


@dataclass(frozen=True, eq=False)
class Separation:
    """The direction in which a response separates.

    Parameters
    ----------
    sign : ndarray, shape (rank,)
        Of the coefficients that have no finite estimate, 1 for those that go to infinity and -1 for
        those that go to minus infinity; 0 for all others.
    higher_at_infinity : bool
        Whether the likelihood is higher where some coefficient is infinite than at the estimates,
        which are then none.
    """

    sign: Array
    higher_at_infinity: bool = False

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which coefficients have no finite estimate, shape (rank,)."""
        return np.asarray(self.sign != 0)


@dataclass(frozen=True)
class SolvedRows:
    """The rows of a fit.

    Parameters
    ----------
    eta : ndarray, shape (n,)
        Linear predictors with the conditional modes.
    weights : ndarray, shape (n,), optional
    dispersion : float
    """

    eta: Array
    weights: Array | None
    dispersion: float


class NeverSeparated:
    """A solved problem whose responses are normal, so that no estimate is infinite."""

    def separation(
        self,
        X: Array,
        y: Array,
        covariance: Array,
        *,
        converged: bool,
        rows: SolvedRows | None = None,
    ) -> Separation:
        """Return no separation."""
        return Separation(np.zeros(X.shape[1]))


def separation(
    X: Array,
    y: Array,
    spec: FamilySpec,
    covariance: Array,
    *,
    converged: bool,
    rows: SolvedRows | None = None,
) -> Separation:
    """Return the direction in which a response separates, if there is one.

    Parameters
    ----------
    X : ndarray, shape (n, rank)
        Estimable columns.
    y : ndarray, shape (n,)
    spec : FamilySpec
    covariance : ndarray, shape (rank, rank)
        Of the coefficients of a fit given the covariance parameters.
    converged : bool
        Whether that fit did. The linear program is only solved when a standard error is
        suspicious or it did not.
    rows : SolvedRows, optional
        Of that fit: they are asked where responses alone do not separate.

    Returns
    -------
    Separation
        Of nothing where the design is too large for the linear program.
    """
    rank = X.shape[1]
    nothing = Separation(np.zeros(rank))
    signs = _directions(y, spec)
    if not rank or (signs is None and rows is None):
        return nothing
    span = _spans(X.min(axis=0), X.max(axis=0))
    suspicious = _are_suspicious(covariance, span).any()
    if not suspicious and (converged or signs is None):
        return nothing
    if signs is None:
        signs = np.asarray(load("fitting.generalized.ends_of_means:ends_of_rows")(rows, y, spec))
        if not np.any(np.abs(signs) == 1.0):
            return Separation(nothing.sign, _is_higher_at_infinity(X, y, spec, covariance, rows))
    taking_part = ~np.isnan(signs)
    return Separation(_signs_of_direction(X[taking_part] / span, signs[taking_part]))


def _is_higher_at_infinity(
    X: Array, y: Array, spec: FamilySpec, covariance: Array, rows: SolvedRows | None
) -> bool:
    """Return whether a coefficient of suspicious standard error would do better at infinity."""
    suspicious = _are_suspicious(covariance, _spans(X.min(axis=0), X.max(axis=0)))
    errors = np.where(suspicious, np.sqrt(np.abs(np.diag(covariance))), 0.0)
    if not np.isfinite(errors).all():
        return False
    higher = load("fitting.generalized.ends_of_means:is_higher_at_infinity")
    return bool(higher(rows, X, y, spec, errors))


def suspected_separation(
    low: Array, high: Array, spec: FamilySpec, covariance: OnBasis
) -> NDArray[np.bool_]:
    """Return which coefficients may have no finite estimate, where rows cannot be asked.

    Parameters
    ----------
    low, high : ndarray, shape (rank,)
        The least and the largest value of each estimable column.
    spec : FamilySpec
    covariance : OnBasis
        Of the coefficients.
    """
    possible = _directions(np.zeros(1), spec) is not None
    own = _are_suspicious(covariance.covariance, _spans(low, high))
    # Where columns are far from zero an intercept is, without that, known badly: it is asked for in
    # the middle of the others.
    constant = np.flatnonzero(own & (low == high) & (low != 0))
    middle = np.eye(len(low))[constant]
    varying = np.where((high > low) & ~own, (low + high) / 2, 0.0)
    middle += varying / low[constant, None]
    own[constant] = _are_suspicious(covariance.combined(middle).covariance, np.abs(low[constant]))
    return own & possible


def _spans(low: Array, high: Array) -> Array:
    """Return how far columns reach."""
    span = np.where(high > low, high - low, np.abs(high))
    return np.where(span > 0, span, 1.0)


def _are_suspicious(covariance: Array, span: Array) -> NDArray[np.bool_]:
    """Return which standard errors, over the reach of a column, are too large to believe."""
    with np.errstate(invalid="ignore"):  # a NaN is suspicious too
        errors: Array = np.sqrt(np.diag(covariance)) * span
        return ~(errors < SUSPICIOUS)


def _directions(y: Array, spec: FamilySpec) -> Array | None:
    """Return 1 for rows that pull the linear predictor up without end, -1 down, 0 neither.

    NaN is for rows that the predictor has no part in.
    """
    if spec.family == "ordered":
        return np.where(y == np.max(y), 1.0, np.where(y == np.min(y), -1.0, 0.0))
    if spec.family in _SHARES and spec.link in (*_BOTH_ENDS, "log"):
        up = 1.0 if spec.link in _BOTH_ENDS else 0.0  # a log link ends at mean 1
        return np.where(y == 1, up, np.where(y == 0, -1.0, 0.0))
    if spec.family in _COUNTS and spec.link == "log":
        return np.where(y == 0, -1.0, 0.0)
    if spec.support == "positive counts" and spec.link == "log":
        return np.where(y == 1, -1.0, np.where(y == 0, np.nan, 0.0))
    return None


def _signs_of_direction(X: Array, signs: Array) -> Array:
    """Return the signs of a d with signs * (X d) >= 0, X d = 0 where the sign is 0; or zeros.

    Columns far from zero, of which only a large combination separates, are replaced by an
    orthonormal basis: the program has a tolerance, in units of its unknowns.
    """
    rows = np.unique(np.column_stack([signs, X]), axis=0)
    rank = X.shape[1]
    if rows.size > MOST_CELLS:
        return np.zeros(rank)
    signs, X = rows[:, 0], rows[:, 1:]
    back = np.eye(rank)
    if len(X) >= rank and np.linalg.cond(X) > FAR_FROM_ZERO:
        X, R = np.linalg.qr(X)
        X *= np.sqrt(len(X))
        with suppress(np.linalg.LinAlgError):
            back = np.linalg.inv(R)
    direction = back @ _separating_direction(X, signs)
    present = np.abs(direction) > PRESENT * np.abs(back).max(axis=1)
    return np.where(present, np.sign(direction), 0.0)


def _separating_direction(X: Array, signs: Array) -> Array:
    """Return d with signs * (X d) >= 0, X d = 0 where the sign is 0; zero if there is none."""
    rank = X.shape[1]
    pulled = signs != 0
    gains = signs[pulled, None] * X[pulled]
    fixed = X[~pulled]
    found = linprog(
        -gains.sum(axis=0),
        A_ub=-gains,
        b_ub=np.zeros(len(gains)),
        A_eq=fixed if len(fixed) else None,
        b_eq=np.zeros(len(fixed)) if len(fixed) else None,
        bounds=(-1.0, 1.0),
        options={"time_limit": SECONDS},
    )
    separates = found.status == 0 and -found.fun > PRESENT
    return np.asarray(found.x) if separates else np.zeros(rank)
