"""The names of the literature: beta, theta, lambda, sigmas, b, u, of both kinds of fits.

Numbers are those of the page "Model constructors" of MixedModels.jl v4.31 where it shows them.
"""

import numpy as np
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from reference.model_constructors import VALUES

from statsmodels_mixed import OptionError, RankWarning, datasets


@pytest.fixture(scope="module")
def dyestuff():
    return smf.mixedlm2("yield ~ 1 + (1 | batch)", datasets.load("dyestuff")).fit()


@pytest.fixture(scope="module")
def sleep():
    return smf.mixedlm2("reaction ~ days + (days | subj)", datasets.load("sleepstudy")).fit()


@pytest.fixture(scope="module")
def contra():
    formula = "use ~ age + urban + (1 + urban | dist)"
    return smf.mixedglm2(formula, datasets.load("contra"), "bernoulli").fit()


@pytest.fixture(params=["dyestuff", "sleep", "contra"])
def fit(request):
    return request.getfixturevalue(request.param)


def test_coefficients(dyestuff, sleep):
    assert_allclose(dyestuff.beta, [float(text) for text in VALUES["fm1.beta"]])
    assert_allclose(list(dyestuff.betas.values()), [1527.5])
    assert list(sleep.betas) == ["Intercept", "days"]


def test_dropped_coefficients():
    data = datasets.load("sleepstudy").assign(hours=lambda d: 24.0 * d.days)
    with pytest.warns(RankWarning):
        fit = smf.mixedlm2("reaction ~ days + hours + (1 | subj)", data).fit()
    assert fit.beta.shape == (2,) and np.isnan(fit.betas["hours"])
    assert fit.corr.shape == (3, 3) and fit.corr["hours"].isna().all()


def test_correlations_of_coefficients(fit):
    covariance = fit.cov_params().to_numpy()
    errors = np.sqrt(np.diag(covariance))
    assert_allclose(fit.corr, covariance / errors[:, None] / errors)
    assert list(fit.corr.index) == fit.coefnames


def test_factors_make_the_covariances(fit):
    scale = fit.sdest or 1.0
    factor, theta = fit.lambda_[0], fit.theta
    k = len(factor)
    assert_allclose(factor[np.triu_indices(k)[::-1]], theta)  # column by column, on and below
    group = fit.varcorr.groups[0]
    assert_allclose(scale**2 * factor @ factor.T, group.covariance)
    assert_allclose(list(fit.sigmas[group.name].values()), group.std_dev)
    deviations = fit.sigmarhos[group.name]
    assert deviations.sigma == fit.sigmas[group.name]
    assert_allclose(deviations.rho, group.correlation[np.tril_indices(k, -1)])


def test_printed_deviations(sleep):
    # The table of variance components on the page.
    assert_allclose(list(sleep.sigmas["subj"].values()), [23.78058, 5.71683], atol=5e-5)
    assert_allclose(sleep.sigmarhos["subj"].rho, [0.08], atol=5e-3)


def test_lower_bounds(dyestuff, sleep):
    assert dyestuff.lowerbd.tolist() == [0.0]
    assert sleep.lowerbd.tolist() == [0.0, -np.inf, 0.0]
    data = datasets.load("sleepstudy")
    model = smf.mixedlm2("reaction ~ days + zerocorr(days | subj)", data)
    assert model.fit().lowerbd.tolist() == [0.0, 0.0]
    residual = smf.mixedlm2("reaction ~ days", data, residual="ar1(days | subj)").fit()
    assert residual.lowerbd.shape == (0,) and residual.b == [] == residual.lambda_


def test_conditional_modes(dyestuff, fit):
    printed = [-16.628221011733647, 0.36951602248392174, 53.57982326003439, -42.49434258554296]
    assert_allclose(dyestuff.b[0][0, [0, 1, 4, 5]], printed, rtol=2e-6)
    for b, u, factor in zip(fit.b, fit.u, fit.lambda_, strict=True):
        # On the scale of the response u is multiplied by sigma already or not: b = c T u.
        ratio = b / (factor @ u)
        assert_allclose(ratio, ratio[0, 0])
    name, table = next(iter(fit.raneftables.items()))
    assert table.columns[0] == name
    assert_allclose(table.iloc[:, 1:].to_numpy(dtype=float).T, fit.b[0])


def test_data(fit):
    assert_allclose(fit.X, fit.model.exog)
    assert_allclose(fit.y, fit.model.endog)


def test_residual_variance(sleep, contra):
    assert_allclose(sleep.varest, float(VALUES["varest(fm2)"]), rtol=1e-6)
    assert_allclose(sleep.sdest, float(VALUES["sdest(fm2)"]), rtol=1e-6)
    assert contra.varest is None and contra.sdest is None
    ergo = datasets.load("machines")
    gamma = smf.mixedglm2("score ~ machine + (1 | worker)", ergo, "gamma", link="log").fit()
    assert_allclose([gamma.varest, gamma.sdest**2], gamma.dispersion)


def test_report_and_principal_components(fit):
    assert fit.optsum is fit.report
    name = fit.varcorr.groups[0].name
    values = np.linalg.eigvalsh(fit.varcorr.groups[0].correlation)[::-1]
    assert_allclose(np.square(fit.PCA[name].sdev), values, atol=1e-8)


def test_deviance_at_another_number_of_points():
    contra = datasets.load("contra")
    model = smf.mixedglm2("use ~ age + urban + (1 | dist)", contra, "bernoulli")
    laplace, nine = model.fit(), model.fit(n_agq=9)
    assert_allclose(laplace.deviance_at(1), laplace.deviance)
    assert_allclose(nine.deviance_at(9), nine.deviance)
    # Each is the maximum of its own approximation.
    assert nine.deviance < laplace.deviance_at(9) < laplace.deviance
    assert_allclose(laplace.deviance_at(9), integrated_deviance(laplace, contra), rtol=1e-8)
    crossed = smf.mixedglm2(
        "r2 ~ 1 + (1 | subj) + (1 | item)", datasets.load("verbagg"), "bernoulli"
    ).fit(fast=True)
    with pytest.raises(OptionError, match="grouping factor"):
        crossed.deviance_at(9)


def integrated_deviance(fit, data):
    """Integrate the random intercepts out on a fine grid."""
    eta = np.asarray(fit.X @ fit.beta)
    y = (data["use"] == "Y").to_numpy(float)
    z = np.linspace(-8, 8, 4001)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * (z[1] - z[0])
    total = 0.0
    for district in data["dist"].unique():
        rows = (data["dist"] == district).to_numpy()
        shifted = eta[rows][:, None] + fit.theta[0] * z
        terms = y[rows][:, None] * shifted - np.logaddexp(0, shifted)
        total += np.log(np.sum(np.exp(terms.sum(axis=0)) * density))
    return -2 * total
