"""Leverages: how much a fitted value follows its own response."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .._typing import Array
from ..fitting.problem import FittingProblem, problem_of
from ..frame.design import RandomBlock
from ..results.base import unwrap
from ..results.own_function import own_first
from ..results.row_labels import by_row

__all__ = ["leverage", "leverage_and_rest"]

# A row that is fitted exactly for any response leaves 1 - h = 0 but for rounding.
ROUNDING = 1e-11
# 1 - h below this has lost digits, above all those of rows with large counts.
LITTLE = 0.1


@own_first
def leverage(result: Any) -> pd.Series:
    """Return the diagonal of the hat matrix.

    With F = [Z Lambda, X] and P the identity for the random effects, zero for the
    coefficients, it is the diagonal of W^(1/2) F (F'WF + P)^-1 F'W^(1/2). W are the prior
    weights of a linear model, and the derivatives of its fitted values in their own responses
    are these leverages exactly, theta being given. For a generalized model W is the expected
    information of the rows at the conditional modes, the working weights of the last weighted
    least squares problem. With correlated residuals the fitted values are C V^-1 y plus
    (1 - C V^-1) X beta, where C is what random effects add to V, and the leverages are their
    derivatives too.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.

    Returns
    -------
    Series, shape (n,)
        Between 0 and 1, but for correlated residuals; the sum lies between the rank of X and that
        plus the number of random effects.

    Raises
    ------
    DataError
        If the data of the fit were removed.

    See Also
    --------
    cooks_distance, residuals

    References
    ----------
    Bates, Maechler, Bolker and Walker (2015), Journal of Statistical Software 67(1); lme4's
    `hatvalues`.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> round(float(fit.leverage().sum()), 2)
    17.83
    """
    result = unwrap(result, correlated=True)
    return by_row(result, leverage_and_rest(result)[0], "leverage")


def leverage_and_rest(result: Any) -> tuple[Array, Array]:
    """Return leverages h and 1 - h, which keeps its digits where a row is alone in a level.

    Parameters
    ----------
    result : results
        Without statsmodels' wrapper.
    """
    design, estimates = result.kept_design(), result.estimates
    problem = problem_of(design, estimates)
    h = problem.leverage()
    rest = _but_for_rounding(1.0 - h)
    independent = not (result.takes_correlated or design.is_structured or design.is_related)
    if independent and np.any(rest < LITTLE):
        for i, block in enumerate(design.blocks):
            alone = (rest < LITTLE) & (np.bincount(block.refs)[block.refs] == 1)
            if block.z.shape[1] == 1 and estimates.factors[i].any() and alone.any():
                rest[alone] = _rest_of_rows_alone(problem, design.blocks, i, h)[alone]
    return np.where(rest > 0, h, 1.0), rest


def _but_for_rounding(rest: Array) -> Array:
    return np.where(rest < ROUNDING, 0.0, rest)


def _rest_of_rows_alone(
    problem: FittingProblem, blocks: tuple[RandomBlock, ...], own: int, h: Array
) -> Array:
    """Return 1 - h of rows that are alone in their level of a block with one column.

    The column of u in the augmented least squares problem then has two elements: s = sqrt(w) z T in
    the row and 1 in the penalty. What is orthogonal to it has 1 - h = (1 - Var(u)) / s^2.
    """
    equations = problem.mixed_model_equations()
    z = [np.full_like(block.z, float(i == own)) for i, block in enumerate(blocks)]
    no_fixed = np.zeros((len(h), len(equations.R)))
    effects = equations.variances(no_fixed, z, [block.refs for block in blocks])
    prior = equations.scale * equations.factors[own][0, 0] ** 2
    signal = blocks[own].z[:, 0] ** 2 * prior / problem.variances_of_rows()
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(_but_for_rounding(1.0 - effects / prior) / (h * signal))
