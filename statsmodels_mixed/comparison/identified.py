"""What data determine of the covariance parameters of a model like one that was fitted."""

from __future__ import annotations

from ..fitting.estimates import GeneralizedEstimates, LinearEstimates
from ..fitting.identification import Identification, identify
from ..frame.design import Design

__all__ = ["identified_as"]


def identified_as(
    design: Design, estimates: LinearEstimates | GeneralizedEstimates
) -> Identification:
    """Find the flat directions of a design, for the kind of model that was fitted."""
    if isinstance(estimates, LinearEstimates):
        return identify(design, residual=not estimates.sigma_fixed, normal=True)
    normal = estimates.spec.normal
    return identify(design, residual=normal, normal=normal)
