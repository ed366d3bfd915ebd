"""The criterion of an iterative fit: log|Omega| and its traces have one value for each probe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ..._typing import Array
from ..summed.criterion import CriterionPoint, LinearCriterion
from .schur_complement import SchurComplement
from .sparse_products import SparseProducts
from .trace import TraceEstimates, estimated_traces, quadratic_control

__all__ = ["Criterion", "Point"]


@dataclass(frozen=True)
class Criterion(LinearCriterion):
    """What is minimized.

    Parameters
    ----------
    probes : ndarray, shape (q2, probes)
    """

    products: SparseProducts
    probes: Array


class Point(CriterionPoint):
    """The criterion and its derivatives at one theta, in the coordinates of the products.

    Parameters
    ----------
    criterion : Criterion
    theta : ndarray, shape (n_theta,)
    probes : ndarray, shape (q2, probes), optional
        Some of the probes; all when omitted.
    """

    criterion: Criterion
    kept = (*CriterionPoint.kept, "probes")

    def __init__(self, criterion: Criterion, theta: Array, probes: Array | None = None) -> None:
        super().__init__(criterion, theta)
        self.probes = criterion.probes if probes is None else probes

    def moved(self, parameters: Array) -> Point:
        """Return the point at another theta."""
        return Point(self.criterion, parameters, self.probes)

    def thorough(self) -> Point:
        """Return the same point with all probes."""
        everything = self.probes is self.criterion.probes
        return self if everything else Point(self.criterion, self.theta)

    @cached_property
    def schur(self) -> SchurComplement:
        """Omega, eliminated."""
        return SchurComplement.at(self.criterion.products.Z, self.factors)

    @cached_property
    def traces(self) -> TraceEstimates:
        """Log determinant and traces as the probes estimate them."""
        return estimated_traces(self.schur, self.probes)

    @cached_property
    def final_values(self) -> Array:
        """The values with smaller Monte Carlo errors; slower, and so computed at the end only."""
        return self.values + quadratic_control(self.schur, self.traces)
