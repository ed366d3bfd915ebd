"""Coefficients of the mean with which the search for other parameters of rows begins."""

from __future__ import annotations

import numpy as np

from ..._typing import Array
from ...frame.design import Design
from ..families.spec import FamilySpec, family_object
from ..fixed_basis import FixedBasis
from ..generalized_start import glm_coefficients

__all__ = ["coefficients_to_begin_with"]


# Linear predictors farther from 0 are those of no finite maximum.
_FARTHEST = 30.0


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
    near = spec.link == "identity" or bool(np.all(np.abs(basis.Q @ gamma) < _FARTHEST))
    if np.isfinite(gamma).all() and near:
        return gamma
    with np.errstate(all="ignore"):
        level = float(family.link(np.mean(family.starting_mu(design.y[keep]))))
    return np.asarray(basis.Q.T @ np.full(len(design.y), level) / len(design.y))
