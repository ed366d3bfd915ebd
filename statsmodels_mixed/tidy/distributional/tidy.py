"""The parameters of a fit with parameters of rows as a data frame."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from ...bootstrap.distributional.bootstrap import bootstrap
from ...bootstrap.replicates import Bootstrap
from ...errors import OptionError
from ...profile.distributional.profile import profile
from ...profile.profile import Profile
from ...results.distributional.ratios import names_of_ratios
from ..random_parameters import random_parameters
from ..tidy import COLUMNS, coefficients_of_levels, limits_of, read_effects

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["tidy"]

_COMPONENTS = {"zi": "zi", "hurdle": "zi", "disp": "disp"}


def tidy(
    self: DistributionalFit,
    effects: str | Sequence[str] = "all",
    conf_int: bool = True,
    conf_method: str | Profile | Bootstrap = "wald",
    *,
    level: float = 0.95,
    exponentiate: bool = False,
    **options: Any,
) -> pd.DataFrame:
    """Return the parameters in rows, with the names that broom.mixed has in R.

    Parameters
    ----------
    effects : str or sequence of str
        ``"fixed"`` (coefficients of all parts), ``"ran_pars"`` (standard deviations and
        correlations of random effects), ``"ran_vals"`` (conditional modes), ``"ran_coefs"``
        (`coef_by_group`, which has no standard errors), some of them; or ``"all"``, the first two.
    conf_int : bool
        Whether to add intervals.
    conf_method : {"wald", "profile", "bootstrap"}, Profile or Bootstrap
        From the standard errors, which gives none for standard deviations and correlations; by
        profile likelihood; or by the bootstrap. A profile or replicates that are there already
        are used.
    level : float
        The level of the intervals.
    exponentiate : bool
        Give ratios in place of coefficients; thresholds and shapes, which are none, stay.
    **options
        For `bootstrap`: `n`, 1000 by default, `seed` and others.

    Returns
    -------
    DataFrame
        With the columns ``effect``, ``component`` (``"cond"``, ``"zi"`` for zeros, ``"disp"`` for
        the dispersion), ``group``, ``term``, ``estimate``, ``std_error``, ``statistic``, ``df``,
        ``pvalue``, ``lower`` and ``upper``; with conditional modes ``level`` after ``term``. What
        does not apply is NaN.

    Raises
    ------
    OptionError
        If an option is not possible or not one of the method, or the exponential of a coefficient
        is no ratio with the link of the mean.

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
    wanted = read_effects(effects)
    if not 0 < level < 1:
        raise OptionError(f"level= is a number between 0 and 1, not {level!r}.")
    limits = _limits(self, conf_method, level, options) if conf_int else None
    tables = []
    if "fixed" in wanted:
        tables.append(_fixed(self, limits, level, names_of_ratios(self) if exponentiate else ()))
    if "ran_pars" in wanted:
        table = random_parameters(self._mean_part, limits)
        tables.append(_by_part(self, table[table["group"] != "Residual"]))
    if "ran_vals" in wanted:
        modes = self._mean_part.ranef(form="long", level=level).assign(effect="ran_vals")
        tables.append(_by_part(self, modes))
    if "ran_coefs" in wanted:
        found = [coefficients_of_levels(*each) for each in self._mean_part.coef_by_group().items()]
        tables += [each.assign(component="cond") for each in found]
    table = pd.concat(tables, ignore_index=True)
    columns = [*COLUMNS[:4], *(["level"] if "level" in table else []), *COLUMNS[4:]]
    return table.reindex(columns=columns if conf_int else columns[:-2])


def _limits(
    fit: DistributionalFit, method: Any, level: float, options: dict[str, Any]
) -> pd.DataFrame | None:
    """Return limits by kind and name, None for Wald intervals."""
    if method == "bootstrap":
        method, options = bootstrap(fit, options.pop("n", 1000), **options), {}
    elif method == "profile":
        method = profile(fit, level=max(level, 0.999))
    return limits_of(method, level, options)


def _fixed(
    fit: DistributionalFit, limits: pd.DataFrame | None, level: float, ratios: Collection[str]
) -> pd.DataFrame:
    """Return the rows of the coefficients of all parts, those named as ratios."""
    names, own = fit._names, set(fit.estimates.rows.names)
    heads = [name.partition(": ") if name in own else ("", "", name) for name in names]
    if limits is None:
        half = norm.isf((1 - level) / 2) * fit.bse
        lower, upper = fit.params - half, fit.params + half
    else:
        lower, upper = (limits.loc["beta"][side].reindex(names) for side in ("lower", "upper"))
    table = pd.DataFrame(
        {
            "effect": "fixed",
            "component": [_COMPONENTS.get(head, "cond") for head, _, _ in heads],
            "group": "",
            "term": [
                rest if head in _COMPONENTS else name
                for name, (head, _, rest) in zip(names, heads, strict=True)
            ],
            "estimate": fit.params,
            "std_error": fit.bse,
            "statistic": fit.tvalues,
            "df": np.inf,
            "pvalue": fit.pvalues,
            "lower": lower,
            "upper": upper,
        }
    )
    shown = table.index.isin(list(ratios))
    changed = ["estimate", "lower", "upper"]
    table.loc[shown, changed] = np.exp(table.loc[shown, changed])
    table.loc[shown, "std_error"] *= table.loc[shown, "estimate"]
    return table


def _by_part(fit: DistributionalFit, table: pd.DataFrame) -> pd.DataFrame:
    """Return rows of random effects with the part of the model that each is in."""
    parts = {block.name: block.part for block in fit.model.layout.blocks}
    part = table["group"].map(parts)
    return table.assign(
        component=part.map(lambda each: "zi" if each else "cond"),
        group=[
            name.removeprefix(f"{each}: ") for name, each in zip(table["group"], part, strict=True)
        ],
    )
