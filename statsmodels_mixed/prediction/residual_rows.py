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
from ..residual_covariance.covariance import ResponseCovariance
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
class _Residuals:
    """Residuals of some new rows, in which nothing is missing.

    Parameters
    ----------
    places : NewPlaces
    scale : ndarray, shape (m,)
        What their standard deviations are multiplied by.
    """

    places: NewPlaces
    scale: Array

    @classmethod
    def of(
        cls,
        result: Any,
        problem: ResidualProblem,
        x: Array,
        new: NewData,
        table: pd.DataFrame,
        rows: Positions,
        codes: Positions | None = None,
    ) -> Self:
        """Read rows, of which a table has the columns; `codes` as for `new_places`."""
        model, old = problem.model, result.model.frame.table
        return cls(
            new_places(problem.cells, model, x, old, table, len(rows), codes),
            _deviations(result, model, x, new, table, rows),
        )

    @property
    def variance(self) -> Array:
        """The variance of each residual, shape (m,)."""
        return np.asarray(self.places.variance * self.scale**2)


@dataclass(frozen=True, eq=False)
class ResidualRows:
    """Residuals of new rows, and their covariances with the weighted residuals of the fit.

    Parameters
    ----------
    problem : ResidualProblem
    variance : ndarray, shape (m,)
    cross : ndarray, shape (m, K)
        Covariances with residuals of the same subject at all places of the fit.
    subject : ndarray of int, shape (m,)
        Number of the subject in the fit; -1 for one that it has not seen.
    here : ndarray, shape (n,)
        What standard deviations of residuals of the fit are multiplied by.
    """

    problem: ResidualProblem
    variance: Array
    cross: Array
    subject: Positions
    here: Array

    @classmethod
    def of(
        cls,
        result: Any,
        problem: ResidualProblem,
        new: NewData,
        table: pd.DataFrame,
        rows: Positions,
    ) -> Self:
        """Read some rows of new data, of which a table has the columns; nothing is missing."""
        x, cells = result.estimates.x, problem.cells
        own = _Residuals.of(result, problem, x, new, table, rows)
        here = np.ones(len(problem.design.y))
        if cells.dispersion is not None:
            here = np.exp(cells.dispersion.columns @ x[problem.model.gamma])
        subject = known_subjects(cells, result.model.frame.table, table, len(rows))
        return cls(problem, own.variance, own.places.cross * own.scale[:, None], subject, here)

    def related_rows(self) -> list[tuple[Positions, Positions]]:
        """See `Wanted`: rows of the same subject."""
        return [rows_with_codes(self.problem.cells.subject, self.subject)]

    def covariances(self, some: Positions, rows: Positions) -> Array:
        """See `Wanted`."""
        cells = self.problem.cells
        same = self.subject[some][:, None] == cells.subject[rows]
        return np.asarray(same * self.cross[some][:, cells.place[rows]] * self.here[rows])


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
    out = np.full(new.n_rows, np.nan)
    if complete.any():
        x, rows = result.estimates.x, np.flatnonzero(complete)
        out[rows] = _Residuals.of(result, problem, x, new, table[complete], rows).variance
    return out


def covariances_of_residuals(
    result: Any,
    problem: ResidualProblem,
    x: Array,
    new: NewData,
    table: pd.DataFrame,
    rows: Positions,
) -> list[tuple[Positions, Array]]:
    """Return the covariances of the residuals of new rows, subject by subject.

    Parameters
    ----------
    result : ResidualCovarianceResults
    problem : ResidualProblem
    x : ndarray
        Coordinates of the covariance parameters.
    new : NewData
    table : DataFrame, m rows
        The columns of `rows_with_places`.
    rows : ndarray of int, shape (m,)
        The rows of `new`, in which nothing is missing.

    Returns
    -------
    list of (ndarray of int, ndarray)
        Positions in `rows` of those of each subject, and their covariance matrix.

    Raises
    ------
    DataError
        If a structure has no covariances for a place, or a subject has two rows at one place.
    """
    codes = codes_of_subjects(problem.cells, table, len(rows))
    all_rows = _Residuals.of(result, problem, x, new, table, rows, codes)
    order = np.argsort(codes, kind="stable")
    found = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    scale, places = all_rows.scale, all_rows.places
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
    result: Any,
    model: ResponseCovariance,
    x: Array,
    new: NewData,
    table: pd.DataFrame,
    rows: Positions,
) -> Array:
    """Return what standard deviations of residuals of some new rows are multiplied by."""
    made = result.model._other_matrices.get("dispersion")
    columns = None if made is None else values_of_rows("dispersion", made[0], new)[rows]
    term, gamma = result.model.dispersion, x[model.gamma]
    scale = np.exp(log_deviations(term, model.centred, columns, gamma, table))
    weights = new.values_of(result.model.sources.weights)
    if weights is not None:
        check_positive(weights)
        scale = scale / np.sqrt(np.asarray(weights, dtype=float)[rows])
    return np.asarray(scale)
