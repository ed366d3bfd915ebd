"""Responses drawn from fits with parameters of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..._typing import Array
from ...errors import OptionError
from ...fitting.distributional.row_parameters import ZEROS
from ...frame.new_data import NewData
from ...prediction.distributional.predict import (
    effects_on_zeros,
    parameters_of_rows,
    thresholds_of_rows,
)
from ...prediction.rows import open_new_data
from ...results.parameters import check_count
from ..new_rows import new_simulator
from ..simulate import draws
from ..simulator import Values, hypothesized
from ..streams import Seed
from .hypothesized import hypothesized_fit
from .row_simulator import RowSimulator, row_simulator

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["drawn_responses", "simulate", "simulator_of_fit"]


def simulate(
    self: DistributionalFit,
    n: int = 1,
    *,
    seed: Seed = None,
    re: str = "new",
    beta: Values = None,
    theta: Values = None,
    dispersion: float | None = None,
    exog: Any = None,
    new_levels: str | None = None,
    offset: Any = None,
    exposure: Any = None,
    weights: Any = None,
) -> NDArray[Any]:
    """Draw responses from the fit, for its own rows or for new ones.

    Parameters
    ----------
    n : int
        Number of draws.
    seed : int, sequence of int, SeedSequence or Generator, optional
        The same seed gives the same draws, and its first draws for any `n`.
    re : {"new", "conditional"}
        Draw new random effects, or keep them at their conditional modes.
    beta, theta, dispersion : optional
        Hypothesized parameters in place of the estimates: `beta` of all parts, in the order of
        `params`, and `theta`, or some of them by name as in ``{"zi: Intercept": 0.5}``;
        `dispersion` where all rows have the same.
    exog : table, optional
        New data, with the columns of all formulas but that of the response.
    new_levels : {"draw", "error", "population", "missing"}, optional
        With ``re="conditional"``, what to do with levels that the fit has not seen.
    offset, exposure, weights : array or column name, optional
        Those of the new rows; weights are numbers of trials.

    Returns
    -------
    ndarray, shape (rows, n)
        Each column is a response: numbers, or categories. Rows of new data with missing values
        are NaN.

    Raises
    ------
    OptionError
        If an option is not possible, or weights multiply the likelihood of rows.
    DataError
        If the data of the fit were removed, or new data lack a column or weights.

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
    if re == "conditional" and theta is not None:
        raise OptionError(
            'theta= cannot be used with re="conditional": the random effects are kept.'
        )
    truth = hypothesized_fit(self, beta=beta, theta=theta, dispersion=dispersion)
    new = open_new_data(self.model, exog, offset=offset, exposure=exposure, weights=weights)
    if new is not None:
        drawn = _drawn_for(truth, new, exog, check_count(n, "draws"), seed, re, new_levels)
    elif new_levels is not None:
        raise OptionError("new_levels= is for new data, exog=.")
    else:
        drawn = drawn_responses(truth, n, seed, re)
    if not self._ordered:
        return drawn
    categories = np.asarray(list(self.model.categories))
    if categories.dtype.kind in "US":  # strings of their own lengths, as in a column
        categories = categories.astype(object)
    missing = np.isnan(drawn)
    labels = np.asarray(categories[np.where(missing, 0, drawn).astype(int)])
    return np.where(missing, np.nan, labels.astype(object)) if missing.any() else labels


def _drawn_for(
    fit: DistributionalFit,
    new: NewData,
    exog: Any,
    n: int,
    seed: Seed,
    re: str,
    new_levels: str | None,
) -> Array:
    """Draw numbers, or codes of categories, for new rows, shape (rows, n)."""
    truth = hypothesized(fit._mean_part, beta=None, theta=None, sigma=None, dispersion=None)
    mean, _, complete = new_simulator(fit._mean_part, truth, re, new, new_levels)
    outer = parameters_of_rows(fit, exog, len(complete))
    if fit.estimates.zeros is not None and re == "conditional":
        outer[:, ZEROS] += effects_on_zeros(fit, exog, True, "population")
    cuts = thresholds_of_rows(fit, exog, len(complete)) if fit._ordered else None
    known = ~np.isnan(outer if cuts is None else cuts).any(axis=1)
    # Rows without a parameter are drawn with those of another, and are missing afterwards.
    outer[~known] = fit.estimates.outer[0]
    rows = RowSimulator(
        mean.design,
        mean.factors,
        mean.offset,
        1.0,
        mean.spec,
        outer[complete],
        None if cuts is None else cuts[complete],
    )
    out = np.full((len(complete), n), np.nan)
    if complete.any():
        out[complete] = draws(rows, n, seed).T
    out[~known] = np.nan
    return out


def drawn_responses(fit: DistributionalFit, n: int, seed: Seed, re: str) -> Array:
    """Draw numbers, or codes of categories, shape (rows, n).

    Parameters
    ----------
    fit : DistributionalResults
    n, seed, re
        As for `simulate`.
    """
    return draws(simulator_of_fit(fit, re), check_count(n, "draws"), seed).T


def simulator_of_fit(fit: DistributionalFit, re: str) -> RowSimulator:
    """Prepare the drawing of responses of the rows of a fit.

    Parameters
    ----------
    fit : DistributionalResults
    re : {"new", "conditional"}
    """
    design = fit.model.kept_design()
    cuts = thresholds_of_rows(fit, None, len(design.y)) if fit._ordered else None
    return row_simulator(design, fit.estimates, re, cuts)
