"""Responses drawn from a fitted model, for its own rows or for new ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._typing import Array
from ..errors import OptionError
from ..prediction.rows import open_new_data
from ..results.base import unwrap
from ..results.own_function import own_first
from ..results.parameters import check_count
from .new_rows import new_simulator
from .simulator import Simulator, Values, hypothesized
from .simulators import simulator_of
from .streams import Seed, read_seed, stream

__all__ = ["draws", "simulate"]


@own_first
def simulate(
    result: Any,
    n: int = 1,
    *,
    seed: Seed = None,
    re: str = "new",
    beta: Values = None,
    theta: Values = None,
    sigma: float | None = None,
    dispersion: float | None = None,
    exog: Any = None,
    new_levels: str | None = None,
    offset: Any = None,
    exposure: Any = None,
    weights: Any = None,
) -> Array:
    """Draw responses from a fitted model.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data unless there are new ones.
    n : int
        Number of draws.
    seed : int, sequence of int, SeedSequence or Generator, optional
        The same seed gives the same draws, and its first draws for any `n`.
    re : {"new", "conditional"}
        Draw new random effects, or keep them at their conditional modes. In new data with
        ``"new"`` every level is a new one, also one that the fit has seen; rows with the same
        level share its effects.
    beta, theta, sigma, dispersion : optional
        Hypothesized parameters in place of the estimates: `beta` of the estimable columns
        and `theta` in the order of the model, or some of them by name as in
        ``{"days": 5.0}``; `sigma` for linear models, `dispersion` for families that have one.
    exog : frame or mapping, optional
        New data, a table with the columns of the formula (not that of the response) and of
        the grouping factors, and those that `residual=` and `dispersion=` name: rows of one
        subject have correlated residuals; without it, the rows of the fit.
    new_levels : {"draw", "error", "population", "missing"}, optional
        With ``re="conditional"``, what to do with levels the fit has not seen: draw their
        random effects (the default), refuse, take zero, or return NaN.
    offset, exposure, weights : array or column name, optional
        Those of the new rows. When the model took its own from a column, the column of that
        name in `exog` is taken. Weights are numbers of trials for a binomial family.

    Returns
    -------
    ndarray, shape (rows, n)
        Each column is a response as the fit has it: numbers, proportions of the trials
        for a binomial family (0 or 1 for single trials). Rows of new data with missing values
        are NaN.

    Raises
    ------
    OptionError
        If an option does not go with the model.
    DataError
        If the data of the result were removed, a mean is impossible for the family, or new
        data lack a column, an offset, an exposure or weights.

    See Also
    --------
    bootstrap, power, simulated_residuals

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.simulate(2, seed=1).shape
    (180, 2)
    >>> new = pd.DataFrame({"days": [0, 9], "subj": "new"})
    >>> fit.simulate(seed=1, exog=new).ravel().round(1)
    array([240.5, 310.4])
    """
    results = unwrap(result, correlated=True)
    estimates = results.estimates
    n = check_count(n, "draws")
    truth = hypothesized(results, beta=beta, theta=theta, sigma=sigma, dispersion=dispersion)
    if exog is not None and results.model.frame is None:
        raise OptionError("exog= needs a model made from a formula; this one is made from arrays.")
    new = open_new_data(results.model, exog, offset=offset, exposure=exposure, weights=weights)
    if new is not None:
        simulator, mean, complete = new_simulator(results, truth, re, new, new_levels)
        out = np.full((len(complete), n), np.nan)
        if len(mean):
            out[complete] = (draws(simulator, n, seed) + mean).T
        return out
    if new_levels is not None:
        raise OptionError("new_levels= is for new data, exog=.")
    design = results.kept_design()
    simulator = simulator_of(design, estimates, truth, re)
    drawn = draws(simulator, n, seed)
    if simulator.spec is None:
        X = design.X[:, estimates.columns]
        drawn += estimates.linear_predictor + X @ (truth.beta - estimates.beta)
    return drawn.T


def draws(simulator: Simulator, n: int, seed: Seed) -> Array:
    """Return what the simulator draws from the streams of a seed, shape (n, rows)."""
    root, length = read_seed(seed), simulator.stream_length
    out = np.empty((n, len(simulator.design.y)))
    for first in range(0, n, length):
        rng = stream(root, first // length)
        count = min(length, n - first)
        out[first : first + count] = simulator.draw(rng, count)
    return out
