"""Predictions of responses of known subjects, given those that were observed.

With c the covariances of a new response with the others, V their covariance matrix, and
e = V^-1 (y - X beta), a new response has the conditional mean x'beta + c'e and the conditional
variance v - c'V^-1 c. That beta was estimated adds d'M d, with d = x - X'V^-1 c and M its
covariance: what kriging with a trend is (Cressie 1993, Statistics for spatial data, section 3.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from statsmodels.genmod.families.links import Identity

from .._typing import Array
from ..errors import DataError, OptionError
from ..frame.design import RandomBlock
from ..frame.new_data import NewData
from ..frame.other_formulas import values_of_rows
from ..residual_covariance.new_places import NewPlaces, log_deviations, new_places
from ..residual_covariance.problem import ResidualProblem
from .results import MixedPrediction, NewResponses
from .rows import check_positive, rows_to_predict
from .which_effects import choose_random

if TYPE_CHECKING:
    from .rows import PredictionRows

__all__ = ["conditional_prediction"]


def conditional_prediction(result: Any, new: NewData | None) -> MixedPrediction:
    """Predict new responses given those of the same subjects and levels.

    Parameters
    ----------
    result : ResidualCovarianceResults
    new : NewData
        New rows, with the columns that the model's terms name.

    Returns
    -------
    MixedPrediction
        Its standard errors of means are those of the estimated coefficients; intervals with
        ``obs=True`` have the conditional variance besides.

    Raises
    ------
    OptionError
        Without new data.
    DataError
        If a column is missing, or a structure has no covariances for a place.
    """
    if new is None or new.frame is None:
        raise OptionError(
            "conditional=True predicts rows of new data from those of the fit: give a table with "
            "the columns of the model."
        )
    rows = rows_to_predict(result, new, choose_random(True, result.layout, new.frame), "population")
    table, complete = _columns(result, new)
    complete &= rows.complete
    mean = np.where(complete, rows.fixed, np.nan)
    of_mean, of_response = np.full(len(mean), np.nan), np.full(len(mean), np.nan)
    at = np.flatnonzero(complete)
    if len(at):
        shift, of_mean[at], of_response[at] = _kriged(result, new, rows, table, at)
        mean[at] += shift
    t = result.use_t and np.isfinite(result.df_resid) and result.dof_method == "residual"
    return MixedPrediction(
        mean,
        of_mean,
        linear=None,
        link=Identity(),
        one_signed=False,
        new=NewResponses(mean, of_mean + of_response, 0.0, np.ones(len(mean)), None),
        df=float(result.df_resid) if t else np.inf,
        df_new=float(result.df_resid) if t else np.inf,
        dist="t" if t else "norm",
        row_labels=new.labels,
    )


def _columns(result: Any, new: NewData) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Return the columns that say where new rows are, and which rows have all of them."""
    term, dispersion = result.model.residual, result.model.dispersion
    names = list(() if term is None else term.columns)
    if dispersion is not None:
        made = result.model._other_matrices.get("dispersion")
        names += [dispersion.code] if made is None else made[0].columns
    assert new.table is not None
    whole = new.table.whole()
    for name in names:
        if name not in whole:
            raise DataError(
                f"the new data have no column {name!r}, which says where a row is in the "
                "covariance of the residuals."
            )
    table = whole[list(dict.fromkeys(names))].reset_index(drop=True)
    return table, ~table.isna().to_numpy().any(axis=1)


def _kriged(
    result: Any, new: NewData, rows: PredictionRows, table: pd.DataFrame, at: NDArray[np.intp]
) -> tuple[Array, Array, Array]:
    """Return what is added to x'beta, the variance of the mean, and the conditional variance."""
    estimates, design = result.estimates, result.kept_design()
    problem = ResidualProblem(design, estimates.cells)
    ours = _NewRows.of(result, problem, new, rows, table.iloc[at].reset_index(drop=True), at)
    root = np.ones(len(design.y)) if problem.roots is None else problem.roots
    X = design.X[:, estimates.columns] * root[:, None]
    known = np.column_stack([(design.y - estimates.linear_predictor) * root, X])
    shift, variance = np.zeros(len(at)), ours.variance.copy()
    d = rows.X[at][:, estimates.columns].astype(float)
    for batch in problem.batches:
        factor = np.linalg.cholesky(problem.model.at(estimates.x).value(batch))
        for j in range(len(at)):
            for c in np.flatnonzero(ours.near(j, batch.rows)):
                row = batch.rows[c]
                both = np.column_stack([ours.covariance(j, row), known[row]])
                half = np.linalg.solve(factor[batch.pattern[c]], both)
                shift[j] += half[:, 0] @ half[:, 1]
                variance[j] -= half[:, 0] @ half[:, 0]
                d[j] -= half[:, 2:].T @ half[:, 0]
    of_mean = result._tests.variances(d)
    return shift, of_mean, np.maximum(variance, 0.0)


@dataclass(frozen=True, eq=False)
class _NewRows:
    """New rows, and their covariances with the weighted rows of the fit.

    Parameters
    ----------
    problem : ResidualProblem
    places : NewPlaces
    scale, here : ndarray
        What standard deviations of new residuals, and of those of the fit, are multiplied by.
    z, refs : list of ndarray
        Columns and levels of the random effects of new rows.
    sigmas : list of ndarray, shape (k, k)
        Of each block.
    levels : list of ndarray, shape (m, l), or None
        Covariances of the level of each new row with all related levels; None for independent.
    """

    problem: ResidualProblem
    places: NewPlaces
    scale: Array
    here: Array
    z: list[Array]
    refs: list[NDArray[Any]]
    sigmas: list[Array]
    levels: list[Array | None]

    @classmethod
    def of(
        cls,
        result: Any,
        problem: ResidualProblem,
        new: NewData,
        rows: PredictionRows,
        table: pd.DataFrame,
        at: NDArray[np.intp],
    ) -> _NewRows:
        """Read the rows of a table."""
        model, x, old = problem.model, result.estimates.x, result.model.frame.table
        places = new_places(problem.cells, model, x, old, table, len(at))
        spread, blocks = problem.cells.dispersion, problem.design.blocks
        term, gamma = result.model.dispersion, x[model.gamma]
        made = result.model._other_matrices.get("dispersion")
        columns = None if made is None else values_of_rows("dispersion", made[0], new)[at]
        scale = np.exp(log_deviations(term, columns, gamma, table))
        weights = new.values_of(result.model.sources.weights)
        if weights is not None:
            check_positive(weights)
            scale = scale / np.sqrt(np.asarray(weights, dtype=float)[at])
        here = np.ones(len(problem.design.y))
        if spread is not None:
            here = np.exp(spread.values @ gamma)
        sigmas = model.at(x).block_sigmas([len(block.names) for block in blocks])
        z, refs = [each[at] for each in rows.z], [each[at] for each in rows.refs]
        levels = [_related(block, own) for block, own in zip(blocks, refs, strict=True)]
        return cls(problem, places, scale, here, z, refs, sigmas, levels)

    @property
    def variance(self) -> Array:
        """Variance of each new response."""
        total = self.places.variance * self.scale**2
        for t, (own, sigma) in enumerate(zip(self.z, self.sigmas, strict=True)):
            variance, levels = np.einsum("ij,jk,ik->i", own, sigma, own), self.levels[t]
            if levels is not None:
                variance = variance * levels[np.arange(len(own)), self.refs[t]]
            total = total + variance
        return np.asarray(total)

    def near(self, j: int, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which components, rows (C, m), share the subject or a level of new row j."""
        found = (self.problem.cells.subject[rows] == self.places.subject[j]).any(axis=1)
        for t in range(len(self.refs)):
            found = found | (self.level(j, t, rows) != 0).any(axis=1)
        return np.asarray(found)

    def level(self, j: int, t: int, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Return what the covariance of effects of new row j and of some rows is multiplied by."""
        refs, levels = self.problem.design.blocks[t].refs[rows], self.levels[t]
        return np.asarray(refs == self.refs[t][j] if levels is None else levels[j, refs])

    def covariance(self, j: int, rows: NDArray[np.intp]) -> Array:
        """Return the covariances of new response j with some weighted responses, shape (m,)."""
        cells = self.problem.cells
        same = cells.subject[rows] == self.places.subject[j]
        total = same * self.places.cross[j, cells.place[rows]] * self.here[rows] * self.scale[j]
        for t, sigma in enumerate(self.sigmas):
            own = self.problem.z[t][rows] @ (sigma @ self.z[t][j])
            total = total + self.level(j, t, rows) * own
        return np.asarray(total)


def _related(block: RandomBlock, refs: NDArray[Any]) -> Array | None:
    """Return the covariances of the levels of new rows with all levels, if these are related."""
    if block.related is None:
        return None
    if (refs < 0).any():
        raise DataError(
            f"the new data have levels of {block.name!r} that {block.related.option}= does not "
            "have: how they are related is not known."
        )
    units = np.zeros((len(block.related), len(refs)))
    units[refs, np.arange(len(refs))] = 1.0
    return np.asarray(block.related.covariances(units).T)
