"""The data of a fit with what the fit says of each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..diagnostics.cooks_distance import cooks_distance
from ..diagnostics.leverage import leverage
from ..diagnostics.residuals import residuals
from ..errors import DataError
from ..frame.table.table import open_table
from ..results.base import MixedModelResults, unwrap
from ..results.own_function import own_first
from ..results.row_labels import row_labels

__all__ = ["augment", "beside", "own_columns"]


@own_first
def augment(result: Any, data: Any = None) -> pd.DataFrame:
    """Return the data with fitted values, residuals and measures of influence.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit, with its data.
    data : table, optional
        The table that the model was fitted to, for its other columns; rows are found by their
        labels, and those that the fit left out are NaN. By default the columns and rows that the
        model uses.

    Returns
    -------
    DataFrame
        With ``.fitted`` (the mean, random effects at their modes), ``.fixed`` (the mean with all
        random effects zero), ``.resid`` (response less fitted), ``.std_resid`` (Pearson
        residuals over their standard deviations, the leverage accounted for), ``.hat`` (leverage),
        ``.cooksd`` (Cook's distance), and ``.weights`` and ``.offset`` where the model has them.
        With correlated residuals ``.pearson`` and ``.normalized`` residuals take the place of
        ``.std_resid``.

    Raises
    ------
    DataError
        If the data were removed, or `data` lacks rows of the fit.

    See Also
    --------
    LinearMixedModelResults.tidy, LinearMixedModelResults.influence

    References
    ----------
    Cook (1977), Technometrics 19, 15-18.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.augment()[["subj", "days", ".fitted", ".resid", ".hat"]].head(2).round(3)
       subj  days  .fitted  .resid    .hat
    0  S308     0  254.221  -4.661   0.222
    1  S308     1  273.764 -15.059   0.165
    """
    result = unwrap(result, correlated=True)
    design = result.kept_design()
    values = {
        ".fitted": result.fittedvalues,
        ".fixed": np.asarray(result.predict()),
        ".resid": result.resid,
        **_diagnostics(result),
    }
    for name, given in ((".weights", design.weights), (".offset", design.offset)):
        if given is not None:
            values[name] = given
    rows = pd.DataFrame(values, index=row_labels(result))
    if data is None:
        return pd.concat([own_columns(result), rows], axis=1)
    return beside(data, rows)


def _diagnostics(result: MixedModelResults) -> dict[str, Any]:
    """Return residuals of unit variance, and what rows do to the fit."""
    if result.takes_correlated:
        kinds = ("pearson", "normalized")
        out = {f".{kind}": result.residuals(kind).to_numpy() for kind in kinds}
    else:
        standardized = residuals(result, "pearson", scaled=True, standardized=True)
        out = {".std_resid": standardized.to_numpy()}
    out[".hat"] = leverage(result).to_numpy()
    if len(result.estimates.beta) or not result.takes_correlated:
        out[".cooksd"] = cooks_distance(result).to_numpy()
    return out


def own_columns(result: MixedModelResults) -> pd.DataFrame:
    """Return the columns and rows that the model of a fit uses.

    Raises
    ------
    DataError
        If the data were removed.
    """
    frame, design = result.model.frame, result.kept_design()
    if frame is not None:
        return frame.table.copy()
    table = pd.DataFrame(design.X, index=row_labels(result), columns=list(design.x_names))
    table.insert(0, design.response_name, design.y)
    return table


def beside(data: Any, rows: pd.DataFrame) -> pd.DataFrame:
    """Put values of rows beside the rows of a table with the same labels.

    Parameters
    ----------
    data : table
    rows : DataFrame
        With the labels of the rows of a fit.

    Raises
    ------
    DataError
        If rows of the fit are not found.
    """
    table = open_table(data)
    whole = table.whole().copy()
    whole.index = table.index
    if len(whole) == len(rows) and whole.index.equals(rows.index):
        return pd.concat([whole, rows], axis=1)
    if not whole.index.is_unique or not rows.index.is_unique:
        raise DataError("rows cannot be found in data=, whose labels occur twice: reset its index.")
    lost = rows.index.difference(whole.index)
    if len(lost):
        raise DataError(
            f"data= lacks {len(lost)} rows of the fit (first: {lost[0]!r}); for rows that are not "
            "of the fit write predict(data) or get_prediction(data)."
        )
    return whole.join(rows)
