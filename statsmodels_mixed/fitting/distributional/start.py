"""Coefficients of the mean with which the search for other parameters of rows begins."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._typing import Array
from ...frame.design import Design
from ..families.spec import OF_SHARES, FamilySpec, family_object
from ..fixed_effects.basis import FixedBasis
from ..generalized.start import glm_coefficients, predictor_of

__all__ = ["coefficients_to_begin_with"]


# Linear predictors farther from 0 are those of no finite maximum; of powers of the mean, whose unit
# is that of the response, this many times that of its mean.
_FARTHEST = 30.0
# Shares of the coefficients that are tried, the rest being those of a constant.
_SHARES = (1.0, 0.5, 0.2, 0.05, 0.0)


def coefficients_to_begin_with(design: Design, spec: FamilySpec, basis: FixedBasis) -> Array:
    """Return coefficients of a model without the other parts, in a basis of X, shape (rank,).

    Parameters
    ----------
    design : Design
    spec : FamilySpec
    basis : FixedBasis
        Of X.
    """
    if spec.family == "ordered":  # the thresholds have what a constant would be
        return np.zeros(len(basis.columns))
    keep = design.y != 0 if spec.zeros == "hurdle" else np.ones(len(design.y), bool)
    offset = None if design.offset is None else design.offset[keep]
    weights = None if design.weights is None else design.weights[keep]
    family = family_object(spec)
    gamma = glm_coefficients(basis.Q[keep], design.y[keep], family, weights, offset)
    with np.errstate(all="ignore"):
        level = float(family.link(np.mean(family.starting_mu(design.y[keep]))))
    shift = 0.0 if design.offset is None else design.offset
    constant = np.asarray(basis.Q.T @ (np.full(len(design.y), level) - shift) / len(design.y))
    unit = abs(level) if spec.link == "power" else 1.0
    if not np.isfinite(gamma).all() or _runs_off(spec, predictor_of(basis.Q, gamma, design), unit):
        return constant
    for share in _SHARES:  # links such as the identity admit predictors that are no means
        trial = np.asarray(share * gamma + (1.0 - share) * constant)
        eta = predictor_of(basis.Q, trial, design)
        if _are_means(spec, family, eta):
            return trial
    return gamma


def _runs_off(spec: FamilySpec, eta: Array, unit: float) -> bool:
    return spec.link != "identity" and not bool(np.all(np.abs(eta) < _FARTHEST * unit))


def _are_means(spec: FamilySpec, family: Any, eta: Array) -> bool:
    """Return whether linear predictors are means that every response is possible with."""
    with np.errstate(all="ignore"):
        mu = family.link.inverse(eta)
    if spec.support == "real":
        return bool(np.isfinite(mu).all())
    highest = 1.0 if spec.support in OF_SHARES else np.inf
    return bool(np.all((mu > 0) & (mu < highest)))
