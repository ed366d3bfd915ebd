"""A fit with the columns of its random effects far from dependent: see `TermCoordinates`.

With x far from zero, elements of theta of (1 + x | g) are lengths of nearly parallel vectors. What
is differentiated or summed in them has no digits left, though it means the same for any origin of
x; with other columns of the same span it keeps them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from .._core import TermCoordinates
from ..frame.design import Design
from .covariance import factors_of
from .estimates import GeneralizedEstimates, LinearEstimates

__all__ = ["columns_apart"]

AnyEstimates = TypeVar("AnyEstimates", bound=LinearEstimates | GeneralizedEstimates)


def columns_apart(
    design: Design, estimates: AnyEstimates
) -> tuple[Design, AnyEstimates, TermCoordinates]:
    """Return design and estimates with z C in place of z, and what takes theta back.

    Conditional modes other than the spherical ones are left as they are. Nothing changes where
    theta is a function of other parameters.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : LinearEstimates or GeneralizedEstimates
        The fit.
    """
    blocks = design.blocks if estimates.structured is None else ()
    coordinates = TermCoordinates(blocks, design.weights if estimates.linear else None)
    if coordinates.trivial:
        return design, estimates, coordinates
    theta = coordinates.inward(estimates.theta)
    factors = factors_of(theta, [block.pattern for block in blocks])
    near = tuple(replace(block, z=z) for block, z in zip(blocks, coordinates.z, strict=True))
    estimates = replace(estimates, theta=theta, factors=tuple(factors))
    return replace(design, blocks=near), estimates, coordinates
