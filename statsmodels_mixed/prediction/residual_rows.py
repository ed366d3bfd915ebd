"""The residuals of new rows, where those of a fit are correlated or have unequal variances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from .._typing import Array, Mask, Positions
from ..errors import DataError
from ..frame.new_data import NewData
from ..frame.other_formulas import values_of_rows
from ..residual_covariance.best_prediction import rows_with_codes
from ..residual_covariance.new_places import (
    NewPlaces,
    codes_of_subjects,
    known_subjects,
    log_deviations,
    new_places,
)
from ..residual_covariance.problem import ResidualProblem
from .rows import check_positive

__all__ = [
    "ResidualRows",
    "covariances_of_residuals",
    "rows_with_places",
    "variances_of_residuals",
]


@dataclass(frozen=True, eq=False)
class ResidualRows:
    """Residuals of new rows, and their covariances with the weighted residuals of the fit.

    Parameters
    ----------
    problem : ResidualProblem
    places : NewPlaces
    cross : ndarray, shape (m, K)
        Those of `places`.
    subject : ndarray of int, shape (m,)
        Number of the subject in the fit; -1 for one that it has not seen.
    scale, here : ndarray
        What standard deviations of new residuals (m,), and of those of the fit (n,), are
        multiplied by.
    """

    problem: ResidualProblem
    places: NewPlaces
    cross: Array
    subject: Positions
    scale: Array
    here: Array

    @classmethod
    def of(cls, result: Any, problem: ResidualProblem, new: NewData, rows: Positions) -> Self:
        """Read some rows of new data, in which nothing is missing."""
        table = rows_with_places(result, new)[0].iloc[rows].reset_index(drop=True)
        cells, old, m = problem.cells, result.model.frame.table, len(rows)
        x = result.estimates.x
        places, gamma = new_places(cells, problem.model, x, old, table, m), x[problem.model.gamma]
        here = np.ones(len(problem.design.y))
        if cells.dispersion is not None:
            here = np.exp(cells.dispersion.values @ gamma)
        return cls(
            problem,
            places,
            places.cross,
            known_subjects(cells, old, table, m),
            _deviations(result, gamma, new, table, rows),
            here,
        )

    @property
    def variance(self) -> Array:
        """The variance of each residual, shape (m,)."""
        return np.asarray(self.places.variance * self.scale**2)

    def related_rows(self) -> list[tuple[Positions, Positions]]:
        """See `Wanted`: rows of the same subject."""
        return [rows_with_codes(self.problem.cells.subject, self.subject)]

    def covariances(self, some: Positions, rows: Positions) -> Array:
        """See `Wanted`."""
        cells = self.problem.cells
        same = self.subject[some][:, None] == cells.subject[rows]
        scales = np.outer(self.scale[some], self.here[rows])
        return np.asarray(same * self.cross[some][:, cells.place[rows]] * scales)


def variances_of_residuals(result: Any, new: NewData | None) -> Array:
    """Return the variance of the residual of each row, new or of the fit; NaN where not known.

    Parameters
    ----------
    result : ResidualCovarianceResults
    new : NewData or None
        None for the rows of the fit.

    Raises
    ------
    DataError
        If new data are a matrix or lack a column that says where a row is, or a structure has no
        variance for a place.
    """
    if new is None:
        return np.asarray(result._require(result.estimates.residual_variances))
    if new.table is None:
        raise DataError(
            "the variance of a new residual depends on where it is, which a matrix does not say."
        )
    table, complete = rows_with_places(result, new, subjects=False)
    problem = ResidualProblem(result.kept_design(), result.estimates.cells)
    at, out = np.flatnonzero(complete), np.full(new.n_rows, np.nan)
    if len(at):
        table, old = table.iloc[at].reset_index(drop=True), result.model.frame.table
        model, x = problem.model, result.estimates.x
        places = new_places(problem.cells, model, x, old, table, len(at))
        out[at] = places.variance * _deviations(result, x[model.gamma], new, table, at) ** 2
    return out


def covariances_of_residuals(
    result: Any, problem: ResidualProblem, x: Array, new: NewData, rows: Positions
) -> list[tuple[Positions, Array]]:
    """Return the covariances of the residuals of new rows, subject by subject.

    Parameters
    ----------
    result : ResidualCovarianceResults
    problem : ResidualProblem
    x : ndarray
        Coordinates of the covariance parameters.
    new : NewData
    rows : ndarray of int, shape (m,)
        Its rows, in which nothing is missing.

    Returns
    -------
    list of (ndarray of int, ndarray)
        Positions in `rows` of those of each subject, and their covariance matrix.

    Raises
    ------
    DataError
        If a column is missing, a structure has no covariances for a place, or a subject has two
        rows at one place.
    """
    table = rows_with_places(result, new)[0].iloc[rows].reset_index(drop=True)
    cells, model, old = problem.cells, problem.model, result.model.frame.table
    codes = codes_of_subjects(cells, table, len(rows))
    places = new_places(cells, model, x, old, table, len(rows), codes)
    scale = _deviations(result, x[model.gamma], new, table, rows)
    order = np.argsort(codes, kind="stable")
    found = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    return [(own, places.among(own) * np.outer(scale[own], scale[own])) for own in found]


def rows_with_places(
    result: Any, new: NewData, *, subjects: bool = True
) -> tuple[pd.DataFrame, Mask]:
    """Return the columns that say where the residuals of new rows are, and which rows have all.

    Parameters
    ----------
    result : ResidualCovarianceResults
    new : NewData
        A table.
    subjects : bool
        Whether the subjects are among them.

    Raises
    ------
    DataError
        If a column is missing.
    """
    term, dispersion = result.model.residual, result.model.dispersion
    names: list[str] = []
    if term is not None:
        names += [name for name in term.columns if subjects or name not in term.subject]
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


def _deviations(
    result: Any, gamma: Array, new: NewData, table: pd.DataFrame, rows: Positions
) -> Array:
    """Return what standard deviations of residuals of some new rows are multiplied by."""
    made = result.model._other_matrices.get("dispersion")
    columns = None if made is None else values_of_rows("dispersion", made[0], new)[rows]
    scale = np.exp(log_deviations(result.model.dispersion, columns, gamma, table))
    weights = new.values_of(result.model.sources.weights)
    if weights is not None:
        check_positive(weights)
        scale = scale / np.sqrt(np.asarray(weights, dtype=float)[rows])
    return np.asarray(scale)
