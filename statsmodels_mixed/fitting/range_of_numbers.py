"""Variances of coefficients that are, or whose products are, beyond the range of doubles."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from ..frame.design import Design
from .estimates import LinearEstimates

__all__ = ["CUBES", "refuse_lost_variances"]

# The least normal number, and the least variance whose standard error has a cube that is one, as
# interpolation by cubic splines needs.
NORMAL = float(np.finfo(float).tiny)
CUBES = 1e-200


def refuse_lost_variances(
    design: Design, estimates: LinearEstimates, least: float = NORMAL
) -> None:
    """Make sure that the variances of coefficients are ordinary numbers.

    Parameters
    ----------
    design : Design
    estimates : LinearEstimates
    least : float
        Variances must lie between this and its inverse.

    Raises
    ------
    DataError
        If one is not; it names the column.
    """
    if not estimates.sigma > 0:
        return
    variances = np.diag(estimates.cov_conditional)
    lost = ~((variances >= least) & (variances <= 1.0 / least)) & ~np.isnan(variances)
    if not lost.any():
        return
    name = design.x_names[int(estimates.columns[int(np.argmax(lost))])]
    raise DataError(
        f"the variance of the coefficient of {name!r} is beyond the range of numbers: "
        f"multiply {name!r}, or the response, by a power of ten."
    )
