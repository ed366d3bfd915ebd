"""Linear models against lme4 at tight tolerances (tests/reference/lmm.json)."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
import statsmodels.formula.api as smf
import tolerances as tol
from numpy.testing import assert_allclose
from reference import load
from reference.lme4_names import MODELS, column, group, level

from statsmodels_mixed import IdentificationWarning, LinearMixedModel, SingularFitWarning
from statsmodels_mixed.fitting.crossprod import form_crossproducts
from statsmodels_mixed.fitting.linear.penalized_least_squares import solve

RECORDS = load("lmm")
# Where as many random effects as rows leave only the objective identified, no more is given.
ESTIMATED = [record for record in RECORDS if "theta" in record]
# Of `oxide_source` the data identify the variances under either source, not T itself.
IDENTIFIED = [record for record in ESTIMATED if record["id"] != "oxide_source"]


def each(records: list[dict[str, Any]]) -> Any:
    names = [f"{record['id']}-{record['method']}" for record in records]
    return pytest.mark.parametrize("record", records, ids=names)


@cache
def model_of(name: str) -> LinearMixedModel:
    model = MODELS[name]
    return smf.mixedlm2(model.formula, model.data(), **model.options)


@cache
def _fit(name: str, method: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularFitWarning)
        warnings.simplefilter("ignore", IdentificationWarning)
        return model_of(name).fit(reml=method == "REML")


def fit(record: dict[str, Any]) -> Any:
    return _fit(record["id"], record["method"])


def assert_near(actual: Any, desired: Any, rtol: float) -> None:
    """Compare arrays relative to the largest element."""
    largest = float(np.max(np.abs(desired), initial=0.0))
    assert_allclose(actual, desired, rtol=0, atol=rtol * largest)


def lower_triangle(matrix: Any, offset: int = 0) -> list[float]:
    return list(np.asarray(matrix)[np.tril_indices(len(matrix), offset)])


@each(ESTIMATED)
def test_same_objective_and_parts_at_the_same_theta(record):
    products = form_crossproducts(model_of(record["id"]).design)
    reml = record["method"] == "REML"
    products.set_criterion(reml, None)
    value, _ = products.workspace.value_and_gradient(np.array(record["theta"], dtype=float))
    assert_allclose(value + products.constant(reml), record["objective"], rtol=tol.EVALUATION)
    solution = solve(products)
    assert_allclose(solution.pwrss, record["pwrss"], rtol=tol.EVALUATION)
    parts = [solution.logdet_omega, solution.logdet_xvx]
    assert_near(parts, [record["ldL2"], record["ldRX2"]], tol.EVALUATION)


@each(RECORDS)
def test_objective(record):
    result = fit(record)
    assert result.objective <= record["objective"] + tol.OBJECTIVE_ABOVE
    assert_allclose(result.objective, record["objective"], rtol=tol.OBJECTIVE)
    assert_allclose(result.llf, -record["objective"] / 2, rtol=tol.OBJECTIVE)
    assert result.converged
    assert result.method == record["method"]


@each(RECORDS)
def test_counts(record):
    result = fit(record)
    assert result.nobs == record["n"]
    assert result.dof == result.df_modelwc == record["npar"]


@each(ESTIMATED)
def test_criteria(record):
    result = fit(record)
    assert_allclose([result.aic, result.bic], [record["AIC"], record["BIC"]], rtol=tol.OBJECTIVE)


@each(ESTIMATED)
def test_singularity(record):
    assert fit(record).issingular() == record["singular"]


@each(IDENTIFIED)
def test_theta(record):
    assert_near(fit(record).theta, record["theta"], tol.THETA)


@each(ESTIMATED)
def test_fixed_effects(record):
    result = fit(record)
    names = [column(name) for name in record["beta_names"]]
    assert sorted(result.coefnames) == sorted(names)
    assert_allclose(result.params[names], record["beta"], rtol=tol.BETA)
    assert_allclose(result.bse[names], record["se"], rtol=tol.STANDARD_ERROR)
    assert_allclose(result.coef[names], record["beta"], rtol=tol.BETA)
    assert_allclose(result.stderror[names], record["se"], rtol=tol.STANDARD_ERROR)


@each(ESTIMATED)
def test_covariance_of_fixed_effects(record):
    result = fit(record)
    names = [column(name) for name in record["beta_names"]]
    covariance = [value for row in record["vcov"] for value in row]
    # Relative to the standard errors, which pair by pair bound a covariance.
    unit = lower_triangle(np.outer(record["se"], record["se"]))
    for ours in (result.vcov, result.cov_params()):
        difference = np.array(lower_triangle(ours.loc[names, names])) - covariance
        assert_allclose(difference / unit, 0, atol=2 * tol.STANDARD_ERROR)


@each(ESTIMATED)
def test_residual_scale(record):
    result = fit(record)
    assert_allclose(result.sigma, record["sigma"], rtol=tol.SIGMA)
    assert_allclose(result.scale, record["sigma"] ** 2, rtol=2 * tol.SIGMA)
    assert_allclose(result.estimates.pwrss, record["pwrss"], rtol=2 * tol.SIGMA)


@each(ESTIMATED)
def test_determinants(record):
    estimates = fit(record).estimates
    determinants = [estimates.logdet_omega, estimates.logdet_xvx]
    assert_allclose(determinants, [record["ldL2"], record["ldRX2"]], rtol=tol.DETERMINANT)


@each(IDENTIFIED)
def test_variance_components(record):
    varcorr = fit(record).varcorr
    for part in record["varcorr"]:
        name = group(record, part["factor"])
        names = [column(effect) for effect in part["names"]]
        assert_near(varcorr.std_dev(name)[names], part["sd"], tol.VARIANCE_COMPONENT)
        ours = lower_triangle(varcorr.correlation(name).loc[names, names], -1)
        theirs = [value for row in part["cor"] for value in row]
        assert_allclose(ours, theirs, rtol=0, atol=tol.VARIANCE_COMPONENT)


@each([record for record in ESTIMATED if record["id"] == "oxide_source"])
def test_identified_variance_components_of_oxide(record):
    # The variance of a lot's or wafer's effect under the first and the second source.
    under_source = np.array([[1.0, 0.0], [1.0, 1.0]])
    result = fit(record)
    for part in record["varcorr"]:
        ours = result.varcorr.covariance(group(record, part["factor"])).to_numpy()
        (correlation,) = part["cor"][0]
        theirs = np.outer(part["sd"], part["sd"]) * [[1, correlation], [correlation, 1]]
        for effect in under_source:
            variance = effect @ theirs @ effect
            assert_allclose(effect @ ours @ effect, variance, rtol=tol.VARIANCE_COMPONENT)
    for part in record["ranef"]:
        # These lots have the first source.
        modes = result.ranef()[group(record, part["factor"])]
        rows = [level(record, part["factor"], label) for label in part["rownames"]]
        ours, theirs = modes.loc[rows, "Intercept"], [row[0] for row in part["values"]]
        assert_near(ours, theirs, tol.CONDITIONAL_MODE)


@each(IDENTIFIED)
def test_conditional_modes(record):
    modes = fit(record).ranef()
    assert len(modes) == len(record["ranef"])
    for part in record["ranef"]:
        table = modes[group(record, part["factor"])]
        names = [column(effect) for effect in part["columns"]]
        assert list(table.columns) == names
        assert len(table) == part["nlev"]
        rows = [level(record, part["factor"], label) for label in part["rownames"]]
        for j, name in enumerate(names):
            theirs = [row[j] for row in part["values"]]
            size = np.sqrt(part["sumsq"][j])
            assert_near(table.loc[rows, name], theirs, tol.CONDITIONAL_MODE)
            assert_allclose(table[name].sum(), part["sum"][j], atol=tol.CONDITIONAL_MODE * size)
            squares = np.sum(table[name] ** 2)
            assert_allclose(squares, part["sumsq"][j], rtol=tol.CONDITIONAL_MODE)


@each(IDENTIFIED)
def test_conditional_variances(record):
    result = fit(record)
    for part in record["ranef"]:
        name = group(record, part["factor"])
        rows = [level(record, part["factor"], label) for label in part["rownames"]]
        at = result.ranef()[name].index.get_indexer(rows)
        ours = result.condvar()[name][at]
        theirs = part["condVar"]
        if isinstance(theirs, dict):
            # lme4 splits `||` into terms and leaves out the covariances between them.
            ours = np.diagonal(ours, axis1=1, axis2=2)
            theirs = np.column_stack([np.ravel(theirs[effect]) for effect in part["columns"]])
            for ours_j, theirs_j in zip(ours.T, theirs.T, strict=True):
                assert_near(ours_j, theirs_j, tol.CONDITIONAL_VARIANCE)
        else:
            assert_near(ours, theirs, tol.CONDITIONAL_VARIANCE)


@each(ESTIMATED)
def test_leverage_sum(record):
    assert_allclose(np.sum(fit(record).leverage()), record["sum_hat"], rtol=tol.LEVERAGE_SUM)


@each(ESTIMATED)
def test_first_fitted_values(record):
    fitted = np.asarray(fit(record).fittedvalues)[: len(record["fitted_head"])]
    assert_near(fitted, record["fitted_head"], tol.FITTED)
