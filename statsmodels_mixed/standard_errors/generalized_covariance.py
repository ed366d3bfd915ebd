"""Covariance of all parameters of a generalized fit, from the Hessian of its objective."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from .._typing import Array
from ..fitting.apart import columns_apart
from ..fitting.estimates import GeneralizedEstimates
from ..fitting.fixed_effects.basis import OnBasis
from ..fitting.generalized.fit import hessian
from ..fitting.structured.covariance_model import CovarianceModel
from ..frame.design import Design
from ..later import load

__all__ = ["parameter_covariance", "variance_slopes"]


# Eigenvalues below this cannot be distinguished from zero: the Hessian is scaled and comes from
# finite differences.
POSITIVE = 1e-8
# Step of differences in the coordinates of covariance structures.
STEP = 1e-5


def parameter_covariance(design: Design, estimates: GeneralizedEstimates) -> OnBasis | None:
    """Return the inverse of half the Hessian of -2 log-likelihood in all parameters.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : GeneralizedEstimates
        The fit, at a minimum of the objective.

    Returns
    -------
    OnBasis or None
        In the order theta (or free coordinates of covariance structures), beta, log dispersion if
        there is one; None if the Hessian is not positive definite.
    """
    if not design.has_rows:
        return _inverted(*load("fitting.streamed.problem:streamed_hessian")(design, estimates))
    design, estimates, coordinates = columns_apart(design, estimates)
    if estimates.structured is None:
        matrix, change = hessian(design, estimates)
    else:
        other = load("fitting.structured.apart:ColumnsApart").of(design, None)
        if other is not None:
            inner = parameter_covariance(other.design, other.inner(estimates))
            if inner is None:
                return None
            m = len(estimates.structured.phi)
            rows = np.vstack([other.outward(inner.inverse[:m]), inner.inverse[m:]])
            return OnBasis(rows, inner.matrix, inner.scale, inner.root)
        structured_hessian = load("fitting.structured.generalized:structured_hessian")
        matrix, change = structured_hessian(design, estimates)
    known = _inverted(matrix, change)
    if known is None or coordinates.trivial:
        return known
    return OnBasis.of_root(coordinates.outward(known.inverse.T).T)


def _inverted(matrix: Array, change: Array) -> OnBasis | None:
    """Return the covariance of all parameters; None if the Hessian is not positive definite."""
    with np.errstate(all="ignore"):
        size = np.sqrt(np.diag(matrix))  # so that units of columns do not matter
        scaled = matrix / np.outer(size, size)
    if not np.isfinite(scaled).all() or np.linalg.eigvalsh(scaled)[0] < POSITIVE:
        return None
    # With a root of the inverse, columns far from zero keep their digits.
    upper = cholesky(scaled)
    root = solve_triangular(upper, np.eye(len(size))) * (np.sqrt(2.0) / size[:, None])
    return OnBasis.of_root(change @ root)


def variance_slopes(
    design: Design, estimates: GeneralizedEstimates, columns: Sequence[Array]
) -> Array:
    """Return the derivatives of z'Sigma z in the covariance parameters of `parameter_covariance`.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : GeneralizedEstimates
    columns : sequence of ndarray, shape (m, k)
        Rows z for each grouping factor, whose variances are added.

    Returns
    -------
    ndarray, shape (m, n_covariance)
    """
    if estimates.structured is None:
        parts = [np.empty((len(z), 0)) for z in columns[:1]]
        for z, T, block in zip(columns, estimates.factors, design.blocks, strict=True):
            of, rows = np.nonzero(block.pattern.T)  # theta goes column by column
            parts.append(2.0 * (z @ T)[:, of] * z[:, rows])
        return np.hstack(parts)
    model = CovarianceModel(design)
    x = estimates.structured.z[: model.size]

    def variance(at: Array) -> Array:
        pairs = zip(columns, model.sigmas(model.phi(at)), strict=True)
        return np.asarray(sum(np.einsum("mi,mi->m", z @ Sigma, z) for z, Sigma in pairs))

    steps = STEP * np.maximum(1.0, np.abs(x))
    return np.column_stack(
        [(variance(x + h) - variance(x - h)) / (2.0 * h.sum()) for h in np.diag(steps)]
    )
