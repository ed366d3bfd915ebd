"""Fits of responses far from zero about a level of theirs.

Rows lose the digits that a response and its mean have in common, and derivatives of the likelihood
with them: a thousandth of standard errors for a response of 1e9 and a deviation of 1. Where the
link is the identity and X has a constant, a level comes off the response and the intercept alike.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..._typing import Array
from ...frame.design import Design
from ..families.spec import FamilySpec
from ..fixed_effects.basis import FixedBasis
from .estimates import DistributionalEstimates

__all__ = ["Lowered"]


# Levels of fewer standard deviations of the response stay.
FAR = 1e3
# What is left of a constant that X has, of rounding errors.
ROUNDING = 1e-8


class Lowered:
    """A model of another response, and the way back.

    Parameters
    ----------
    design : Design
    basis : FixedBasis
        Of X.
    level : float
        What is subtracted from the response.
    """

    def __init__(self, design: Design, basis: FixedBasis, level: float) -> None:
        self.level, self._basis = level, basis
        self.design = replace(design, y=design.y - level)
        # By how much the user's coefficients in the basis of X are larger.
        self.change = basis.Q.T @ np.full(len(design.y), level) / len(design.y)

    @classmethod
    def of(cls, design: Design, spec: FamilySpec, basis: FixedBasis) -> Lowered | None:
        """Return the model of a response about zero; None if it need not, or cannot, be that."""
        if spec.support != "real" or spec.link != "identity":
            return None
        level = float(np.mean(design.y))
        if not abs(level) > FAR * float(np.std(design.y)):
            return None
        found = cls(design, basis, level)
        left = basis.Q @ found.change - level
        return found if np.max(np.abs(left)) <= ROUNDING * abs(level) else None

    @property
    def lift(self) -> Array:
        """By how much the user's coefficients are larger, shape (rank,)."""
        return np.asarray(self._basis.coefficients(self.change))

    def back(self, found: DistributionalEstimates) -> DistributionalEstimates:
        """Return the estimates of the model of the user's response."""
        own, end = found.conditional, found.report.end.copy()
        end[len(own.theta) : len(own.theta) + len(own.beta)] += self.change
        conditional = replace(
            own,
            beta=own.beta + self.lift,
            linear_predictor=own.linear_predictor + self.level,
            eta=own.eta + self.level,
            fitted=own.fitted + self.level,
            report=replace(own.report, end=end),
        )
        return replace(found, conditional=conditional)
