"""Distributions that have another one as their limit, where a dispersion is at its boundary."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["AT_LIMIT", "limit_of", "limit_reached", "without_overdispersion"]

# Distributions without overdispersion.
_LIMITS = {
    "negative_binomial": "Poisson",
    "negative_binomial1": "Poisson",
    "truncated_negative_binomial": "truncated Poisson",
    "truncated_negative_binomial1": "truncated Poisson",
    "beta_binomial": "binomial",
}
AT_LIMIT = (
    "Dispersion: no overdispersion; the estimate is at its boundary, where the distribution is {}."
)
# A share of the variance that a sample would have to have 1e10 rows to show.
_NOTHING = 1e-5


def limit_of(family: str) -> str | None:
    """Return what a distribution is without overdispersion; None if it has no such limit.

    Parameters
    ----------
    family : str
    """
    return _LIMITS.get(family)


def limit_reached(
    family: str, log_dispersion: ArrayLike, mu: ArrayLike, trials: Any = None
) -> str | None:
    """Return the limit where that is reached; see `without_overdispersion`."""
    none = without_overdispersion(family, log_dispersion, mu, trials)
    return _LIMITS[family] if none else None


def without_overdispersion(
    family: str, log_dispersion: ArrayLike, mu: ArrayLike, trials: Any = None
) -> bool:
    """Return whether the variance is that of the limit, to all that data can show.

    Parameters
    ----------
    family : str
    log_dispersion : array_like
        Of alpha or phi of negative binomial distributions, of the precision of the beta-binomial;
        one or by row.
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
    elif family.endswith("1"):
        excess = phi
    else:
        excess = phi * np.asarray(mu)
    return bool(np.max(excess) < _NOTHING)
