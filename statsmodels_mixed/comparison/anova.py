"""Tables of tests: the terms of one fit, or several nested fits.

With one fit, F tests of its terms; with several, the table of `model_table`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..errors import OptionError, RankWarning, warn_caller
from ..results.base import unwrap
from ..results.degrees_of_freedom import denominators
from ..results.notes import warn_no_distribution
from ..results.own_function import own_first
from ..standard_errors.contrast_tests import FTest
from ..standard_errors.reference import KENWARD_ROGER
from .hypotheses import term_hypotheses
from .model_table import model_table

__all__ = ["anova"]

# The test of a term whose columns depend on those of others.
NOTHING = FTest(np.nan, 0, np.nan, np.nan, np.nan, np.nan)


@own_first
def anova(
    result: Any,
    *others: Any,
    type: int | str | None = None,
    typ: int | str | None = None,
    dof: str | None = "auto",
    refit: bool = True,
) -> pd.DataFrame:
    """Test the terms of a fit, or compare fits.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        A fit.
    *others : results of the same kind, or of statsmodels' OLS, WLS or GLM
        Fits of smaller or larger models to the same data, in any order.
    type : {1, 2, 3, "I", "II", "III"}, optional
        For a single fit, the type of the hypotheses, 3 by default: type 1 adjusts a term for
        those before it in X, type 2 for all that do not contain it (the principle of
        marginality), type 3 tests contrasts of unweighted means. None depends on the coding of
        factors.
    typ : optional
        The same, as statsmodels' `anova_lm` spells it.
    dof : {"auto", "satterthwaite", "kenward-roger", "residual", None}
        For a single fit, the denominator degrees of freedom. ``"auto"`` is what the fit was
        asked for by `dof`; if nothing, ``"satterthwaite"`` for linear models and None for
        others: chi-squared tests, as F with infinitely many.
    refit : bool
        For several fits, refit those by REML by maximum likelihood, as lme4 does, with a warning
        that says so; their REML criteria are not comparable when fixed effects differ. False
        compares REML criteria of models with the same fixed effects.

    Returns
    -------
    DataFrame
        For a single fit, a row for each term of the fixed part: `sum_sq` and `mean_sq`
        (linear models only; F, before any scaling, times the residual variance), `df_num`,
        `df_denom`, `F` and `PR(>F)`, for Kenward and Roger's method also `scaling`. A term
        whose columns all depend on those of others has no degrees of freedom and NaN. Of several
        degrees of freedom Satterthwaite's denominator depends on how a hypothesis is written:
        as in lmerTest by differences from the first level, so that another level as the first
        changes it a little.

        For several fits, a row for each by number of parameters: `npar`, `aic`, `bic`,
        `llf`, `objective`, and of the test against the row above `statistic`, `df_diff`,
        `pvalue`, and `pvalue_boundary`: that for the mixture of chi-squared distributions
        which the statistic has when the smaller model puts variances at zero, else the same.
        Models with as many parameters as each other, or of families neither of which is a case of
        the other, have no test: they are NaN there, and the criteria compare them.

    Raises
    ------
    OptionError
        If an option does not apply, or fits are not comparable: other data, other methods,
        REML with other fixed effects, models of one family that are not nested.

    Warns
    -----
    MixedModelWarning
        Fits by REML were refitted by maximum likelihood.
    RankWarning
        The columns of a term depend on those of other terms, so that it has no test.

    See Also
    --------
    drop1, ranova, LinearMixedModelResults.compare_lr_test, mundlak_test

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
    hypotheses = _read_type(type, typ)
    apart = [fit for fit in others if getattr(fit.__class__, "stands_alone", False)]
    if apart:  # whose models have more parts: theirs know of both kinds
        rest = [fit for fit in others if fit is not apart[0]]
        table: pd.DataFrame = apart[0].anova(result, *rest, type=type, typ=typ, dof=dof)
        return table
    if others:
        if hypotheses is not None or dof != "auto":
            raise OptionError("type= and dof= are for the table of a single fit.")
        return model_table([result, *others], refit=refit)
    result = unwrap(result, correlated=True)
    if dof == "auto":
        plain = result.dof_method is None and result.cov_type == "nonrobust"
        dof = "satterthwaite" if plain else result.dof_method
    prepared = denominators(result, dof)
    rows, names, tests = [], [], []
    for name, contrasts in term_hypotheses(result, 3 if hypotheses is None else hypotheses):
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
    untested = [name for name, test in zip(names, tests, strict=True) if test is NOTHING]
    if untested:
        whose = "its" if len(untested) == 1 else "their"
        warn_caller(
            f"nothing of {', '.join(untested)} can be tested: {whose} columns depend on those of "
            "the other terms.",
            RankWarning,
        )
    if dof in KENWARD_ROGER:
        warn_no_distribution(names, tests)
    columns = ["sum_sq", "mean_sq"] if result.estimates.linear else []
    columns += ["df_num", "df_denom", "F", "PR(>F)"]
    columns += ["scaling"] if dof in KENWARD_ROGER else []
    return pd.DataFrame(rows, index=pd.Index(names, dtype=object), columns=columns)


def _read_type(given: int | str | None, typ: int | str | None) -> int | None:
    """Return the type of hypotheses as a number."""
    if given is not None and typ is not None:
        raise OptionError("type= and typ= are the same option: give one.")
    given = typ if given is None else given
    if given is None:
        return None
    known = {"I": 1, "II": 2, "III": 3, "1": 1, "2": 2, "3": 3}
    found = known.get(str(given).upper()) if not isinstance(given, bool) else None
    if found is None:
        raise OptionError(f"type= is 1, 2 or 3, or I, II or III, not {given!r}.")
    return found
