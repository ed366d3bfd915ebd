"""Comparisons of fits with parameters of rows with each other, and with fits without any."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ...errors import MixedModelWarning, OptionError, warn_caller
from ...results.base import MixedModelResults, unwrap
from ..likelihood_ratio import LikelihoodRatio, check_same_data
from .drop1 import terms_table
from .nested_fits import Fitted, NotNested, compare

if TYPE_CHECKING:
    from ...results.distributional.base import DistributionalFit

__all__ = ["anova", "compare_lr_test"]


def compare_lr_test(self: DistributionalFit, restricted: Any) -> LikelihoodRatio:
    """Test the fit against a smaller one by their likelihoods.

    Parameters
    ----------
    restricted : DistributionalResults or GeneralizedLinearMixedModelResults
        A model that is a case of this one: with fewer terms in its formulas, without
        `zero_inflation=` or `dispersion=`, or of a family that is a case of its own: Poisson of
        negative binomial, generalized and Conway-Maxwell-Poisson, binomial of beta-binomial,
        Gaussian of Student t.

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

    Warns
    -----
    MixedModelWarning
        A fit without such formulas was refitted by the observed information, as this one is.

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


def anova(
    self: DistributionalFit,
    *others: Any,
    type: int | str | None = None,
    typ: int | str | None = None,
    dof: str | None = "auto",
    component: str = "cond",
) -> pd.DataFrame:
    """Test the terms of the fit, or compare it with others that are cases of it or it of them.

    Parameters
    ----------
    *others : DistributionalResults or GeneralizedLinearMixedModelResults
        Fits to the same data, in any order.
    type, typ, dof : optional
        For the fit alone, as for other models: the type of the hypotheses, 3 by default, and
        chi-squared tests, or F with ``dof="residual"``.
    component : {"cond", "zi", "disp"}
        For the fit alone, the formula whose terms are tested: that of the mean, of zeros, of the
        dispersion.

    Returns
    -------
    DataFrame
        For the fit alone a row for each term, as for other models. For several fits a row for
        each by number of parameters: `npar`, `aic`, `bic`, `llf`, `statistic`,
        `df_diff` and `pvalue` as `compare_lr_test` has it; NaN where models are not nested.

    Raises
    ------
    OptionError
        If an option is not possible, or fits are not comparable.

    Warns
    -----
    MixedModelWarning
        Fits without such formulas were refitted by the observed information.

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
        return terms_table(self, type, typ, dof, component)
    if type is not None or typ is not None or dof != "auto" or component != "cond":
        raise OptionError("type=, dof= and component= are for the table of a single fit.")
    fits = []
    for each in (self, *others):
        fits.append(_fitted(each))
    fits.sort(key=lambda fit: fit.dof)
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
    mean: Any = getattr(results, "_mean_part", results)
    if not isinstance(mean, MixedModelResults) or mean.estimates.spec is None:
        raise OptionError(
            f"a fit by mixedglm2 or mixedordinal2 is needed, not {results.__class__.__name__}."
        )
    if mean is results:
        results = mean = _by_observed_information(mean)
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


def _by_observed_information(fit: Any) -> Any:
    """Return a fit of a model with one formula as those with several are fitted."""
    own = fit.estimates
    if own.spec.canonical or own.hessian == "observed" or own.fast:
        return fit
    message = f"the fit of {fit.model.formula_full} was refitted with hessian='observed'"
    warn_caller(f"{message} to be compared.", MixedModelWarning)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MixedModelWarning)  # what is to be known is in the fit
        options = {**fit._fit_options(), "hessian": "observed"}
        return unwrap(fit.model.fit(**options))
