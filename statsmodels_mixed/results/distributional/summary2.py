"""The other summary of statsmodels, `summary2`, of fits with parameters of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..summary2 import variance_components
from .summary import coefficient_tables, facts, header

if TYPE_CHECKING:
    from .base import DistributionalFit

__all__ = ["summary2"]


def summary2(
    self: DistributionalFit,
    yname: str | None = None,
    xname: Sequence[str] | None = None,
    title: str | None = None,
    alpha: float = 0.05,
    float_format: str = "%.4f",
) -> Any:
    """Summarize the fit in statsmodels' second form, whose `tables` are data frames.

    Parameters
    ----------
    yname : str, optional
        Name to show for the response.
    xname : sequence of str, optional
        Names to show for the coefficients of the mean.
    title : str, optional
        The first line.
    alpha : float
        The confidence intervals have level 1 - alpha.
    float_format : str
        How numbers are written, such as ``"%.4f"``.

    Returns
    -------
    statsmodels.iolib.summary2.Summary
        With tables of the fit, of the coefficients of each part and of the variance components.

    Raises
    ------
    OptionError
        If `xname` has not a name for each coefficient of the mean.

    See Also
    --------
    DistributionalResults.summary

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().summary2().tables[2].iloc[:, :2].round(2)
                               Coef.  Std.Err.
    Zero inflation: Intercept  -3.48      0.59
    """
    from statsmodels.iolib.summary2 import Summary  # noqa: PLC0415 - slow to import, seldom used

    document = Summary()
    left, right = header(self, yname)
    document.add_dict(dict([*left, *right]))
    names = ["Coef.", "Std.Err.", "z", "P>|z|", f"[{alpha / 2:g}", f"{1 - alpha / 2:g}]"]
    for table in coefficient_tables(self, xname, alpha, {}):
        cells = np.array([row[1:] for row in table.rows], dtype=float)
        part = "" if table.title == "Fixed effects" else f"{str(table.title).partition(' (')[0]}: "
        rows = [f"{part}{row[0]}" for row in table.rows]
        document.add_df(pd.DataFrame(cells, rows, names), float_format=float_format)
    document.add_df(variance_components(self._mean_part.varcorr), float_format=float_format)
    document.add_title(title or f"Results: {self.model._title.lower()}")
    for fact in facts(self):
        document.add_text(fact)
    return document
