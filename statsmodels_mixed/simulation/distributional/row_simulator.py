"""Drawing responses whose rows have parameters besides their mean: zeros, dispersion, thresholds.

A row is 0 with the probability of its part of zeros, if there is one, and otherwise drawn from its
distribution, which has no zeros of its own in a hurdle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..._typing import Array
from ...errors import OptionError
from ...fitting.covariance import factors_of
from ...fitting.distributional.estimates import DistributionalEstimates
from ...fitting.distributional.row_parameters import ZEROS
from ...fitting.families.draws import draw_rows
from ...fitting.families.spec import FamilySpec, family_object
from ...frame.design import Design
from ..simulator import Simulator, check_weights

__all__ = ["RowSimulator", "row_simulator"]


# The least overdispersion of truncated counts: with less, probabilities near 1 lose its digits.
_SEEN = 1e-9
# Counts that are drawn one after the other until all probabilities are passed.
_MOST_COUNTS = 1_000_000


@dataclass(frozen=True, eq=False)
class RowSimulator(Simulator):
    """Draws responses of rows with their own parameters.

    Parameters
    ----------
    outer : ndarray, shape (n, 4)
        The parameters of the rows besides the mean, without the random effects that are drawn.
    thresholds : ndarray, shape (n, categories - 1), or None
        Of ordered categories, whose codes are drawn.
    """

    outer: Array
    thresholds: Array | None = None

    def _response(self, rng: np.random.Generator, u: Array) -> Array:
        zeros = self._with_effects(self.outer[:, ZEROS], u, True)[0]
        outer = np.column_stack([self.outer[:, :ZEROS], zeros])
        return replace(self, outer=outer).respond(rng, self._random_part(u)[0])

    def respond(self, rng: np.random.Generator, eta: Array) -> Array:
        """Draw the responses of all rows at their linear predictors, shape (n,)."""
        spec, weights = self._family, self.design.weights
        if self.thresholds is not None:
            link = family_object(spec).link
            below = np.asarray(link.inverse(self.thresholds - eta[:, None]), dtype=float)
            return np.asarray((rng.random((len(eta), 1)) > below).sum(axis=1), dtype=float)
        return draw_rows(rng, spec, eta, self.outer, weights)

    @property
    def _family(self) -> FamilySpec:
        assert self.spec is not None  # such a model is not linear
        return self.spec


def row_simulator(
    design: Design,
    estimates: DistributionalEstimates,
    re: str,
    thresholds: Array | None = None,
) -> RowSimulator:
    """Prepare the drawing of responses from a fit.

    Parameters
    ----------
    design : Design
        Of the fit.
    estimates : DistributionalEstimates
    re : {"new", "conditional"}
        Draw random effects, or keep them at their modes.
    thresholds : ndarray, optional
        Of ordered categories.

    Raises
    ------
    OptionError
        If `re` is something else, or rows have weights that their responses do not have.
    """
    if re not in ("new", "conditional"):
        raise OptionError(f're must be "new" or "conditional", not {re!r}.')
    mean = estimates.conditional
    assert mean.spec is not None  # such a model is not linear
    check_weights(design, mean.spec)
    if design.weights is not None and mean.spec.support != "trials" and np.any(design.weights != 1):
        raise OptionError(
            "weights multiply the likelihood of rows here; responses of such rows cannot be "
            "simulated."
        )
    factors, offset, outer = None, mean.eta, estimates.outer_at_modes
    if re == "new":
        factors = factors_of(mean.theta, [block.pattern for block in design.blocks])
        offset, outer = mean.linear_predictor, estimates.outer
    return RowSimulator(design, factors, offset, 1.0, mean.spec, outer, thresholds)
