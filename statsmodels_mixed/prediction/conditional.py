"""Predictions of responses of known subjects, given those that were observed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from statsmodels.genmod.families.links import Identity

from .._typing import Array, Positions
from ..errors import OptionError
from ..frame.new_data import NewData
from ..residual_covariance.best_prediction import EffectsOfRows, best_prediction
from ..residual_covariance.problem import ResidualProblem
from .residual_rows import ResidualRows, rows_with_places
from .results import MixedPrediction, NewResponses
from .rows import rows_to_predict
from .which_effects import choose_random

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
    table, placed = rows_with_places(result, new)
    complete = placed & rows.complete
    mean = np.where(complete, rows.fixed, np.nan)
    of_mean, of_response = np.full(len(mean), np.nan), np.full(len(mean), np.nan)
    at = np.flatnonzero(complete)
    if len(at):
        estimates, design = result.estimates, result.kept_design()
        problem = ResidualProblem(design, estimates.cells)
        assert rows.kriged is not None  # as it is for new data
        z, refs = [each[at] for each in rows.z], [each[at] for each in rows.refs]
        responses = _Responses(
            EffectsOfRows.of(problem, estimates.x, z, refs),
            ResidualRows.of(result, problem, new, table.iloc[at], at),
            rows.kriged[at],
        )
        X = rows.X[at][:, estimates.columns]
        rest = design.y - estimates.linear_predictor
        found = best_prediction(problem, estimates.x, estimates.columns, rest, responses, X)
        mean[at] += found.shift
        of_mean[at] = result._tests.variances(found.d)
        of_response[at] = np.maximum(responses.variance - found.explained, 0.0)
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


@dataclass(frozen=True, eq=False)
class _Responses:
    """New responses, and their covariances with the weighted responses of the fit.

    Parameters
    ----------
    effects : EffectsOfRows
    residuals : ResidualRows
    kriged : ndarray, shape (m,)
        Variance of random effects at places that are not in the data, given those that are.
    """

    effects: EffectsOfRows
    residuals: ResidualRows
    kriged: Array

    @property
    def variance(self) -> Array:
        """Variance of each new response."""
        return np.asarray(self.residuals.variance + self.effects.variance + self.kriged)

    def related_rows(self) -> list[tuple[Positions, Positions]]:
        """See `Wanted`."""
        return [*self.residuals.related_rows(), *self.effects.related_rows()]

    def covariances(self, some: Positions, rows: Positions) -> Array:
        """See `Wanted`."""
        return self.residuals.covariances(some, rows) + self.effects.covariances(some, rows)
