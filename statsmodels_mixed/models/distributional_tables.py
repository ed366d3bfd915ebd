"""Fits with parameters of rows as data frames: parameters, criteria, rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from ..errors import OptionError
from ..results.row_labels import row_labels
from ..tidy.augment import beside, own_columns

if TYPE_CHECKING:
    from .distributional_results import DistributionalResults

__all__ = ["augment", "glance", "tidy"]

_COMPONENTS = {"zi": "zi", "hurdle": "zi", "disp": "disp"}


def tidy(
    self: DistributionalResults, *, conf_int: bool = True, level: float = 0.95
) -> pd.DataFrame:
    """Return the parameters in rows, with the names that broom.mixed has in R.

    Parameters
    ----------
    conf_int : bool
        Whether to add Wald intervals.
    level : float
        Their level.

    Returns
    -------
    DataFrame
        With the columns ``effect``, ``component`` (``"cond"``, ``"zi"`` for zeros, ``"disp"`` for
        the dispersion), ``group``, ``term``, ``estimate``, ``std_error``, ``statistic``, ``df``,
        ``pvalue``, ``lower`` and ``upper``. What does not apply is NaN.

    Raises
    ------
    OptionError
        If `level` is not between 0 and 1.

    See Also
    --------
    DistributionalResults.glance, DistributionalResults.augment

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().tidy()[["effect", "component", "term", "estimate"]].round(2)
         effect component           term  estimate
    0     fixed      cond      Intercept      0.55
    1     fixed        zi      Intercept     -3.48
    2  ran_pars      cond  sd__Intercept      1.57
    """
    if not 0 < level < 1:
        raise OptionError(f"level= is a number between 0 and 1, not {level!r}.")
    own = set(self.estimates.rows.names)
    heads = [name.partition(": ") if name in own else ("", "", name) for name in self._names]
    half = norm.isf((1 - level) / 2) * self.bse
    fixed = pd.DataFrame(
        {
            "effect": "fixed",
            "component": [_COMPONENTS.get(head, "cond") for head, _, _ in heads],
            "group": None,
            "term": [
                rest if head in _COMPONENTS else name
                for name, (head, _, rest) in zip(self._names, heads, strict=True)
            ],
            "estimate": self.params,
            "std_error": self.bse,
            "statistic": self.tvalues,
            "df": np.inf,
            "pvalue": self.pvalues,
            "lower": self.params - half,
            "upper": self.params + half,
        }
    )
    mean = self._mean_part.tidy(effects="ran_pars", conf_int=True)
    mean = mean[mean["group"] != "Residual"]
    parts = {block.name: block.part for block in self.model.layout.blocks}
    part = mean["group"].map(parts)
    mean = mean.assign(
        component=part.map(lambda each: "zi" if each else "cond"),
        group=[
            name.removeprefix(f"{each}: ") for name, each in zip(mean["group"], part, strict=True)
        ],
    )
    table = pd.concat([fixed, mean.reindex(columns=fixed.columns)], ignore_index=True)
    return table if conf_int else table.drop(columns=["lower", "upper"])


def glance(self: DistributionalResults) -> pd.DataFrame:
    """Return the sizes and criteria of the fit in one row.

    Returns
    -------
    DataFrame
        With the columns ``nobs``, ``groups``, ``dispersion`` (NaN where rows have their own),
        ``llf``, ``aic``, ``bic``, ``objective``, ``npar``, ``converged`` and ``singular``.

    See Also
    --------
    DistributionalResults.tidy

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> model = mixedglm2("ticks ~ 1 + (1 | brood)", ticks, "poisson", zero_inflation="~ 1")
    >>> model.fit().glance()[["nobs", "groups", "npar"]]
       nobs  groups  npar
    0   403     118     3
    """
    levels = {block.name: len(block.levels) for block in self.model.layout.blocks}
    several = ", ".join(f"{name} {count}" for name, count in levels.items())
    one = isinstance(self.dispersion, float) and self._spec.has_dispersion
    row = {
        "nobs": self.nobs,
        "groups": several if len(levels) > 1 else next(iter(levels.values())),
        "dispersion": self.dispersion if one else np.nan,
        "llf": self.llf,
        "aic": self.aic,
        "bic": self.bic,
        "objective": -2.0 * self.llf,
        "npar": self.dof,
        "converged": self.converged,
        "singular": self.estimates.conditional.singular,
    }
    return pd.DataFrame([row])


def augment(self: DistributionalResults, data: Any = None) -> pd.DataFrame:
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
        p = np.asarray(self.predict(re=True))
        names = list(self.model.categories)
        values: dict[str, Any] = {f".prob_{name}": p[:, j] for j, name in enumerate(names)}
        values[".class"] = [names[j] for j in p.argmax(axis=1)]
    else:
        values = {
            ".fitted": self.fittedvalues,
            ".fixed": np.asarray(self.predict()),
            ".resid": self.resid,
            ".zero_probability": np.asarray(self.predict(which="zero_probability", re=True)),
        }
    rows = pd.DataFrame(values, index=row_labels(self._mean_part))
    if data is None:
        return pd.concat([own_columns(self._mean_part), rows], axis=1)
    return beside(data, rows)
