"""Standard errors of a generalized fit that let for theta and the dispersion being estimated."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..design import Design
from ..estimates import GeneralizedEstimates
from ..generalized import hessian

__all__ = ["hessian_covariance"]

Array = NDArray[np.float64]

# Smallest eigenvalue of the scaled Hessian that is told from zero by differences.
POSITIVE = 1e-8


def hessian_covariance(design: Design, estimates: GeneralizedEstimates) -> Array | None:
    """Return the covariance of beta from the Hessian of the objective in all parameters.

    The inverse of half the Hessian of -2 log-likelihood, its block for beta.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : GeneralizedEstimates
        The fit, at a minimum of the objective.

    Returns
    -------
    ndarray, shape (rank, rank), or None
        None if the Hessian is not positive definite.
    """
    matrix = hessian(design, estimates)
    with np.errstate(all="ignore"):
        size = np.sqrt(np.diag(matrix))  # so that units of columns do not matter
        scaled = matrix / np.outer(size, size)
    if not np.isfinite(scaled).all() or np.linalg.eigvalsh(scaled)[0] < POSITIVE:
        return None
    inverse = 2.0 * np.linalg.inv(scaled) / np.outer(size, size)
    start = len(estimates.theta)
    beta = slice(start, start + len(estimates.beta))
    return np.asarray(inverse[beta, beta])
