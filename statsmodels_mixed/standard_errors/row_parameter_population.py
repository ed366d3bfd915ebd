"""What means over the population vary with, in models whose rows have other parameters."""

from __future__ import annotations

from collections.abc import Sequence

from .._typing import Array
from ..fitting.distributional.conditional_estimates import ConditionalEstimates
from ..fitting.fixed_effects.basis import OnBasis
from ..frame.design import Design
from .choice import slopes_and_covariance
from .generalized_covariance import variance_slopes

__all__: list[str] = []


@slopes_and_covariance.register(ConditionalEstimates)
def _(
    estimates: ConditionalEstimates, design: Design, columns: Sequence[Array]
) -> tuple[Array, OnBasis] | None:
    if estimates.joint is None or not estimates.joint.known.all():
        return None
    return variance_slopes(design, estimates, columns), estimates.joint
