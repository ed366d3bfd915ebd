"""Covariance of all parameters of a generalized fit, from the Hessian of its objective."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..fitting.apart import columns_apart
from ..fitting.estimates import GeneralizedEstimates
from ..fitting.generalized import hessian
from ..fitting.structured_generalized import structured_hessian
from ..frame.design import Design

__all__ = ["parameter_covariance"]

Array = NDArray[np.float64]

# Eigenvalues below this cannot be distinguished from zero: the Hessian is scaled and comes from
# finite differences.
POSITIVE = 1e-8


def parameter_covariance(design: Design, estimates: GeneralizedEstimates) -> Array | None:
    """Return the inverse of half the Hessian of -2 log-likelihood in all parameters.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : GeneralizedEstimates
        The fit, at a minimum of the objective.

    Returns
    -------
    ndarray or None
        In the order theta (or free coordinates of covariance structures), beta, log dispersion if
        there is one; None if the Hessian is not positive definite.
    """
    design, estimates, coordinates = columns_apart(design, estimates)
    if estimates.structured is None:
        matrix, change = hessian(design, estimates)
    else:
        matrix, change = structured_hessian(design, estimates)
    with np.errstate(all="ignore"):
        size = np.sqrt(np.diag(matrix))  # so that units of columns do not matter
        scaled = matrix / np.outer(size, size)
    if not np.isfinite(scaled).all() or np.linalg.eigvalsh(scaled)[0] < POSITIVE:
        return None
    inverse = change @ (2.0 * np.linalg.inv(scaled) / np.outer(size, size)) @ change.T
    return coordinates.outward(coordinates.outward(inverse).T)
