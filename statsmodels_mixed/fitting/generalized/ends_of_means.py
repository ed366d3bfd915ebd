"""Rows whose means are at an end of their range, where the linear predictor no longer matters.

The mean of a Gaussian response with the logit link goes to 0 or 1 as the linear predictor goes to
infinity, and its log-likelihood to a number: rows that have come near enough to that have no part
in the coefficients that took them there. For the binomial family a response says so by itself (see
`separation`); here the log-likelihood is not concave, and the estimates decide.
"""

from __future__ import annotations

import numpy as np

from ..._core import family_rows
from ..._typing import Array
from ..families.spec import FamilySpec
from ..separation import SolvedRows

__all__ = ["ends_of_rows"]


# Log-likelihood that a row at an end has left to gain or to lose.
NOTHING = 1e-6
# A linear predictor as good as infinite.
FAR = 1e15


def ends_of_rows(rows: SolvedRows, y: Array, spec: FamilySpec) -> Array:
    """Return 1 for rows at the upper end of the linear predictor, -1 at the lower, 0 at none.

    NaN is for rows without weight, which are at both.

    Parameters
    ----------
    rows : SolvedRows
    y : ndarray, shape (n,)
    spec : FamilySpec
    """

    def logliks(eta: Array) -> Array:
        return family_rows(
            spec.family,
            spec.link,
            y,
            eta,
            weights=rows.weights,
            zeta=float(np.log(rows.dispersion)) if spec.has_dispersion else 0.0,
            power=spec.power,
            observed=spec.own,
            wanted=("loglik",),
        )["loglik"]

    here = logliks(rows.eta)
    up, down = (logliks(np.full_like(rows.eta, end)) for end in (FAR, -FAR))
    with np.errstate(invalid="ignore"):
        high, low = np.abs(up - here) <= NOTHING, np.abs(down - here) <= NOTHING
    return np.where(high & low, np.nan, high.astype(float) - low.astype(float))
