"""What a fit of rows with parameters besides their mean estimates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..._typing import Array
from ..fixed_effects.basis import OnBasis
from ..search.optimize import FitReport
from .conditional_estimates import ConditionalEstimates
from .row_parameters import ZEROS, RowParameters

__all__ = ["DistributionalEstimates"]


@dataclass(frozen=True)
class DistributionalEstimates:
    """What such a fit estimates.

    Parameters
    ----------
    conditional : ConditionalEstimates
        The part of the mean, random effects included, and how the fit went.
    kappa : ndarray, shape (K,)
        Coefficients of the row parameters as the user's columns have them.
    outer : ndarray, shape (n, 4)
        The parameters of the rows, without random effects.
    on_basis : OnBasis
        The covariance of theta, beta and kappa, from the Hessian of the objective; none of
        parameters that the data do not determine.
    rows : RowParameters
    zeros : ndarray, shape (n,), or None
        The logit of the probability of zeros at the modes, where it has random effects.
    """

    conditional: ConditionalEstimates
    kappa: Array
    outer: Array
    on_basis: OnBasis
    rows: RowParameters
    zeros: Array | None = None

    @cached_property
    def covariance(self) -> Array:
        """Covariance of theta, beta and kappa; NaN for parameters that have none."""
        return self.on_basis.covariance

    @property
    def outer_at_modes(self) -> Array:
        """The parameters of the rows, random effects at their modes."""
        if self.zeros is None:
            return self.outer
        outer = self.outer.copy()
        outer[:, ZEROS] = self.zeros
        return outer

    @property
    def ends(self) -> Array:
        """1 and -1 for parameters at the upper and lower end of their range, 0 for all others.

        In the order of `covariance`. Such a parameter is the same for all rows, and no information
        on it is left: a probability of zeros that is none, overdispersion that is none.
        """
        known = self.on_basis.known
        sign = np.zeros(len(known))
        first = len(sign) - len(self.kappa)
        alone = [self.rows.alone(place) for place in range(len(self.rows.X))]
        for at in [at for at in alone if at is not None]:
            if not known[first + at]:
                sign[first + at] = np.sign(self.kappa[at])
        return sign

    @property
    def report(self) -> FitReport:
        """What happened during the fit."""
        return self.conditional.report

    linear = False

    @property
    def b(self) -> tuple[Array, ...]:
        """Conditional modes of the random effects, (l, k) by block."""
        return self.conditional.b

    @property
    def objective(self) -> float:
        """-2 log-likelihood of the approximation, all constants included."""
        return self.conditional.objective
