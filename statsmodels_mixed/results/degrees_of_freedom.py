"""Tests of the coefficients with degrees of freedom for small samples.

`denominators` prepares a method once for a fit; every contrast is cheap after that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .._typing import Numbers
from ..errors import OptionError
from ..frame.table.alignment import align_names
from ..option_kinds import are_numbers
from ..options import described
from ..standard_errors.contrast_tests import ContrastTests, FixedContrastTests, FTest, two_sided
from ..standard_errors.kenward_roger import prepare_kenward_roger
from ..standard_errors.reference import (
    DOF_METHODS,
    KENWARD_ROGER,
    RESIDUAL_DOF_METHODS,
    refuse_none_left,
)
from ..standard_errors.satterthwaite import Satterthwaite, prepare_satterthwaite
from .base import unwrap
from .notes import warn_no_distribution, warn_not_estimable
from .own_function import own_first

__all__ = ["coefficient_tests", "denominators", "f_test", "varpar_cov"]


@own_first
def denominators(result: Any, dof: str | None = "satterthwaite") -> ContrastTests:
    """Prepare the t and F tests of a fit.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    dof : {"satterthwaite", "kenward-roger", "kenward-roger-linear", "residual", None}
        Where denominator degrees of freedom come from. ``"residual"`` is `df_resid` of the
        fit, None the normal and the chi-squared distribution; generalized models have only
        these.

    Returns
    -------
    ContrastTests
        With `df(contrasts)`, `f_test(contrasts, value)` and the `covariance` they refer to,
        which Kenward and Roger's method adjusts.

    Raises
    ------
    OptionError
        If there is no such method, or it does not apply to this fit.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    f_test, coefficient_tests, ContrastTests

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2, 110-114. Fai and Cornelius (1996), Journal of
    Statistical Computation and Simulation 54, 363-378. Kenward and Roger (1997), Biometrics 53,
    983-997.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> inference.denominators(fit).df([0.0, 1.0]).round(2)
    array([18.])
    """
    result = unwrap(result, correlated=True)
    methods = RESIDUAL_DOF_METHODS if result.takes_correlated else DOF_METHODS
    if dof not in methods:
        known = ", ".join(map(repr, methods))
        raise OptionError(f"dof= is one of {known}, not {dof!r}.")
    if dof == result.dof_method:
        kept: ContrastTests = result.reference.tests
        return kept
    if result.cov_type == "cluster":
        raise OptionError(
            f"the cluster-robust standard errors of this fit go with dof={result.dof_method!r}: "
            f"for {dof!r} make them anew by with_inference()."
        )
    if result.takes_correlated:
        other: ContrastTests = unwrap(result.with_inference(dof=dof), correlated=True)._tests
        return other
    estimates = result.estimates
    if dof is None or dof == "residual":
        degrees = np.inf if dof is None else float(result.df_resid)
        refuse_none_left(degrees)
        result._check_covariance()
        own = result._tests
        covariance, on_basis, model_based = own.covariance, own.on_basis, own.model_based
        if estimates.linear:  # Kenward and Roger's may be adjusted
            covariance, on_basis, model_based = estimates.cov_conditional, estimates.on_basis, None
        fixed: ContrastTests = result._aware(
            FixedContrastTests(
                estimates.beta, covariance, degrees, on_basis=on_basis, model_based=model_based
            )
        )
        return fixed
    if not estimates.linear:
        raise OptionError(
            f'dof={dof!r} is for linear models: a {result.kind} has only dof=None or "residual".'
        )
    design = result.sufficient_design()
    if dof == "satterthwaite":
        tests: ContrastTests = prepare_satterthwaite(design, estimates)
    else:
        linear = dof == "kenward-roger-linear"
        tests = prepare_kenward_roger(design, estimates, linear=linear)
    prepared: ContrastTests = result._aware(tests)
    return prepared


@own_first
def f_test(
    result: Any,
    contrasts: Any,
    *,
    value: Numbers = 0.0,
    dof: str | None = "satterthwaite",
) -> FTest:
    """Test that combinations of the coefficients have given values.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    contrasts : array_like, shape (m, rank) or (rank,)
        A row for each combination of the estimable coefficients; or of those of all columns
        of X, shape (m, p) or (p,).
    value : array_like, shape (m,) or scalar
        Values under the hypothesis.
    dof : {"satterthwaite", "kenward-roger", "kenward-roger-linear", "residual", None}
        See `denominators`.

    Returns
    -------
    FTest
        Statistic, degrees of freedom, p-value and Kenward and Roger's scaling of F. NaN, with
        a RankWarning, if a combination is not estimable.

    Raises
    ------
    OptionError
        If the contrasts do not fit the coefficients, or the method does not apply.
    DataError
        If they are a data frame with the names of other coefficients.

    See Also
    --------
    denominators, coefficient_tests, anova

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2, 110-114. Fai and Cornelius (1996), Journal of
    Statistical Computation and Simulation 54, 363-378. Kenward and Roger (1997), Biometrics 53,
    983-997.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> test = inference.f_test(fit, [0.0, 1.0])
    >>> round(test.statistic, 2), round(test.df_denom, 2)
    (48.55, 18.0)
    """
    prepared = denominators(result, dof)
    if not are_numbers(contrasts):
        raise OptionError(
            f"contrasts must be numbers, not {described(contrasts)}: f_test of a fit reads text."
        )
    result = unwrap(result, correlated=True)
    contrasts = align_names(contrasts, [result.fixefnames, result.coefnames], "contrasts")
    rows, known = result._of_estimable(np.atleast_2d(np.asarray(contrasts, dtype=float)))
    if known.all():
        test = prepared.f_test(rows, value)
        if dof in KENWARD_ROGER:
            warn_no_distribution(["the hypotheses"], [test])
        return test
    warn_not_estimable(int(np.sum(~known)), "hypothesis")
    return FTest(np.nan, len(rows), np.nan, np.nan, np.nan, np.nan)


@own_first
def coefficient_tests(result: Any, dof: str | None = "satterthwaite") -> pd.DataFrame:
    """Return the coefficients with standard errors, t tests and their degrees of freedom.

    Parameters
    ----------
    result : LinearMixedModelResults or GeneralizedLinearMixedModelResults
        The fit.
    dof : {"satterthwaite", "kenward-roger", "kenward-roger-linear", "residual", None}
        See `denominators`.

    Returns
    -------
    DataFrame
        A row for each column of X; dropped columns have NaN.

    Raises
    ------
    OptionError
        If there is no such method, or it does not apply to this fit.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    f_test, with_inference

    References
    ----------
    Satterthwaite (1946), Biometrics Bulletin 2, 110-114. Fai and Cornelius (1996), Journal of
    Statistical Computation and Simulation 54, 363-378. Kenward and Roger (1997), Biometrics 53,
    983-997.

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> inference.coefficient_tests(fit)[["Coef.", "df", "t"]].round(2)
                Coef.    df      t
    Intercept  251.41  18.0  37.91
    days        10.47  18.0   6.97
    """
    result = unwrap(result, correlated=True)
    prepared = denominators(result, dof)
    beta = prepared.beta
    errors = prepared.errors(np.eye(len(beta))) if len(beta) else np.empty(0)
    df = prepared.df(np.eye(len(beta))) if len(beta) else np.empty(0)
    t = beta / errors
    columns = {
        "Coef.": beta,
        "Std. Error": errors,
        "df": df,
        "t": t,
        "Pr(>|t|)": two_sided(t, df),
    }
    spread = {label: result._spread(values) for label, values in columns.items()}
    return pd.DataFrame(spread, index=result.coefnames)


@own_first
def varpar_cov(result: Any) -> pd.DataFrame:
    """Return the asymptotic covariance of theta and sigma of a linear fit.

    Twice the inverse Hessian of what was minimized, with sigma not profiled out. It is NaN for
    parameters that the data do not determine.

    Parameters
    ----------
    result : LinearMixedModelResults
        The fit.

    Returns
    -------
    DataFrame
        Rows and columns are `theta_names`, then ``"sigma"`` unless it was given.

    Raises
    ------
    OptionError
        If the model is not linear.
    DataError
        If the data of the fit were removed.

    See Also
    --------
    denominators

    Examples
    --------
    >>> fit = mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()
    >>> errors = np.sqrt(np.diag(inference.varpar_cov(fit)))
    >>> errors.round(3)
    array([0.23 , 0.071, 0.051, 1.508])
    """
    result = unwrap(result)
    if not result.estimates.linear:
        raise OptionError(f"varpar_cov is for linear models, not for a {result.kind}.")
    prepared = result.reference.tests
    if not isinstance(prepared, Satterthwaite):
        prepared = prepare_satterthwaite(result.sufficient_design(), result.estimates)
    names = [*result.theta_names, "sigma"][: len(prepared.varpar)]
    varpar = prepared.parameter_covariance.copy()
    lost = ~result._parameters_known()[: len(varpar)]
    varpar[lost] = varpar[:, lost] = np.nan
    return pd.DataFrame(varpar, index=names, columns=names)
