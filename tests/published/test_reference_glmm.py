"""Generalized linear models against lme4 and glmmTMB (tests/reference/glmm.json)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tolerances as tol
from glmm_oracle import Model
from numpy.testing import assert_allclose
from oracle import Term
from reference import load
from reference.glmm_names import MODELS, column, design_of, fit, group, level, result
from statsmodels.genmod import families

from statsmodels_mixed.fitting.estimates import GeneralizedEstimates
from statsmodels_mixed.fitting.generalized.fit import (
    conditional_variances,
    hessian,
    objective_and_gradient,
)

RECORDS = load("glmm")
LME4 = [record for record in RECORDS if record["source"].startswith("lme4")]
GLMMTMB = [record for record in RECORDS if record["source"].startswith("glmmTMB")]

# Of a Gamma model lme4 evaluates the likelihood of y given the modes with one moment estimate
# of the dispersion, the deviance per row, and the modes with another, sigma^2: a function that
# no single dispersion makes a likelihood. So only estimates can be compared, and loosely.
# glmmTMB estimates the dispersion with the rest, and so does this package.
OTHER_LIKELIHOOD = [record for record in LME4 if record["id"] == "gamma_sleep"]
# glmer.nb alternates between alpha and the rest and stops 6e-6 above the optimum.
ALTERNATING = [record for record in LME4 if record["id"] == "grouseticks_nb2"]
COMPARED = [record for record in LME4 if record not in (*OTHER_LIKELIHOOD, *ALTERNATING)]
LAPLACE_OR_QUADRATURE = [record for record in COMPARED if record["nAGQ"] > 0]

# Of a link that is not canonical the weights depend on the mode, and lme4 takes the log
# determinant at weights of the step before the last: its Laplace objective is off by 1e-6.
# Quadrature takes from it only where its nodes are, and is not.
STALE_WEIGHTS = {("contra_probit", 0): 1e-6, ("contra_probit", 1): 1e-6}

# In units of the standard error, or relative. The best of lme4's optimizers stop 1e-8 above the
# optimum at worst, in which a parameter may be off by 1e-4 of its standard error.
LME4_ESTIMATE = 1e-4
# glmmTMB's parameters have been polished by Newton steps: their gradient is below 1e-9.
GLMMTMB_ESTIMATE = 1e-5
# Both take the Hessian by finite differences, lme4 of the objective, glmmTMB of the gradient,
# at parameters before any polishing.
FULL_STANDARD_ERROR = 5e-4


def each(records: list[dict[str, Any]]) -> Any:
    names = [
        f"{record['id']}-{record['source'].split()[0]}-{record.get('nAGQ', 'Laplace')}"
        for record in records
    ]
    return pytest.mark.parametrize("record", records, ids=names)


def fitted(record: dict[str, Any]) -> GeneralizedEstimates:
    if record in GLMMTMB:
        return fit(record["id"], hessian="observed")
    points = record["nAGQ"]
    return fit(record["id"], fast=points == 0, n_agq=max(points, 1))


def order(record: dict[str, Any]) -> list[int]:
    """Positions of the coefficients of a record among ours."""
    names = design_of(record["id"]).x_names
    where = [names.index(column(name)) for name in record["beta_names"]]
    assert sorted(where) == list(range(len(names)))
    return where


def lower_triangle(matrix: Any, offset: int = 0) -> list[float]:
    return list(np.asarray(matrix)[np.tril_indices(len(matrix), offset)])


def flat(rows: list[list[float]]) -> list[float]:
    return [value for row in rows for value in row]


def factor_of(record: dict[str, Any], estimates: GeneralizedEstimates, name: str) -> np.ndarray:
    """T of one grouping factor."""
    blocks = [block.name for block in design_of(record["id"]).blocks]
    return estimates.factors[blocks.index(group(name))]


def modes_of(record: dict[str, Any], estimates: GeneralizedEstimates, part: dict[str, Any]) -> Any:
    """Conditional modes of a grouping factor, and the rows of the levels the record gives."""
    blocks = design_of(record["id"]).blocks
    at = [block.name for block in blocks].index(group(part["factor"]))
    labels = [level(part["factor"], label) for label in part["rownames"]]
    return at, estimates.b[at], blocks[at].levels.get_indexer(labels)


def full_covariance(record: dict[str, Any], estimates: GeneralizedEstimates) -> np.ndarray:
    """Covariance of beta by the Hessian of the objective in all parameters."""
    matrix, change = hessian(design_of(record["id"]), estimates)
    inverse = 2 * change @ np.linalg.inv(matrix) @ change.T
    where = len(estimates.theta) + np.array(order(record))
    return inverse[np.ix_(where, where)]


# lme4


@each(COMPARED)
def test_same_objective_at_the_same_parameters(record):
    beta = np.empty(len(record["beta"]))
    beta[order(record)] = record["beta"]
    model, points = MODELS[record["id"]], max(record["nAGQ"], 1)
    value, _ = objective_and_gradient(
        design_of(record["id"]), model.family, record["theta"], beta, n_agq=points
    )
    stale = STALE_WEIGHTS.get((record["id"], record["nAGQ"]), 0.0)
    assert_allclose(value, record["objective"], rtol=tol.EVALUATION, atol=stale)


@each(COMPARED)
def test_objective(record):
    estimates = fitted(record)
    assert estimates.report.converged
    assert estimates.objective <= record["objective"] + 1e-9
    allowed = 2 * STALE_WEIGHTS.get((record["id"], record["nAGQ"]), tol.OBJECTIVE_ABOVE / 2)
    assert_allclose(estimates.objective, record["objective"], rtol=0, atol=allowed)
    assert len(estimates.fitted) == record["n"]
    parameters = len(estimates.theta) + len(estimates.beta)
    assert parameters == record["npar"]
    assert_allclose(estimates.objective + 2 * parameters, record["AIC"], rtol=tol.OBJECTIVE)
    bic = estimates.objective + parameters * np.log(record["n"])
    assert_allclose(bic, record["BIC"], rtol=tol.OBJECTIVE)
    assert estimates.singular == record["singular"]


@each(COMPARED)
def test_deviance_counts_from_the_saturated_model(record):
    estimates = fitted(record)
    saturated = (estimates.deviance - estimates.objective) / 2
    assert_allclose(saturated, record["ll_saturated"], rtol=tol.EVALUATION, atol=1e-10)
    if record["nAGQ"] <= 1:
        parts = [record[part] for part in ("sum_devresid", "u_sqlen", "ldL2")]
        assert_allclose(estimates.deviance, sum(parts), rtol=tol.OBJECTIVE)


@each(COMPARED)
def test_parts_of_the_objective(record):
    estimates = fitted(record)
    assert_allclose(estimates.logdet_omega, record["ldL2"], rtol=tol.DETERMINANT)
    squares = sum(np.sum(u**2) for u in estimates.u)
    assert_allclose(squares, record["u_sqlen"], rtol=tol.DETERMINANT)


@each(COMPARED)
def test_theta(record):
    estimates = fitted(record)
    assert_allclose(estimates.theta, record["theta"], rtol=LME4_ESTIMATE)
    assert estimates.dispersion == 1.0


@each(COMPARED)
def test_coefficients_and_conditional_standard_errors(record):
    estimates, where = fitted(record), order(record)
    covariance = estimates.cov_conditional[np.ix_(where, where)]
    errors = np.sqrt(np.diag(covariance))
    assert_allclose(errors, record["se_RX"], rtol=tol.STANDARD_ERROR)
    difference = (estimates.beta[where] - record["beta"]) / errors
    assert_allclose(difference, 0, atol=LME4_ESTIMATE)
    # Relative to the standard errors, which pair by pair bound a covariance.
    difference = np.array(lower_triangle(covariance)) - flat(record["vcov_RX"])
    assert_allclose(difference / lower_triangle(np.outer(errors, errors)), 0, atol=1e-5)


@each(LAPLACE_OR_QUADRATURE)
def test_standard_errors_by_the_full_hessian(record):
    errors = np.sqrt(np.diag(full_covariance(record, fitted(record))))
    assert_allclose(errors, record["se_hessian"], rtol=FULL_STANDARD_ERROR)
    # They allow for the covariance parameters not being known, as a rule by widening.
    assert np.mean(errors > record["se_RX"]) > 0.7


@each(COMPARED)
def test_variance_components(record):
    estimates = fitted(record)
    for part in record["varcorr"]:
        T = factor_of(record, estimates, part["factor"])
        covariance = T @ T.T
        deviations = np.sqrt(np.diag(covariance))
        assert_allclose(deviations, part["sd"], rtol=tol.VARIANCE_COMPONENT)
        correlation = covariance / np.outer(deviations, deviations)
        theirs = flat(part["cor"])
        assert_allclose(lower_triangle(correlation, -1), theirs, atol=tol.VARIANCE_COMPONENT)


@each(COMPARED)
def test_conditional_modes_and_variances(record):
    estimates = fitted(record)
    variances = conditional_variances(design_of(record["id"]), estimates)
    assert len(estimates.b) == len(record["ranef"])
    for part in record["ranef"]:
        at, modes, rows = modes_of(record, estimates, part)
        assert modes.shape == (part["nlev"], len(part["columns"]))
        size = np.sqrt(part["sumsq"])
        assert_allclose((modes[rows] - part["values"]) / size, 0, atol=tol.CONDITIONAL_MODE)
        # A shift of the intercept by its error moves every mode.
        shift = LME4_ESTIMATE * part["nlev"] * np.sqrt(estimates.cov_conditional[0, 0])
        assert_allclose(modes.sum(axis=0), part["sum"], rtol=0, atol=shift)
        assert_allclose((modes**2).sum(axis=0), part["sumsq"], rtol=tol.CONDITIONAL_MODE)
        ours, theirs = variances[at][rows], np.array(part["condVar"])
        largest = np.max(np.abs(theirs))
        assert_allclose(ours / largest, theirs / largest, atol=tol.CONDITIONAL_VARIANCE)


@each(COMPARED)
def test_first_fitted_values(record):
    head = fitted(record).fitted[: len(record["fitted_head"])]
    assert_allclose(head, record["fitted_head"], rtol=1e-5)


@pytest.mark.parametrize("name", ["contra", "cbpp", "mmmec"])
def test_quadrature_settles(name):
    """Nine points, 25 and 40 agree, and differ from Laplace."""
    objectives = {points: fit(name, n_agq=points).objective for points in (1, 9, 25, 40)}
    assert_allclose(objectives[9], objectives[25], rtol=0, atol=1e-5)
    assert_allclose(objectives[25], objectives[40], rtol=0, atol=1e-9)
    assert abs(objectives[1] - objectives[25]) > 0.05
    nine, many = fit(name, n_agq=9), fit(name, n_agq=25)
    assert_allclose(nine.theta, many.theta, rtol=1e-5)
    errors = np.sqrt(np.diag(many.cov_conditional))
    assert_allclose((nine.beta - many.beta) / errors, 0, atol=1e-4)


def test_quadrature_of_vectors_settles():
    """Which lme4 does not offer: 7 and 11 points by 7 and 11."""
    objectives = [fit("contra_slope", n_agq=points).objective for points in (1, 7, 11)]
    assert_allclose(objectives[1], objectives[2], rtol=0, atol=1e-4)
    assert objectives[0] - objectives[2] > 0.5


@each(OTHER_LIKELIHOOD)
def test_gamma_estimates_of_lme4_are_near(record):
    estimates = fitted(record)
    assert_allclose(estimates.theta, record["theta"], rtol=1e-3)
    assert_allclose(estimates.beta[order(record)], record["beta"], rtol=1e-3)
    assert_allclose(np.sqrt(estimates.dispersion), record["sigma"], rtol=0.01)


@each(OTHER_LIKELIHOOD)
def test_gamma_objective_of_lme4_has_two_dispersions(record):
    (block,) = design_of(record["id"]).blocks
    y, X = design_of(record["id"]).y, design_of(record["id"]).X
    gamma = families.Gamma(families.links.Log())
    term = Term(len(block.levels), block.refs, block.z, block.pattern)
    model = Model((term,), X, y, gamma, phi=record["sigma"] ** 2)
    u, beta, Z = model.modes(np.array(record["theta"]), np.array(record["beta"]))
    assert_allclose(u @ u, record["u_sqlen"], rtol=1e-5)
    mu = np.exp(X @ beta + Z @ u)
    deviance = gamma.deviance(y, mu)
    assert_allclose(deviance, record["sum_devresid"], rtol=1e-5)
    loglik = gamma.loglike_obs(y, mu, scale=deviance / len(y)).sum()
    assert_allclose(
        -2 * loglik + record["u_sqlen"] + record["ldL2"], record["objective"], rtol=0, atol=1e-4
    )
    # Not the likelihood at sigma^2, far from it.
    assert abs(model.objective(record["theta"], beta) - record["objective"]) > 1


@each(ALTERNATING)
def test_negative_binomial_of_lme4(record):
    # As for the others of lme4 the information is the expected one; glmmTMB's is the observed.
    estimates = fitted(record)
    assert estimates.objective <= record["objective"]
    assert_allclose(estimates.objective, record["objective"], rtol=0, atol=1e-5)
    assert_allclose(estimates.dispersion, 1 / record["nb_theta"], rtol=0.01)
    for part in record["varcorr"]:
        T = factor_of(record, estimates, part["factor"])
        assert_allclose(T, [part["sd"]], rtol=1e-3)
    errors = record["se_hessian"]
    difference = (estimates.beta[order(record)] - record["beta"]) / errors
    assert_allclose(difference, 0, atol=3e-3)
    # lme4 takes alpha for known here.
    ours = np.sqrt(np.diag(full_covariance(record, estimates)))
    assert_allclose(ours, errors, rtol=1e-3)


# glmmTMB, whose Laplace approximation has the observed information


def parameters(record: dict[str, Any], kind: str) -> list[float]:
    pairs = zip(record["par_names"], record["par"], strict=True)
    return [value for name, value in pairs if name == kind]


def dispersion_of(record: dict[str, Any]) -> float:
    (value,) = parameters(record, "betadisp") or [0.0]
    # Of gaussian models log sigma, of others the log of the shape 1 / phi or size 1 / alpha.
    return float(np.exp(2 * value if record["family"] == "gaussian" else -value))


@each(GLMMTMB)
def test_objective_of_glmmtmb(record):
    estimates = fitted(record)
    assert estimates.report.converged
    assert_allclose(estimates.objective, record["objective"], rtol=0, atol=1e-8)
    dispersion = MODELS[record["id"]].family.has_dispersion
    count = len(estimates.theta) + len(estimates.beta) + dispersion
    assert count == record["npar"]


@each(GLMMTMB)
def test_expected_information_is_the_observed_one_of_canonical_links(record):
    other = fit(record["id"]).objective
    difference = abs(other - record["objective"])
    if (record["family"], record["link"]) in [
        ("binomial", "probit"),
        ("Gamma", "log"),
        ("nbinom2", "log"),
    ]:
        assert difference > 1e-4
    else:
        assert difference < 1e-8


@each(GLMMTMB)
def test_parameters_of_glmmtmb(record):
    estimates = fitted(record)
    errors = np.array(record["se"])
    beta = parameters(record, "beta")
    difference = (estimates.beta[order(record)] - beta) / errors
    assert_allclose(difference, 0, atol=GLMMTMB_ESTIMATE)
    assert_allclose(estimates.dispersion, dispersion_of(record), rtol=GLMMTMB_ESTIMATE)
    theirs = parameters(record, "theta")
    for part in record["factors"]:
        T = factor_of(record, estimates, part["factor"])
        k = len(T)
        assert k == len(part["names"]) <= 2
        deviations = np.sqrt(np.diag(T @ T.T))
        assert_allclose(deviations, np.exp(theirs[:k]), rtol=GLMMTMB_ESTIMATE)
        theirs = theirs[k:]
        if k == 2:
            # Of the correlation r its parameter is r / sqrt(1 - r^2).
            assert_allclose(T[1, 0] / T[1, 1], theirs.pop(0), rtol=GLMMTMB_ESTIMATE)
    assert not theirs


@each(GLMMTMB)
def test_covariance_of_glmmtmb(record):
    covariance = full_covariance(record, fitted(record))
    errors = np.sqrt(np.diag(covariance))
    assert_allclose(errors, record["se"], rtol=FULL_STANDARD_ERROR)
    difference = np.array(lower_triangle(covariance)) - flat(record["vcov"])
    unit = lower_triangle(np.outer(errors, errors))
    assert_allclose(difference / unit, 0, atol=2 * FULL_STANDARD_ERROR)


@each(GLMMTMB)
def test_conditional_modes_of_glmmtmb(record):
    estimates = fitted(record)
    for part in record["ranef"]:
        _, modes, rows = modes_of(record, estimates, part)
        size = np.max(np.abs(part["values"]))
        assert_allclose(modes[rows] / size, np.array(part["values"]) / size, atol=1e-4)


# The same numbers by the formula interface, with names.


def named(record: dict[str, Any], **how: Any) -> Any:
    if record in GLMMTMB:
        return result(record["id"], hessian="observed", **how)
    points = record["nAGQ"]
    return result(record["id"], fast=points == 0, n_agq=max(points, 1), **how)


@each([*COMPARED, *GLMMTMB])
def test_results_have_names(record):
    one, names = named(record), [column(name) for name in record["beta_names"]]
    assert_allclose(one.objective, record["objective"], rtol=tol.OBJECTIVE)
    assert_allclose(one.llf, -one.objective / 2)
    assert one.dof == record["npar"]
    if record in LME4:
        assert_allclose([one.aic, one.bic], [record["AIC"], record["BIC"]], rtol=tol.OBJECTIVE)
        assert_allclose(one.bse[names], record["se_RX"], rtol=tol.STANDARD_ERROR)
        assert_allclose((one.params[names] - record["beta"]) / one.bse[names], 0, atol=1e-4)
    else:
        beta = parameters(record, "beta")
        assert_allclose((one.params[names] - beta) / one.bse[names], 0, atol=GLMMTMB_ESTIMATE)
        assert_allclose(one.dispersion, dispersion_of(record), rtol=GLMMTMB_ESTIMATE)
    wanted = record.get("se_hessian", record.get("se"))
    if wanted:
        errors = named(record, cov_type="hessian").bse[names]
        assert_allclose(errors, wanted, rtol=FULL_STANDARD_ERROR)


@each(COMPARED)
def test_tables_of_random_effects_have_names(record):
    one = named(record)
    for part in record["varcorr"]:
        effects = [column(name) for name in part["names"]]
        ours = one.varcorr.std_dev(group(part["factor"]))[effects]
        assert_allclose(ours, part["sd"], rtol=tol.VARIANCE_COMPONENT)
        ours = one.varcorr.correlation(group(part["factor"])).loc[effects, effects]
        assert_allclose(lower_triangle(ours, -1), flat(part["cor"]), atol=tol.VARIANCE_COMPONENT)
    for part in record["ranef"]:
        table = one.ranef()[group(part["factor"])]
        assert list(table.columns) == [column(name) for name in part["columns"]]
        labels = [level(part["factor"], label) for label in part["rownames"]]
        size = np.sqrt(part["sumsq"])
        difference = (table.loc[labels].to_numpy() - part["values"]) / size
        assert_allclose(difference, 0, atol=tol.CONDITIONAL_MODE)
        variances = one.condvar()[group(part["factor"])][table.index.get_indexer(labels)]
        largest = np.max(np.abs(part["condVar"]))
        difference = (variances - np.array(part["condVar"])) / largest
        assert_allclose(difference, 0, atol=tol.CONDITIONAL_VARIANCE)
    assert_allclose(
        one.fittedvalues[: len(record["fitted_head"])], record["fitted_head"], rtol=1e-5
    )
