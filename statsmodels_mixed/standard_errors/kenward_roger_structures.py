"""Kenward and Roger's method in the parameters of covariance structures.

The sums over pairs of elements of Sigma are carried to parameters by the derivatives of Sigma.
Where Sigma is linear in some (co)variances (us, diag, homdiag, cs, toep) that is all. Elsewhere the
second derivatives of V add - W_ij R_ij / 4 to what is summed, R_ij = X'V^-1 V_ij V^-1 X, in
parameters that must be named, because the term depends on them: variances, correlations and ranges,
as in SAS. Without it this is the method's first-order form, the same in any parameters.
"""

from __future__ import annotations

import numpy as np

from .._typing import Array
from ..errors import OptionError
from ..fitting.estimates import LinearEstimates
from ..fitting.structured.covariance_model import CovarianceModel, CovariancePart
from ..fitting.structured.fit import StructuredFit
from ..frame.design import Design
from .kenward_roger_traces import Traces

__all__ = ["in_parameters", "second_order"]


# Step of differences of Jacobians, as a share of the parameters.
STEP = 1e-5
# What Sigma may lack of being a combination of its derivatives.
MISSED = 1e-8


def in_parameters(
    sums: Traces, design: Design, estimates: LinearEstimates, structured: StructuredFit
) -> Traces:
    """Return the sums with the parameters of the structures in place of elements of Sigma."""
    model = CovarianceModel(design)
    slopes = np.zeros((model.size, len(sums.elements)))
    for part in model.parts:
        first = part.structure.derivatives(structured.phi[part.phi]) / estimates.sigma**2
        start, stop = part.columns.start, part.columns.stop
        for at, element in enumerate(sums.elements):
            if element.block == part.block and start <= element.column and element.row < stop:
                slopes[part.phi, at] = first[:, element.row - start, element.column - start]
    return sums.in_others(slopes)


def second_order(
    elements: Traces,
    parameters: Traces,
    design: Design,
    estimates: LinearEstimates,
    varpar: Array,
) -> Array:
    """Return sum_ij W_ij R_ij in variances, correlations and ranges, shape (r, r).

    Parameters
    ----------
    elements, parameters : Traces
        In the elements of Sigma, and in the parameters of the structures.
    design : Design
    estimates : LinearEstimates
    varpar : ndarray, shape (m, m) or (m + 1, m + 1)
        Asymptotic covariance of the parameters and, unless sigma is given, of a change of all of V
        by a factor.

    Raises
    ------
    OptionError
        If a structure cannot be multiplied by a factor.
    """
    model, fit = CovarianceModel(design), estimates.structured
    assert fit is not None
    W = varpar
    if not estimates.sigma_fixed:  # a factor of V is one of sigma^2 and of every Sigma
        whole = np.concatenate([_factor_of(part, fit.phi[part.phi]) for part in model.parts])
        into = np.column_stack([np.eye(model.size), whole])
        W = into @ varpar @ into.T
    out = np.zeros_like(elements.xvx)
    for part in model.parts:
        if part.structure.linear:
            continue
        phi, own = fit.phi[part.phi], W[part.phi, part.phi]
        second = part.structure.second_derivatives(phi) / estimates.sigma**2
        curved = np.einsum("ij,ijab->ab", own, second)
        for at, element in enumerate(elements.elements):
            r, c = element.row - part.columns.start, element.column - part.columns.start
            if element.block == part.block and c >= 0 and r < len(curved):
                out += curved[r, c] * elements.first[at]
        slopes, bends = _variances_and_correlations(part, phi)
        change = -_solved(slopes, np.einsum("ij,aij->a", own, bends))
        out += np.einsum("i,iab->ab", change, parameters.first[part.phi])
    return out


def _solved(matrix: Array, right: Array) -> Array:
    """Solve equations whose unknowns, and right sides, may be in units of very different sizes."""
    columns = np.abs(matrix).max(axis=0, initial=0.0)
    columns = np.where(columns > 0, columns, 1.0)
    rows = np.abs(matrix / columns).max(axis=1, initial=0.0)
    rows = np.where(rows > 0, rows, 1.0)
    scaled = matrix / columns / rows[:, None]
    return np.asarray(np.linalg.lstsq(scaled, right / rows, rcond=None)[0] / columns)


def _factor_of(part: CovariancePart, phi: Array) -> Array:
    """Return the change of parameters that is one of Sigma in proportion, per unit of it."""
    slopes = np.asarray(part.structure.derivatives(phi)).reshape(len(phi), -1)
    sigma = np.asarray(part.structure.sigma(phi)).ravel()
    found = _solved(slopes.T, sigma)
    if np.abs(slopes.T @ found - sigma).max() > MISSED * np.abs(sigma).max():
        raise OptionError(
            f"{part.structure.name}() has no standard deviations to multiply: take "
            'dof="kenward-roger-linear" or "satterthwaite".'
        )
    return np.asarray(found)


def _variances_and_correlations(part: CovariancePart, phi: Array) -> tuple[Array, Array]:
    """Return derivatives of what is reported, with variances in place of deviations."""

    def jacobian(at: Array) -> Array:
        natural = part.structure.natural(at)
        by_scale = 2.0 * natural.values[:, None] * natural.jacobian
        return np.where(natural.scales[:, None], by_scale, natural.jacobian)

    least, scales = np.full(len(phi), 1e-2), list(part.structure.read().scales)
    largest = float(np.abs(phi[scales]).max(initial=0.0))
    least[scales] *= largest or 1.0
    steps = STEP * np.maximum(np.abs(phi), least)
    second = [
        (jacobian(phi + step) - jacobian(phi - step)) / (2.0 * size)
        for size, step in zip(steps, np.diag(steps), strict=True)
    ]
    return jacobian(phi), np.stack(second, axis=2)
