"""Responses drawn from fits with parameters of rows, and residuals that are ranks among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .._typing import Array
from ..diagnostics.simulated_residuals import SimulatedResiduals, ranked
from ..fitting.row_parameters import threshold_matrix
from ..results.parameters import check_count
from ..simulation.row_draws import row_simulator
from ..simulation.simulate import draws
from ..simulation.streams import Seed, read_seed

if TYPE_CHECKING:
    from .distributional_results import DistributionalResults

__all__ = ["drawn_responses", "simulate", "simulated_residuals"]


def simulate(
    self: DistributionalResults, n: int = 1, *, seed: Seed = None, re: str = "new"
) -> NDArray[Any]:
    """Draw responses for the rows of the fit.

    Parameters
    ----------
    n : int
        Number of draws.
    seed : int, sequence of int, SeedSequence or Generator, optional
        The same seed gives the same draws, and its first draws for any `n`.
    re : {"new", "conditional"}
        Draw new random effects, or keep them at their conditional modes.

    Returns
    -------
    ndarray, shape (rows, n)
        Each column is a response: numbers, or categories.

    Raises
    ------
    OptionError
        If an option is not possible, or weights multiply the likelihood of rows.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    DistributionalResults.simulated_residuals

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().simulate(2, seed=1).shape
    (403, 2)
    """
    drawn = drawn_responses(self, n, seed, re)
    if not self._ordered:
        return drawn
    categories = np.asarray(list(self.model.categories))
    if categories.dtype.kind in "US":  # strings of their own lengths, as in a column
        categories = categories.astype(object)
    return np.asarray(categories[drawn.astype(int)])


def simulated_residuals(
    self: DistributionalResults, n: int = 250, *, seed: Seed = None, re: str = "new"
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


def drawn_responses(fit: DistributionalResults, n: int, seed: Seed, re: str) -> Array:
    """Draw numbers, or codes of categories, shape (rows, n).

    Parameters
    ----------
    fit : DistributionalResults
    n, seed, re
        As for `simulate`.
    """
    thresholds = None
    if fit._ordered:
        J, _ = threshold_matrix(fit.model.categories, fit.model.threshold)
        thresholds = J @ fit.estimates.kappa
    simulator = row_simulator(fit.model.kept_design(), fit.estimates, re, thresholds)
    return draws(simulator, check_count(n, "draws"), seed).T
