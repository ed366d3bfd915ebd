"""Leverages of fits with several parts against sums, integrals and a dense hat matrix."""

from __future__ import annotations

import warnings

import family_cases
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import linalg, special

import statsmodels_mixed as smm
from statsmodels_mixed import inference
from statsmodels_mixed._core import row_derivatives
from statsmodels_mixed.errors import OptionError
from statsmodels_mixed.fitting.distributional.expected_information import expected_information

TABLE = family_cases.table(120, 12, 1)
CASES = [case for case in family_cases.cases(TABLE) if case.family != "ordered"]
PARTED = [case for case in CASES if case.parts or family_cases.spec_of(case.family).parted]


def fitted(case):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", smm.errors.MixedModelWarning)
        return case.model(case.rows(TABLE)).fit()


def square_of_scores(spec, y, eta, outer, trials=None):
    """Return density times squared score at y, for one row's parameters."""
    y = np.atleast_1d(np.asarray(y, dtype=float))
    found, _ = row_derivatives(
        spec.family,
        spec.link,
        y,
        np.full(len(y), eta),
        np.tile(outer, (len(y), 1)),
        weights=None if trials is None else np.full(len(y), trials),
        power=spec.power,
        zeros=spec.zeros,
    )
    density = np.where(np.isfinite(found[:, 0]), np.exp(found[:, 0]), 0.0)
    return np.where(density > 0, density * found[:, 1] ** 2, 0.0)


def expected(spec, eta, outer, trials):
    """Return the sum or the integral of density times squared score."""
    if spec.support == "trials":
        return square_of_scores(spec, np.arange(trials + 1) / trials, eta, outer, trials).sum()
    if spec.support in ("counts", "positive counts"):
        first = 0 if spec.support == "counts" or spec.zeros else 1
        return square_of_scores(spec, np.arange(first, 3000), eta, outer).sum()
    masses = [0.0] if spec.zeros or spec.support == "not negative" else []
    masses += [0.0, 1.0] if spec.support == "shares and ends" else []
    # By the trapezoid rule in y, log(y) or the logit of y.
    t = np.linspace(-60.0, 60.0, 24_001)
    y, slope = t, np.ones(len(t))
    if spec.support in ("positive", "not negative"):
        y = slope = np.exp(t[np.abs(t) < 30])
    elif spec.support != "real":
        y = special.expit(t[np.abs(t) < 30])
        slope = y * (1 - y)
    inside = np.sum(square_of_scores(spec, y, eta, outer) * slope) * (t[1] - t[0])
    return inside + sum(square_of_scores(spec, y, eta, outer)[0] for y in masses)


@pytest.mark.parametrize("case", PARTED, ids=lambda case: case.id)
def test_expected_information_is_the_mean_square_of_the_score(case):
    fit = fitted(case)
    own, outer = fit.estimates.conditional, fit.estimates.outer_at_modes
    weights = fit.model.kept_design().weights
    found = expected_information(fit._spec, own.eta, outer, weights)
    for row in (0, 40, 75):
        trials = None if weights is None else int(weights[row])
        value = expected(fit._spec, own.eta[row], outer[row], trials)
        assert found[row] == pytest.approx(value, rel=2e-6)


@pytest.mark.parametrize("case", PARTED, ids=lambda case: case.id)
def test_leverages_are_of_a_dense_hat_matrix(case):
    fit = fitted(case)
    own, design = fit.estimates.conditional, fit.model.kept_design()
    W = expected_information(fit._spec, own.eta, fit.estimates.outer_at_modes, design.weights)
    Z = np.zeros((len(design.y), len(design.blocks[0].levels)))
    Z[np.arange(len(Z)), design.blocks[0].refs] = own.theta[0]
    F = np.hstack([Z, design.X]) * np.sqrt(W)[:, None]
    P = linalg.block_diag(np.eye(Z.shape[1]), np.zeros((2, 2)))
    hat = F @ np.linalg.solve(F.T @ F + P, F.T)
    h = inference.leverage(fit)
    assert_allclose(h, np.diag(hat), atol=1e-10)
    assert h.sum() + 1e-9 >= 2.0
    assert h.sum() <= 2.0 + Z.shape[1]


def test_one_dispersion_has_the_leverages_of_a_model_with_one_formula():
    plain = smm.mixedglm2("counts ~ x + (1 | g)", TABLE, "negative_binomial")
    same = smm.mixedglm2("counts ~ x + (1 | g)", TABLE, "negative_binomial", dispersion="~ 1")
    fits = plain.fit(hessian="observed"), same.fit()
    assert_allclose(fits[1].leverage(), fits[0].leverage(), rtol=1e-4)
    ours, theirs = (fit.get_influence() for fit in reversed(fits))
    assert_allclose(ours.resid_studentized_external, theirs.resid_studentized_external, rtol=2e-3)
    assert_allclose(ours.resid_studentized, theirs.resid_studentized, rtol=2e-3)


def test_measures_of_rows():
    table = TABLE.head(60)
    model = smm.mixedglm2("counts ~ x + (1 | g)", table, "poisson", zero_inflation="~ 1")
    fit = model.fit()
    rows = inference.get_influence(fit)
    frame = rows.summary_frame()
    worst = int(frame["cooks_d"].idxmax())
    without = smm.mixedglm2(
        "counts ~ x + (1 | g)", table.drop(worst), "poisson", zero_inflation="~ 1"
    ).fit()
    change = fit.params - without.params
    assert_allclose(frame.loc[worst, frame.columns[:3]], change / without.bse, rtol=1e-3, atol=1e-4)
    cooks = change @ np.linalg.solve(fit.cov_params(), change) / 3
    assert frame.loc[worst, "cooks_d"] == pytest.approx(cooks, rel=1e-3)
    h, p = fit.leverage(), fit.residuals("pearson")
    assert_allclose(frame["standard_resid"], p / np.sqrt(1 - h))
    assert frame["hat_diag"].tolist() == h.tolist()
    assert list(frame.columns[-5:]) == [
        *("cooks_d", "standard_resid", "hat_diag", "dffits", "student_resid")
    ]


def test_ordered_categories_have_no_leverages():
    fit = smm.mixedordinal2("categories ~ x + (1 | g)", TABLE).fit()
    for ask in (fit.leverage, fit.get_influence):
        with pytest.raises(OptionError, match="no fitted mean"):
            ask()


def test_without_overdispersion_leverages_are_those_of_the_limit():
    """At a dispersion of exp(-35) the sums over counts have no digits."""
    rows = family_cases.Case("truncated_poisson", "positive counts", {})
    model, other = (each.model(TABLE) for each in (rows, rows._replace(family="truncated_nbinom1")))
    fit = other.fit()
    assert fit.limit is not None
    assert_allclose(fit.leverage(), model.fit().leverage(), rtol=1e-3)


@pytest.mark.parametrize("log_mu", [-300.0, -133.0, -40.0, -20.0, -5.0])
def test_information_of_counts_above_zero_of_small_means(log_mu):
    """It is the variance of the truncated count, about half the mean; it was -inf below 1e-16."""
    spec = family_cases.spec_of("truncated_poisson")
    found = expected_information(spec, np.full(1, log_mu), np.zeros((1, 4)), None)
    mu = np.exp(log_mu)
    mean = -mu / np.expm1(-mu)
    wanted = mean * (1.0 + mu - mean) if log_mu > -15.0 else mu / 2.0
    assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)
