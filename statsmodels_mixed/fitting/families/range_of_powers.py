"""Powers of a response in its likelihood that are beyond the range of doubles.

With the link eta = mu^p the mean and its derivatives in eta are of the orders mu, mu^(1 - p),
mu^(1 - 2p) and mu^(1 - 3p), those of log mu of the orders mu^-p, mu^-2p and mu^-3p: curvatures of
the likelihood, and of log|Omega|, are made of these. Variances are phi V(mu), with powers of their
own. Where a response is so large or small that one of them overflows, or underflows to nothing,
a fit would have wrong digits, or none.
"""

from __future__ import annotations

import numpy as np

from ..._typing import Array
from ...errors import DataError
from .spec import FamilySpec

__all__ = ["refuse_beyond_powers"]

# Decimal exponents of doubles end at 308; means of rows, and sums over them, differ by some powers
# of ten.
FARTHEST = 304.0
# Families whose log-likelihood is a function of log mu, the derivatives of which it takes alone.
OF_LOG_MEAN = ("gamma", "inverse_gaussian")


def refuse_beyond_powers(y: Array, name: str, spec: FamilySpec) -> None:
    """Make sure that the likelihood of responses of this size can be computed.

    Parameters
    ----------
    y : ndarray, shape (n,)
        Real numbers, of a family with a dispersion.
    name : str
        Of the response.
    spec : FamilySpec

    Raises
    ------
    DataError
        If it cannot.
    """
    if spec.support not in ("real", "positive", "not negative"):
        return
    size = float(np.mean(np.abs(y)))
    digits = float(np.log10(size)) if size > 0 else 0.0
    if abs(digits) * _highest_power(spec) <= FARTHEST:
        return
    raise DataError(
        f"the response {name!r} has a mean size of {size:.0e}: powers of it that the family "
        f"{spec.family} with the link {spec.link} needs are beyond the range of numbers; multiply "
        f"it by a power of ten, such as 1e{-round(digits):+d}."
    )


def _highest_power(spec: FamilySpec) -> float:
    """Return the highest power of the mean, or of its inverse, that a fit computes with."""
    variance = 3.0 if spec.family == "inverse_gaussian" else 2.0
    if spec.normal:
        return variance  # derivatives but the first are 0
    p = spec.power if spec.link in ("power", "identity") else 0.0
    third = 0.0 if spec.family in OF_LOG_MEAN else abs(1.0 - 3.0 * p)
    return max(variance, 3.0 * abs(p), third)
