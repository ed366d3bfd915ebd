"""The parameters of a fit, one in each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..bootstrap.bootstrap import bootstrap
from ..bootstrap.replicates import Bootstrap
from ..errors import OptionError
from ..profile.profile import Profile, profile
from ..results.base import MixedModelResults, unwrap
from ..results.own_function import own_first
from .random_parameters import random_parameters

__all__ = ["COLUMNS", "coefficients_of_levels", "limits_of", "read_effects", "tidy"]

COLUMNS = (
    *("effect", "component", "group", "term", "estimate", "std_error"),
    *("statistic", "df", "pvalue", "lower", "upper"),
)
_EFFECTS = ("fixed", "ran_pars", "ran_vals", "ran_coefs")


@own_first
def tidy(
    result: Any,
    effects: str | Sequence[str] = "all",
    conf_int: bool = True,
    conf_method: str | Profile | Bootstrap = "wald",
    *,
    level: float = 0.95,
    exponentiate: bool = False,
    **options: Any,
) -> pd.DataFrame:
    """Return the parameters of a fit as a table with a row for each.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    effects : str or sequence of str
        ``"fixed"`` (coefficients), ``"ran_pars"`` (standard deviations and correlations of
        random effects, the residual standard deviation or the dispersion), ``"ran_vals"``
        (conditional modes), ``"ran_coefs"`` (`coef_by_group`, which has no standard errors), some
        of them; or ``"all"``, the first two.
    conf_int : bool
        Give confidence limits.
    conf_method : {"wald", "profile", "bootstrap"}, Profile or Bootstrap
        How limits are found: from the standard errors, which gives none for standard deviations
        and correlations; by profile likelihood; or by the bootstrap. A profile or replicates that
        are there already are used.
    level : float
        Level of confidence.
    exponentiate : bool
        Give odds, rate or other ratios in place of coefficients.
    **options
        For `bootstrap`: `n`, 1000 by default, `seed` and others.

    Returns
    -------
    DataFrame
        With the columns ``effect``, ``component`` (``"cond"``), ``group``, ``term``,
        ``estimate``, ``std_error``, ``statistic``, ``df``, ``pvalue``, ``lower`` and ``upper``; the
        last two only with `conf_int`. What does not apply is NaN. Degrees of freedom of normal
        tests are infinite.

    Raises
    ------
    OptionError
        If an option is not possible or not one of the method.

    See Also
    --------
    LinearMixedModelResults.glance, LinearMixedModelResults.augment

    Notes
    -----
    Names of terms are those of R's broom.mixed: ``sd__days``, ``cor__Intercept.days``,
    ``sd__Observation``. Parameters of covariance structures follow the name of the structure:
    ``ar1.rho``.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.tidy()[["effect", "group", "term", "estimate", "lower", "upper"]].round(2)
         effect     group                 term  estimate   lower   upper
    0     fixed                      Intercept    251.41  238.41  264.40
    1     fixed                           days     10.47    7.52   13.41
    2  ran_pars      subj        sd__Intercept     23.78     NaN     NaN
    3  ran_pars      subj             sd__days      5.72     NaN     NaN
    4  ran_pars      subj  cor__Intercept.days      0.08     NaN     NaN
    5  ran_pars  Residual      sd__Observation     25.59     NaN     NaN
    """
    result = unwrap(result, correlated=True)
    wanted = read_effects(effects)
    if not 0 < level < 1:
        raise OptionError(f"level= is a number between 0 and 1, not {level!r}.")
    if exponentiate and not hasattr(result, "_ratio"):
        raise OptionError("exponentials of coefficients are ratios in generalized models only.")
    limits = _limits(result, wanted, conf_method, level, options) if conf_int else None
    tables = []
    if "fixed" in wanted:
        tables.append(_fixed(result, limits, level, exponentiate))
    if "ran_pars" in wanted:
        tables.append(random_parameters(result, limits))
    if "ran_vals" in wanted:
        modes = result.ranef(form="long", level=level).assign(effect="ran_vals")
        tables.append(modes.reindex(columns=["level", *COLUMNS]))
    if "ran_coefs" in wanted:
        tables += [coefficients_of_levels(*each) for each in result.coef_by_group().items()]
    table = pd.concat(tables, ignore_index=True)
    columns = [*COLUMNS[:3], *(["level"] if "level" in table else []), *COLUMNS[3:]]
    table["component"] = "cond"
    return table.reindex(columns=columns if conf_int else columns[:-2])


def read_effects(effects: str | Sequence[str]) -> tuple[str, ...]:
    """Return which of the kinds of parameters are asked for.

    Parameters
    ----------
    effects : str or sequence of str
        As for `tidy`.

    Raises
    ------
    OptionError
        If there is no such kind.
    """
    given = (effects,) if isinstance(effects, str) else tuple(effects)
    wanted = _EFFECTS[:2] if given == ("all",) else given
    wrong = [name for name in wanted if name not in _EFFECTS]
    if wrong or not wanted:
        raise OptionError(f"effects= is 'all' or some of {', '.join(_EFFECTS)}, not {effects!r}.")
    return wanted


def _limits(
    result: MixedModelResults,
    wanted: Sequence[str],
    method: str | Profile | Bootstrap,
    level: float,
    options: dict[str, Any],
) -> pd.DataFrame | None:
    """Return limits by kind and name, None for Wald intervals."""
    if method == "bootstrap":
        method = bootstrap(result, options.pop("n", 1000), **options)
        options = {}
    elif method == "profile":
        kinds = ["beta"] if "fixed" in wanted else []
        if "ran_pars" in wanted:
            kinds += [
                kind for kind in ("sigma", "dispersion") if result.estimates.scale_name == kind
            ]
            kinds += _covariance_kinds(result)
        method = profile(result, kinds or None, level=max(level, 0.999))
    return limits_of(method, level, options)


def limits_of(method: Any, level: float, options: dict[str, Any]) -> pd.DataFrame | None:
    """Return limits by kind and name, None for Wald intervals.

    Parameters
    ----------
    method : "wald", Profile or Bootstrap
    level : float
    options : dict
        What is left of the options.

    Raises
    ------
    OptionError
        If options are left, or there is no such method.
    """
    if options:
        raise OptionError(f"{next(iter(options))}= is no option of this method.")
    if isinstance(method, Profile | Bootstrap):
        return method.conf_int(1 - level)
    if method != "wald":
        raise OptionError(f"conf_method= is wald, profile or bootstrap, not {method!r}.")
    return None


def _covariance_kinds(result: MixedModelResults) -> list[str]:
    """Return the kinds of covariance parameters that a profile has."""
    if result.takes_correlated or result.estimates.structured is not None:
        return ["theta"]
    return ["sd", "corr"] if any(len(b.columns) > 1 for b in result.layout.blocks) else ["sd"]


def _fixed(
    result: MixedModelResults, limits: pd.DataFrame | None, level: float, exponentiate: bool
) -> pd.DataFrame:
    table = result.coeftable(level)
    table.columns = ["estimate", "std_error", *table.columns[2:]]
    table = table.rename(columns={table.columns[-2]: "lower", table.columns[-1]: "upper"})
    test = [name for name in table.columns if name in ("t", "z") or name.startswith("Pr(")]
    table = table.rename(columns=dict(zip(test, ("statistic", "pvalue"), strict=True)))
    if "df" not in table:
        table["df"] = np.where(table["estimate"].isna(), np.nan, np.inf)
    if limits is not None:
        own = limits.loc["beta"] if "beta" in limits.index.get_level_values(0) else limits.iloc[:0]
        table[["lower", "upper"]] = own[["lower", "upper"]].reindex(table.index)
    if exponentiate:
        result._ratio()
        changed = ["estimate", "lower", "upper"]
        table[changed] = np.exp(table[changed])
        table["std_error"] *= table["estimate"]
    return table.reset_index(names="term").assign(effect="fixed", group="")


def coefficients_of_levels(group: str, table: pd.DataFrame) -> pd.DataFrame:
    """Return the coefficients of every level with a row for each.

    Parameters
    ----------
    group : str
        Name of the grouping factor.
    table : DataFrame
        As `coef_by_group` has it.
    """
    levels = pd.Series(list(table.index), dtype=object).repeat(table.shape[1])
    return pd.DataFrame(
        {
            "effect": "ran_coefs",
            "group": group,
            "level": levels.to_numpy(),
            "term": list(table.columns) * len(table),
            "estimate": table.to_numpy().ravel(),
        }
    ).reindex(columns=["level", *COLUMNS])
