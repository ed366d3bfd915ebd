"""The data of a fit with parameters of rows, with fitted values and residuals beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...prediction.distributional.predict import predict
from ...results.row_labels import row_labels
from ..augment import beside, own_columns

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["augment"]


def augment(self: DistributionalFit, data: Any = None) -> pd.DataFrame:
    """Return the data with fitted values and residuals, or probabilities of categories.

    Parameters
    ----------
    data : table, optional
        The table that the model was fitted to, for its other columns; rows are found by their
        labels. By default the columns and rows that the model uses.

    Returns
    -------
    DataFrame
        With ``.fitted`` (the mean, random effects at their modes), ``.fixed`` (the mean with all
        random effects zero), ``.resid`` and ``.zero_probability``; for ordered categories
        ``.class``, the most probable one, and ``.prob_`` with the name of each category.

    Raises
    ------
    DataError
        If the data were removed, or `data` lacks rows of the fit.

    See Also
    --------
    DistributionalResults.tidy, DistributionalResults.simulated_residuals

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().augment()[["brood", "ticks", ".fitted"]].head(2).round(2)
      brood  ticks  .fitted
    0   501      0     0.33
    1   501      0     0.33
    """
    if self._ordered:
        p = np.asarray(predict(self, re=True))
        names = list(self.model.categories)
        values: dict[str, Any] = {f".prob_{name}": p[:, j] for j, name in enumerate(names)}
        values[".class"] = [names[j] for j in p.argmax(axis=1)]
    else:
        values = {
            ".fitted": self._fitted,
            ".fixed": np.asarray(predict(self)),
            ".resid": np.asarray(self.resid),
            ".zero_probability": np.asarray(predict(self, which="zero_probability", re=True)),
        }
    rows = pd.DataFrame(values, index=row_labels(self._mean_part))
    if data is None:
        return pd.concat([own_columns(self._mean_part), rows], axis=1)
    return beside(data, rows)
