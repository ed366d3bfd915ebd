"""Residuals that are ranks among responses drawn from a fit with parameters of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...simulation.distributional.simulate import drawn_responses
from ...simulation.streams import Seed, read_seed
from ..simulated_residuals import SimulatedResiduals, ranked

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["simulated_residuals"]


def simulated_residuals(
    self: DistributionalFit, n: int = 250, *, seed: Seed = None, re: str = "new"
) -> SimulatedResiduals:
    """Rank every response among responses drawn from the fit.

    Parameters
    ----------
    n : int
        Number of draws.
    seed : int, sequence of int, SeedSequence or Generator, optional
        The same seed gives the same residuals; the draws are those of `simulate`.
    re : {"new", "conditional"}
        Draw new random effects, or keep them at their conditional modes.

    Returns
    -------
    SimulatedResiduals
        The residuals, and tests of uniformity, dispersion, outliers and zero inflation; of the
        codes 0, 1, ... for ordered categories.

    Raises
    ------
    OptionError, DataError
        As for `simulate`.

    See Also
    --------
    DistributionalResults.simulate

    References
    ----------
    Dunn and Smyth (1996), Journal of Computational and Graphical Statistics 5, 236-244.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> check = model.fit().simulated_residuals(99, seed=1)
    >>> 0.5 < check.zero_inflation().statistic < 1.5
    True
    """
    root = read_seed(seed)
    drawn = drawn_responses(self, n, root, re)
    spec = self._spec
    zeros = bool(spec.zeros) or spec.support in ("counts", "trials", "not negative")
    return ranked(self._mean_part, drawn, root, re=re, discrete=zeros, ties=True)
