"""Marginal means of the response itself, zeros included, in models with several formulas.

In a cell of the reference grid of all variables the mean is a function of the predictors of all
formulas, mu(X beta, Z kappa). Means of cells are averaged, and have the covariance G C G' with C
that of (beta, kappa) and G their derivatives, which are averaged too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..._typing import Array
from ...errors import OptionError
from ...frame.matrices.coding import CodedMatrix
from ...prediction.distributional.predict import slope_at, value_at
from ...standard_errors.contrast_tests import root_of
from ..combinations import SHOW_LEVELS
from ..estimated import check_level
from ..linear_functions import LinearFunctions
from ..means import EstimatedMeans
from ..request import read_request

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["means_of_response"]


def means_of_response(
    fit: DistributionalFit,
    specs: str | Sequence[str],
    *,
    by: str | Sequence[str] | None,
    at: Mapping[str, Any] | None,
    weights: str | ArrayLike,
    level: float,
    offset: float | None,
) -> EstimatedMeans:
    """Estimate marginal means of the response.

    Parameters
    ----------
    fit : DistributionalResults
    specs, by, at, weights, level, offset
        As in `emmeans`; variables are those of all formulas.

    Raises
    ------
    OptionError
        For what is not possible.
    """
    if isinstance(weights, str) and weights == SHOW_LEVELS:
        raise OptionError(f'weights={SHOW_LEVELS!r} is for component="cond".')
    model, frame = fit.model, fit.model.frame
    assert frame is not None
    if not isinstance(frame.fixed, CodedMatrix):
        raise OptionError(
            'component="response" needs the formula engine patsy: set '
            'statsmodels.formula.options.formula_engine = "patsy".'
        )
    matrices, design = [frame.fixed, *model.matrices.values()], model.kept_design()
    joined = CodedMatrix(
        tuple(name for matrix in matrices for name in matrix.names),
        tuple(term for matrix in matrices for term in matrix.terms),
    )
    X = np.hstack([design.X, *(X for X, _ in model._pieces.values())])
    whole = fit._with_columns(joined, X, joined.names)
    request = read_request(whole, specs, by=by, at=at, weights=weights, offset=offset)
    cells = request.grid.matrix()
    own = LinearFunctions.of(fit._mean_part, cells[:, : design.X.shape[1]], request.grid.offsets)
    psi, root = _coefficients(fit)
    predictors = _predictors_of_cells(fit, own, cells[:, design.X.shape[1] :])
    center = predictors(psi)
    changes = [predictors(psi + direction) - center for direction in root.T]
    slopes = np.column_stack([slope_at(fit, "mean", center, each, None) for each in changes])
    means = np.where(own.known, value_at(fit, "mean", center, None), np.nan)
    G = request.averaging.of(np.where(own.known[:, None], slopes, np.nan))
    functions = LinearFunctions.of_estimates(
        request.averaging.of(means), G @ G.T, float("inf"), own.reasons
    )
    said = "Means are of the response, zeros included, at random effects of zero."
    return EstimatedMeans(
        labels=request.labels,
        by=request.specs.by,
        functions=functions,
        scale=None,
        adjust="none",
        family_size=request.sizes,
        level=check_level(level),
        title=f"Estimated marginal means of {fit.model.layout.response}",
        facts=(*request.facts, said),
        names=request.specs.names,
        averaged=request.averaging.averaged,
        method=request.specs.method,
    )


def _coefficients(fit: DistributionalFit) -> tuple[Array, Array]:
    """Return all coefficients and a root of their covariance, zero for those without errors."""
    own = fit.estimates.conditional
    first = len(own.theta)
    root = root_of(fit._on_basis.taken(slice(first, None)))
    return np.concatenate([own.beta, fit.estimates.kappa]), np.nan_to_num(root)


def _predictors_of_cells(
    fit: DistributionalFit, own: LinearFunctions, others: Array
) -> Callable[[Array], Array]:
    """Return the predictors of the means of cells as a function of all coefficients: linear."""
    rank, rows = own.reduced.shape[1], fit.estimates.rows
    matrices = fit.model.matrices

    def predictors(psi: Array) -> Array:
        eta, kappa = own.reduced @ psi[:rank] + own.offset, psi[rank:]
        inner = np.linalg.solve(rows.back, kappa) if len(kappa) else kappa
        outer, start = np.tile(rows.values(np.asarray(inner))[0], (len(eta), 1)), 0
        for name, matrix in matrices.items():
            label, place, sign = fit.model._place_of(name)
            part = np.array([each.startswith(label) for each in rows.names])
            columns = others[:, start : start + len(matrix.names)]
            outer[:, place] = sign * (columns @ kappa[part])
            start += len(matrix.names)
        return np.column_stack([eta, outer])

    return predictors
