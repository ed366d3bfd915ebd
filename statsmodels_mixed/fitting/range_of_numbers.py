"""Variances of coefficients that are, or whose products are, beyond the range of doubles."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from ..frame.design import Design
from .estimates import LinearEstimates

__all__ = ["refuse_lost_variances"]

NORMAL = float(np.finfo(float).tiny)


def refuse_lost_variances(design: Design, estimates: LinearEstimates) -> None:
    """Make sure that the variances of coefficients are ordinary numbers.

    Parameters
    ----------
    design : Design
    estimates : LinearEstimates

    Raises
    ------
    DataError
        If one is not; it names the column.
    """
    if not estimates.sigma > 0:
        return
    variances = np.diag(estimates.cov_conditional)
    lost = ~((variances >= NORMAL) & (variances <= 1.0 / NORMAL)) & ~np.isnan(variances)
    if not lost.any():
        return
    name = design.x_names[int(estimates.columns[int(np.argmax(lost))])]
    raise DataError(
        f"the variance of the coefficient of {name!r} is beyond the range of numbers: "
        f"multiply {name!r}, or the response, by a power of ten."
    )
