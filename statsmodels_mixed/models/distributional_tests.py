"""Comparisons of fits with parameters of rows with each other, and with fits without any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..comparison.likelihood_ratio import LikelihoodRatio, check_same_data
from ..comparison.row_parameters import Fitted, NotNested, compare
from ..errors import OptionError
from .generalized_results import GeneralizedLinearMixedModelResults

if TYPE_CHECKING:
    from .distributional_results import DistributionalResults

__all__ = ["anova", "compare_lr_test"]


def compare_lr_test(self: DistributionalResults, restricted: Any) -> LikelihoodRatio:
    """Test the fit against a smaller one by their likelihoods.

    Parameters
    ----------
    restricted : DistributionalResults or GeneralizedLinearMixedModelResults
        A model that is a case of this one: with fewer terms in its formulas, without
        `zero_inflation=` or `dispersion=`, or Poisson where this is negative binomial.

    Returns
    -------
    LikelihoodRatio
        Where a single parameter is at the edge of its range, such as the one probability of
        ``zero_inflation="~ 1"`` at 0, the p-value is the mean of the tails with `df_diff` - 1 and
        `df_diff` degrees of freedom. Where several are, it is that of `df_diff`, as a rule too
        large.

    Raises
    ------
    OptionError
        If the models are not nested, were fitted to other data or their likelihoods are not
        comparable.

    See Also
    --------
    DistributionalResults.anova

    References
    ----------
    Self and Liang (1987), Journal of the American Statistical Association 82, 605-610.

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> formula = "ticks ~ 1 + (1 | brood)"
    >>> fit = mixedglm2(formula, ticks, "poisson", zero_inflation="~ 1").fit()
    >>> test = fit.compare_lr_test(mixedglm2(formula, ticks, "poisson").fit())
    >>> round(test.statistic, 2), round(test.pvalue, 4), test.df_diff
    (14.49, 0.0001, 1)
    """
    return compare(_fitted(self), _fitted(restricted))


def anova(self: DistributionalResults, *others: Any) -> pd.DataFrame:
    """Compare the fit with others, each with the one before it where that is a case of it.

    Parameters
    ----------
    *others : DistributionalResults or GeneralizedLinearMixedModelResults
        Fits to the same data, in any order.

    Returns
    -------
    DataFrame
        A row for each fit by number of parameters: `npar`, `aic`, `bic`, `llf`, `statistic`,
        `df_diff` and `pvalue` as `compare_lr_test` has it; NaN where models are not nested.

    Raises
    ------
    OptionError
        If there are no others, or fits are not comparable.

    See Also
    --------
    DistributionalResults.compare_lr_test

    Examples
    --------
    >>> ticks = datasets.load("grouseticks")
    >>> formula = "ticks ~ 1 + (1 | brood)"
    >>> fit = mixedglm2(formula, ticks, "poisson", zero_inflation="~ 1").fit()
    >>> fit.anova(mixedglm2(formula, ticks, "poisson").fit())["npar"].tolist()
    [2, 3]
    """
    if not others:
        raise OptionError(
            "the terms of a single fit have no table here: give other fits to compare with."
        )
    fits = sorted([_fitted(each) for each in (self, *others)], key=lambda each: each.dof)
    for each in fits[1:]:
        check_same_data(fits[0].results, each.results)
    rows: list[dict[str, Any]] = []
    for at, each in enumerate(fits):
        penalty = np.log(len(each.design.y)) * each.dof
        row = {
            "npar": each.dof,
            "aic": each.objective + 2.0 * each.dof,
            "bic": each.objective + penalty,
            "llf": -each.objective / 2.0,
        }
        if at and each.dof > fits[at - 1].dof:
            try:
                row |= compare(each, fits[at - 1])._asdict()
            except NotNested:  # the criteria compare these
                row["df_diff"] = each.dof - fits[at - 1].dof
        rows.append(row)
    columns = ["npar", "aic", "bic", "llf", "statistic", "df_diff", "pvalue"]
    table = pd.DataFrame(rows, index=[_name(each) for each in fits], columns=columns)
    return table.astype({"df_diff": "Int64"})


def _name(fit: Fitted) -> str:
    model = fit.results.model
    formulas = getattr(model, "formulas", {})
    parts = [f"{name}={text}" for name, text in formulas.items()]
    return f"{model.formula_full} [{', '.join([fit.spec.family.replace('_', ' '), *parts])}]"


def _fitted(fit: Any) -> Fitted:
    """Read a fit of either kind."""
    results = getattr(fit, "_results", fit)
    mean = getattr(results, "_mean_part", results)
    if not isinstance(mean, GeneralizedLinearMixedModelResults):
        raise OptionError(
            f"a fit by mixedglm2 or mixedordinal2 is needed, not {type(results).__name__}."
        )
    estimates, model = mean.estimates, mean.model
    # With a canonical link the observed information is the expected one.
    exact = estimates.spec.canonical or estimates.hessian == "observed"
    parts = {name: X for name, (X, _) in getattr(model, "_pieces", {}).items()}
    if estimates.spec.has_dispersion:
        parts.setdefault("dispersion", np.ones((len(mean.kept_design().y), 1)))
    return Fitted(
        mean,
        estimates.spec,
        getattr(model, "link_name", estimates.spec.link),
        (estimates.n_agq, estimates.fast, exact),
        -2.0 * results.llf,
        results.dof,
        parts,
        getattr(model, "threshold", ""),
    )
