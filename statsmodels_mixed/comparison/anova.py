"""Tables of tests: the terms of one fit, or several nested fits.

With one fit, F tests of its terms; with several, likelihood-ratio tests of each against the
next smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..errors import OptionError
from ..fitting.estimates import Estimates
from ..frame.design import Design
from ..results.base import unwrap
from ..results.degrees_of_freedom import denominators
from ..results.notes import warn_no_distribution
from ..standard_errors.contrast_tests import FTest
from .boundary import chi_bar_squared_sf
from .hypotheses import term_hypotheses
from .likelihood_ratio import likelihood_ratio
from .nesting import foreign_column, zero_covariances

__all__ = ["anova", "boundary_pvalue"]

# The test of a term whose columns depend on those of others.
NOTHING = FTest(np.nan, 0, np.nan, np.nan, np.nan, np.nan)
# Differences of minima up to this, and this share of an objective, are taken for zero.
SETTLED = 1e-6
ROUNDING = 1e-11


def anova(
    result: Any, *others: Any, typ: int | None = None, dof: str | None = "auto"
) -> pd.DataFrame:
    """Test the terms of a fit, or compare nested fits.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        A fit.
    *others : results of the same kind
        Fits of smaller or larger models to the same data, in any order.
    typ : {1, 2, 3}, optional
        For a single fit, the type of the hypotheses, 3 by default: type 1 adjusts a term for
        those before it in X, type 2 for all that do not contain it, type 3 tests contrasts of
        unweighted means. None depends on the coding of factors.
    dof : {"auto", "satterthwaite", "kenward-roger", "residual", None}
        For a single fit, the denominator degrees of freedom. ``"auto"`` is what the fit was
        asked for by `dof`; if nothing, ``"satterthwaite"`` for linear models and None for
        others: chi-squared tests, as F with infinitely many.

    Returns
    -------
    DataFrame
        For a single fit, a row for each term of the fixed part: `sum_sq` and `mean_sq`
        (linear models only; F, before any scaling, times the residual variance), `df_num`,
        `df_denom`, `F` and `PR(>F)`, for Kenward and Roger's method also `scaling`. A term
        whose columns all depend on those of others has no degrees of freedom and NaN.

        For several fits, a row for each by number of parameters: `npar`, `aic`, `bic`,
        `llf`, `objective`, and of the test against the row above `statistic`, `df_diff`,
        `pvalue`, and `pvalue_boundary`: that for the mixture of chi-squared distributions
        which the statistic has when the smaller model puts variances at zero, else the same.

    Raises
    ------
    OptionError
        If an option does not apply, or fits are not comparable: other data, other methods,
        REML with other fixed effects, models that are not nested.

    See Also
    --------
    drop1, ranova, LinearMixedModelResults.compare_lr_test

    References
    ----------
    Self and Liang (1987), Journal of the American Statistical Association 82, 605-610. Stram and
    Lee (1994), Biometrics 50, 1171-1177.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.anova()[["df_num", "df_denom", "F"]].round(3)
          df_num  df_denom      F
    days       1      18.0  48.55
    >>> smaller = mixedlm2("reaction ~ days + (1 | subj)", datasets.load("sleepstudy")).fit()
    >>> fit.anova(smaller)[["npar", "objective", "df_diff"]].round(2)
                                             npar  objective  df_diff
    reaction ~ 1 + days + (1 | subj)            4    1794.08     <NA>
    reaction ~ 1 + days + (1 + days | subj)     6    1751.94        2
    """
    if others:
        if typ is not None or dof != "auto":
            raise OptionError("typ= and dof= are for the table of a single fit.")
        return _comparison([result, *others])
    result = unwrap(result)
    if dof == "auto":
        plain = result.dof_method is None and result.cov_type == "nonrobust"
        dof = "satterthwaite" if plain else result.dof_method
    prepared = denominators(result, dof)
    rows, names, tests = [], [], []
    for name, contrasts in term_hypotheses(result, 3 if typ is None else typ):
        test = prepared.f_test(contrasts) if len(contrasts) else NOTHING
        # As lmerTest has it, without Kenward and Roger's factor, which scales F.
        mean_square = test.wald / max(test.df_num, 1) * result.scale
        names.append(name)
        tests.append(test)
        rows.append(
            {
                "sum_sq": mean_square * test.df_num,
                "mean_sq": mean_square,
                "df_num": test.df_num,
                "df_denom": test.df_denom,
                "F": test.statistic,
                "PR(>F)": test.pvalue,
                "scaling": test.scaling,
            }
        )
    if dof == "kenward-roger":
        warn_no_distribution(names, tests)
    columns = ["sum_sq", "mean_sq"] if result.estimates.linear else []
    columns += ["df_num", "df_denom", "F", "PR(>F)"]
    columns += ["scaling"] if dof == "kenward-roger" else []
    return pd.DataFrame(rows, index=pd.Index(names, dtype=object), columns=columns)


def _comparison(fits: Sequence[Any]) -> pd.DataFrame:
    """Return the table of several fits."""
    fits = sorted(map(unwrap, fits), key=lambda fit: fit.dof_identified)
    rows = [
        {
            "npar": fit.dof,
            "aic": fit.aic,
            "bic": fit.bic,
            "llf": fit.llf,
            "objective": fit.objective,
        }
        for fit in fits
    ]
    for row, small, large in zip(rows[1:], fits[:-1], fits[1:], strict=True):
        test = likelihood_ratio(large, small)
        row |= test._asdict()
        row["pvalue_boundary"] = _nested_pvalue(small, large, test.statistic, test.df_diff)
    names = [getattr(fit.model, "formula_full", f"model {i}") for i, fit in enumerate(fits, 1)]
    columns = ["npar", "aic", "bic", "llf", "objective"]
    columns += ["statistic", "df_diff", "pvalue", "pvalue_boundary"]
    table = pd.DataFrame(rows, index=names, columns=columns)
    return table.astype({"df_diff": "Int64"})


def _nested_pvalue(small: Any, large: Any, statistic: float, df_diff: int) -> float:
    """Return the p-value of the mixture, after making sure that the models are nested."""
    restricted, full = small.kept_design(), large.kept_design()
    advice = "a likelihood-ratio test needs a model that is a special case of the other"
    column = foreign_column(restricted, full)
    if column is not None:
        raise OptionError(
            f"the models are not nested: {column!r} is no combination of the fixed-effects "
            f"columns of the larger model; {advice}."
        )
    if _fixed_sigma(large) not in (None, _fixed_sigma(small)):
        raise OptionError(f"the models are not nested: sigma is fixed in the larger; {advice}.")
    pvalue = boundary_pvalue(restricted, full, large.estimates, statistic, df_diff)
    if pvalue is None:
        raise OptionError(
            "the models are not nested: the larger one has no room for the random effects of "
            f"the smaller; {advice}."
        )
    return pvalue


def _fixed_sigma(fit: Any) -> float | None:
    estimates = fit.estimates
    return fit.sigma if estimates.linear and not estimates.scale_estimated else None


def boundary_pvalue(
    restricted: Design, full: Design, estimates: Estimates, statistic: float, df_diff: int
) -> float | None:
    """Return the p-value that knows of variances at zero; None if the models are not nested.

    Parameters
    ----------
    restricted, full : Design
        The models.
    estimates : Estimates
        A fit of either, which says whether there are independent residuals.
    statistic : float
        Likelihood-ratio statistic.
    df_diff : int
        Difference of the numbers of parameters.
    """
    if full.is_structured or restricted.is_structured:
        return np.nan  # a parameter of a variance at zero is not identified: no known mixture
    linear = estimates.linear
    sigma = linear and estimates.scale_estimated
    cones = zero_covariances(restricted, full, residual=linear, sigma=sigma)
    if cones is None:
        return None
    free = df_diff - sum(cone.size * (cone.size + 1) // 2 for cone in cones)
    if df_diff <= 0:
        return np.nan
    if free < 0 or estimates.identification.dimension:
        free, cones = df_diff, ()  # not all parameters of the larger model are identified
    # Where the larger model is singular the statistic is zero but for the end of two searches.
    rounding = SETTLED + ROUNDING * abs(estimates.objective)
    return chi_bar_squared_sf(statistic if statistic > rounding else 0.0, free, cones)
