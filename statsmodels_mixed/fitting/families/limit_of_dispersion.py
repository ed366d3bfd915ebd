"""Distributions that have another one as their limit, where a dispersion is at its boundary."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..._typing import Array

__all__ = [
    "ends_at_a_response",
    "limit_in_words",
    "limit_of",
    "limit_reached",
    "overdispersion_at_limit",
    "rows_that_do_not_vary",
]

# Distributions without overdispersion, and the one of a family that has no more of it.
_LIMITS = {
    "negative_binomial": "Poisson",
    "negative_binomial1": "Poisson",
    "truncated_negative_binomial": "truncated Poisson",
    "truncated_negative_binomial1": "truncated Poisson",
    "beta_binomial": "binomial",
    "conway_maxwell_poisson": "geometric",
    "truncated_conway_maxwell_poisson": "truncated geometric",
}
_MOST = "geometric"
# A share of the variance that a sample would have to have 1e10 rows to show.
_NOTHING = 1e-5
# Dispersion phi (1 + mu) of counts that are one of two.
_NO_VARIATION = 1e-6
# A share of the mean that is none of it.
_NO_ROOM = 1e-6


def limit_in_words(limit: str) -> str:
    """Return how much overdispersion a distribution has at its limit, and what it is there.

    Parameters
    ----------
    limit : str
        As `limit_reached` returns it.
    """
    much = "all the overdispersion of the family" if limit.endswith(_MOST) else "no overdispersion"
    return f"{much}; the estimate is at its boundary, where the distribution is {limit}"


def limit_of(family: str) -> str | None:
    """Return what a distribution is at the limit of its dispersion; None if it has none.

    Parameters
    ----------
    family : str
    """
    return _LIMITS.get(family)


def limit_reached(
    family: str, log_dispersion: ArrayLike, mu: ArrayLike, trials: Any = None
) -> str | None:
    """Return the limit where that is reached; see `overdispersion_at_limit`."""
    none = overdispersion_at_limit(family, log_dispersion, mu, trials)
    return _LIMITS[family] if none else None


def overdispersion_at_limit(
    family: str, log_dispersion: ArrayLike, mu: ArrayLike, trials: Any = None
) -> bool:
    """Return whether the variance is that of the limit, to all that data can show.

    Parameters
    ----------
    family : str
    log_dispersion : array_like
        Of alpha or phi of negative binomial distributions, of the precision of the beta-binomial,
        of phi = 1 / nu of the Conway-Maxwell-Poisson; one or by row.
    mu : array_like
        Means by row.
    trials : ndarray, optional
        Numbers of trials; 1 by default.
    """
    if family not in _LIMITS:
        return False
    with np.errstate(over="ignore"):
        phi = np.exp(np.asarray(log_dispersion, dtype=float))
    if family == "beta_binomial":
        excess = (np.asarray(1.0 if trials is None else trials) - 1.0) / (1.0 + phi)
    elif family.endswith("conway_maxwell_poisson"):
        excess = (1.0 + np.asarray(mu)) / phi  # of the order of nu log y!
    elif family.endswith("1"):
        excess = phi
    else:
        excess = phi * np.asarray(mu)
    return bool(np.max(excess) < _NOTHING)


def ends_at_a_response(family: str, log_phi: Array, mu: Array, y: Array) -> bool:
    """Return whether an underdispersed generalized Poisson distribution ends at a response.

    Its rate is mu / root(phi) + (1 - 1 / root(phi)) y, which vanishes there; a 1 has a density
    up to that end, so that the likelihood may be largest where it has no derivative.

    Parameters
    ----------
    family : str
    log_phi, mu, y : ndarray, shape (n,)
        Logarithm of the dispersion, mean and response of each row.
    """
    if not family.endswith("generalized_poisson"):
        return False
    shrinkage = np.exp(-0.5 * log_phi)
    rate = mu * shrinkage + (1.0 - shrinkage) * y
    return bool(np.any((y > 0) & (rate < _NO_ROOM * mu * shrinkage)))


def rows_that_do_not_vary(family: str, log_phi: Array, mu: Array) -> int:
    """Return how many rows have a Conway-Maxwell-Poisson distribution at its end of no dispersion.

    It has the two counts about the mean there and no others: nu log((y + 1) / y) is beyond all
    numbers.

    Parameters
    ----------
    family : str
    log_phi, mu : ndarray, shape (n,)
        Logarithm of the dispersion, -log nu, and mean of each row.
    """
    if not family.endswith("conway_maxwell_poisson"):
        return 0
    return int(np.count_nonzero(log_phi + np.log1p(mu) < np.log(_NO_VARIATION)))
