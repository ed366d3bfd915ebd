"""Results of generalized fits.

Numbers marked "page" are printed on the page "Model constructors" of the documentation of
MixedModels.jl 4.31.0. Its default fit of the verbagg data stops 2.6e-6 above the minimum,
which leaves its coefficients uncertain by about sqrt(2.6e-6) standard errors: they are
compared within `STEPS` of these.
"""

import io
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.special
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.genmod.generalized_linear_model import GLMResults
from statsmodels.iolib.summary2 import summary_col

from statsmodels_mixed import (
    DataError,
    GeneralizedLinearMixedModelResults,
    OptionError,
    SingularFitWarning,
    datasets,
)
from statsmodels_mixed.standard_errors import generalized_covariance

families, links = sm.families, sm.families.links
VERBAGG = "r2 ~ 1 + anger + gender + btype + situ + mode + (1 | subj) + (1 | item)"
CONTRA = "use ~ 1 + age + I(age**2) + livch + urban + (1 | dist)"
TICKS = "ticks ~ C(year) + cheight + (1 | brood) + (1 | location)"
STEPS = 2e-3


@pytest.fixture(scope="module")
def verbagg():
    return smf.mixedglm2(VERBAGG, datasets.load("verbagg"), families.Binomial()).fit()


@pytest.fixture(scope="module")
def contra():
    return smf.mixedglm2(CONTRA, datasets.load("contra"), families.Binomial()).fit()


@pytest.fixture(scope="module")
def cbpp():
    formula = "incid / hsz ~ period + (1 | herd)"
    return smf.mixedglm2(formula, datasets.load("cbpp"), families.Binomial(), weights="hsz").fit()


@pytest.fixture(scope="module")
def gamma():
    formula = "reaction ~ days + (1 | subj)"
    return smf.mixedglm2(formula, datasets.load("sleepstudy"), families.Gamma(links.Log())).fit()


@pytest.fixture(scope="module")
def negative():
    family = families.NegativeBinomial(alpha=1.0)
    return smf.mixedglm2(TICKS, datasets.load("grouseticks"), family).fit()


@pytest.fixture(scope="module")
def deaths():
    formula = "deaths ~ uvb + (1 | region)"
    return smf.mixedglm2(
        formula, datasets.load("mmec"), families.Poisson(), exposure="expected"
    ).fit()


# The page.


def test_criteria_of_verbagg(verbagg):
    assert verbagg.llf == pytest.approx(-4067.9164291743905, abs=1e-5)  # page
    assert verbagg.deviance == pytest.approx(8135.832858348763, abs=1e-5)  # page
    assert verbagg.objective <= 8135.832858348763
    for name, value in [("aic", 8153.8329), ("aicc", 8153.8566), ("bic", 8216.2370)]:  # page
        assert getattr(verbagg, name) == pytest.approx(value, abs=1e-4)
    assert (verbagg.nobs, verbagg.dof, verbagg.df_modelwc) == (7584, 9, 9)
    assert tuple(verbagg.dims) == (7584, 7, 340, 2)


def test_coefficients_of_verbagg(verbagg):
    page = {
        "Intercept": (-0.152977, 0.385222, "0.6913"),
        "anger": (0.0573961, 0.0167528, "0.0006"),
        "gender[T.M]": (0.320783, 0.191207, "0.0934"),
        "btype[T.scold]": (-1.05988, 0.184159, "<1e-08"),
        "btype[T.shout]": (-2.10389, 0.186517, "<1e-28"),
        "situ[T.self]": (-1.05438, 0.151194, "<1e-11"),
        "mode[T.want]": (0.706981, 0.151007, "<1e-05"),
    }
    assert set(verbagg.params.index) == set(page)
    for name, (coef, error, p) in page.items():
        assert verbagg.params[name] == pytest.approx(coef, abs=STEPS * error)
        assert verbagg.bse[name] == pytest.approx(error, rel=2e-5)
        if p.startswith("<"):
            assert verbagg.pvalues[name] < float(p[1:])
        else:
            assert verbagg.pvalues[name] == pytest.approx(float(p), abs=STEPS)


def test_variance_components_of_verbagg(verbagg):
    frame = verbagg.varcorr.to_frame()
    assert frame.index.tolist() == [("subj", "Intercept"), ("item", "Intercept")]
    np.testing.assert_allclose(frame["variance"], [1.793488, 0.117149], rtol=5e-5)  # page
    np.testing.assert_allclose(frame["std_dev"], [1.339212, 0.342271], rtol=5e-5)  # page
    assert "Residual" not in str(verbagg.varcorr)


def test_fast_fit_of_verbagg(verbagg):
    fast = verbagg.model.fit(fast=True)
    difference = 0.33801335722546355  # page, with the default 2.6e-6 too high
    assert fast.deviance - verbagg.deviance == pytest.approx(difference, abs=4e-6)


@pytest.mark.parametrize(
    ("options", "deviance"),
    [
        ({}, 2372.73),
        ({"fast": True}, 2372.78),
        ({"n_agq": 9}, 2372.46),
        ({"n_agq": 9, "fast": True}, 2372.51),
    ],
)
def test_deviances_of_contra(contra, options, deviance):
    fit = contra.model.fit(**options)
    assert fit.deviance == pytest.approx(deviance, abs=5e-3)  # page
    # For 0 and 1 the saturated model has likelihood 1.
    assert fit.deviance == pytest.approx(fit.objective, abs=1e-8)


# Likelihood: all constants, and of the approximation that was fitted.


def test_criteria_follow_the_approximation(contra):
    quadrature = contra.model.fit(n_agq=9)
    # lme4 2.1, glmer(..., nAGQ = 9): minus twice the log-likelihood, AIC, BIC.
    assert -2 * quadrature.llf == pytest.approx(2372.45888497672, abs=1e-6)
    assert quadrature.aic == pytest.approx(2388.45888497672, abs=1e-6)
    assert quadrature.bic == pytest.approx(2432.99765038483, abs=1e-6)
    assert contra.aic == pytest.approx(2388.72858236414, abs=1e-6)  # lme4 2.1
    assert contra.hqic == pytest.approx(contra.objective + 16 * np.log(np.log(1934)))


def test_deviance_is_relative_to_the_saturated_model(cbpp):
    # lme4 2.1: -2 logLik, and the Laplace deviance without the constants.
    assert cbpp.objective == pytest.approx(184.052563729527, abs=1e-6)
    assert cbpp.deviance == pytest.approx(100.095856191656, abs=1e-6)
    u = cbpp.ranef(uscale=True)["herd"].to_numpy()
    parts = (cbpp.resid_deviance**2).sum() + (u**2).sum() + cbpp.estimates.logdet_omega
    assert cbpp.deviance == pytest.approx(parts, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "hessian", "objective"),
    [
        ("gamma", "observed", 1767.15667339902),  # glmmTMB 1.1.14
        ("negative", "expected", 1777.6810415526),  # lme4 2.1, glmer.nb
        ("negative", "observed", 1777.81685178273),  # glmmTMB 1.1.14, nbinom2
    ],
)
def test_dispersions_are_estimated_by_maximum_likelihood(name, hessian, objective, request):
    fit = request.getfixturevalue(name).model.fit(hessian=hessian)
    assert fit.objective == pytest.approx(objective, abs=2e-5)


def test_observed_information_of_a_probit():
    model = smf.mixedglm2(CONTRA, datasets.load("contra"), families.Binomial(links.Probit()))
    observed = model.fit(hessian="observed")
    assert observed.objective == pytest.approx(2371.85997008528, abs=1e-6)  # glmmTMB 1.1.14
    assert observed.method == "Laplace, observed information"
    assert model.fit().objective == pytest.approx(2372.16447227648, abs=1e-6)  # lme4 2.1


# Fixed effects.


def test_conditional_standard_errors_come_from_the_joint_curvature(cbpp):
    design, mu = cbpp.model.design, cbpp.fittedvalues.to_numpy()
    block = design.blocks[0]
    z = np.eye(len(block.levels))[block.refs] * cbpp.theta[0]
    joint = np.column_stack([z, design.X])
    w = design.weights * mu * (1 - mu)
    curvature = (joint * w[:, None]).T @ joint + np.diag([1.0] * 15 + [0.0] * 4)
    covariance = np.linalg.inv(curvature)[15:, 15:]
    np.testing.assert_allclose(cbpp.cov_params(), covariance, rtol=1e-6)
    np.testing.assert_allclose(cbpp.vcov, covariance, rtol=1e-6)
    np.testing.assert_allclose(cbpp.stderror, np.sqrt(np.diag(covariance)), rtol=1e-6)
    # lme4 2.1, vcov(use.hessian = FALSE).
    lme4 = [0.227890884318337, 0.3053855698345, 0.326049200045481, 0.428795010770527]
    np.testing.assert_allclose(cbpp.bse, lme4, rtol=1e-5)
    assert cbpp.cov_type == "conditional"
    assert "given theta" in str(cbpp.summary())


def test_standard_errors_from_the_hessian(cbpp, contra):
    fit = cbpp.model.fit(cov_type="hessian")
    # lme4 2.1, whose differences are good to about four digits.
    lme4 = [0.232471988049973, 0.306642504806905, 0.326637724944861, 0.427436524170823]
    np.testing.assert_allclose(fit.bse, lme4, rtol=1e-4)
    assert fit.cov_type == "hessian"
    assert "from the Hessian" in str(fit.summary())
    np.testing.assert_allclose(fit.params, cbpp.params)
    fit = contra.model.fit(cov_type="hessian")
    assert fit.bse["Intercept"] == pytest.approx(0.175910764947718, rel=1e-4)  # lme4 2.1
    assert fit.t_test("age = 0").sd[0, 0] == pytest.approx(fit.bse["age"])


def test_hessian_by_differences_of_the_objective(gamma):
    fit = gamma.model.fit(cov_type="hessian", ftol_abs=1e-12)
    center = np.array([*fit.theta, *fit.params, np.log(fit.dispersion)])
    step = np.array([0.01, 0.02, 0.002, 0.05]) / 10
    shifts = np.diag(step)

    def value(at):
        return fit.model.objective(at[:1], at[1:3], np.exp(at[3]))

    matrix = np.array(
        [
            [
                value(center + a + b)
                - value(center + a - b)
                - value(center - a + b)
                + value(center - a - b)
                for b in shifts
            ]
            for a in shifts
        ]
    ) / (4 * np.outer(step, step))
    expected = np.sqrt(np.diag(2 * np.linalg.inv(matrix)))[1:3]
    np.testing.assert_allclose(fit.bse, expected, rtol=1e-3)
    # glmmTMB 1.1.14.
    np.testing.assert_allclose(fit.bse, [0.0322709564474861, 0.00250645050308417], rtol=1e-3)


def test_a_hessian_that_is_not_positive_is_not_used(cbpp, monkeypatch):
    monkeypatch.setattr(generalized_covariance, "hessian", lambda *_: (-np.eye(5), np.eye(5)))
    fit = cbpp.model.fit(cov_type="hessian")
    assert fit.cov_type == "conditional"
    np.testing.assert_allclose(fit.bse, cbpp.bse)
    assert "not positive definite" in str(fit.summary())


def test_tests_of_coefficients(contra):
    z = contra.params["age"] / contra.bse["age"]
    assert contra.tvalues["age"] == pytest.approx(z)
    assert contra.pvalues["age"] == pytest.approx(2 * scipy.special.ndtr(-abs(z)))
    assert contra.wald_test("age = 0", scalar=True).statistic == pytest.approx(z**2)
    half = 1.959963984540054 * contra.bse
    np.testing.assert_allclose(contra.conf_int()[1], contra.params + half)
    table = contra.wald_test_terms().table
    assert table.index.tolist() == ["Intercept", "livch", "urban", "age", "I(age ** 2)"]
    assert table.loc["age", "statistic"] == pytest.approx(z**2)
    pairs = contra.t_test_pairwise("livch").result_frame
    difference = contra.params["livch[T.2]"] - contra.params["livch[T.1]"]
    assert pairs.loc["2-1", "coef"] == pytest.approx(difference)


def test_ratios(contra, deaths):
    table = contra.coeftable(exponentiate=True)
    assert list(table.columns) == ["Odds ratio", "Std. Error", "z", "Pr(>|z|)"]
    np.testing.assert_allclose(table["Odds ratio"], np.exp(contra.params))
    np.testing.assert_allclose(table["Std. Error"], np.exp(contra.params) * contra.bse)
    plain = contra.coeftable()
    assert list(plain.columns) == ["Coef.", "Std. Error", "z", "Pr(>|z|)"]
    np.testing.assert_allclose(plain["z"], table["z"])
    printed = contra.summary(exponentiate=True).tables[1].table
    assert [column.label for column in printed.columns][1] == "odds ratio"
    shown = printed.to_frame().set_index("term").loc["urban[T.Y]", ["coef", "lower", "upper"]]
    interval = contra.conf_int().loc["urban[T.Y]"]
    np.testing.assert_allclose(
        shown.astype(float), np.exp([contra.params["urban[T.Y]"], *interval])
    )
    assert "rate ratio" in str(deaths.summary(exponentiate=True))


@pytest.mark.parametrize(
    ("family", "name"),
    [
        (families.Binomial(links.Log()), "Risk ratio"),
        (families.Binomial(links.CLogLog()), "Hazard ratio"),
        (families.Gamma(links.Log()), "Mean ratio"),
        (families.Binomial(links.Probit()), None),
        (families.Gaussian(), None),
    ],
)
def test_names_of_ratios(family, name):
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": rng.integers(0, 2, 60), "g": np.arange(60) % 6})
    if not isinstance(family, families.Binomial):
        data["y"] = rng.gamma(2.0, size=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # there is no variance among these groups
        fit = smf.mixedglm2("y ~ 1 + (1 | g)", data, family).fit()
    if name:
        assert fit.coeftable(exponentiate=True).columns[0] == name
    else:
        with pytest.raises(OptionError, match="no ratio"):
            fit.summary(exponentiate=True)


# Covariance parameters and random effects.


def test_modes_balance_the_residuals(contra, deaths):
    # At the mode of a canonical link b_j = Var(b) times the sum of y - mu in level j.
    for fit, name in ((contra, "dist"), (deaths, "region")):
        block = fit.model.design.blocks[0]
        weights = fit.model.weights
        resid = fit.resid if weights is None else fit.resid * weights
        sums = np.bincount(block.refs, resid)
        modes = fit.ranef()[name]["Intercept"]
        np.testing.assert_allclose(modes, fit.cov_re.iloc[0, 0] * sums, atol=1e-5)
        np.testing.assert_allclose(fit.ranef(uscale=True)[name]["Intercept"] * fit.theta[0], modes)


def test_conditional_variances(contra):
    # One random intercept for each level: 1 / (1 / Var(b) + sum of mu (1 - mu)).
    mu = contra.fittedvalues
    information = np.bincount(contra.model.design.blocks[0].refs, mu * (1 - mu))
    expected = 1 / (1 / contra.cov_re.iloc[0, 0] + information)
    condvar = contra.condvar()["dist"]
    assert condvar.shape == (60, 1, 1)
    np.testing.assert_allclose(condvar[:, 0, 0], expected, rtol=1e-6)


def test_a_dispersion_stands_beside_the_random_effects(gamma):
    assert (gamma.dof, len(gamma.params), len(gamma.theta)) == (4, 2, 1)
    assert gamma.scale == gamma.dispersion
    frame = gamma.varcorr.to_frame()
    assert frame.loc[("Residual", ""), "variance"].item() == pytest.approx(gamma.dispersion)
    # The random effects are on the scale of the link, for any dispersion.
    assert gamma.cov_re.iloc[0, 0] == pytest.approx(gamma.theta[0] ** 2)
    np.testing.assert_allclose(gamma.normalized_cov_params * gamma.scale, gamma.cov_params())
    assert "Dispersion:" in str(gamma.summary())


def test_alpha_of_the_negative_binomial_is_estimated(negative):
    # lme4 2.1, glmer.nb: theta, the reciprocal of alpha.
    assert 1 / negative.dispersion == pytest.approx(3.30344368154419, rel=1e-3)
    assert negative.dof == 7 and negative.scale == 1.0
    assert negative.family.alpha == negative.dispersion
    assert negative.model.family.alpha == 1.0
    assert "Residual" not in str(negative.varcorr)
    assert "Dispersion (alpha):" in str(negative.summary())
    other = families.NegativeBinomial(alpha=0.05)
    again = smf.mixedglm2(TICKS, datasets.load("grouseticks"), other).fit()
    assert again.objective == negative.objective


def test_families_without_a_dispersion(verbagg):
    assert (verbagg.dispersion, verbagg.scale) == (1.0, 1.0)
    assert "Dispersion" not in str(verbagg.summary())


# Fitted values, residuals, prediction.


@pytest.mark.parametrize("name", ["cbpp", "contra", "gamma", "negative", "deaths"])
def test_residuals_are_those_of_statsmodels(name, request):
    """The results of statsmodels' GLM with Z b in the offset and our coefficients."""
    fit = request.getfixturevalue(name)
    design = fit.model.design
    modes = [modes.to_numpy() for modes in fit.ranef().values()]
    offset = np.zeros(fit.nobs) if design.offset is None else design.offset
    for block, b in zip(design.blocks, modes, strict=True):
        offset = offset + (block.z * b[block.refs]).sum(axis=1)
    model = sm.GLM(design.y, design.X, family=fit.family, offset=offset, var_weights=design.weights)
    model.mu, model.scaletype = model.predict(fit.params.to_numpy()), None
    theirs = GLMResults(model, fit.params.to_numpy(), np.eye(len(fit.params)), 1.0)
    np.testing.assert_allclose(fit.fittedvalues, theirs.fittedvalues, rtol=1e-10)
    np.testing.assert_allclose(fit.resid_response, theirs.resid_response, atol=1e-9)
    np.testing.assert_allclose(fit.resid_pearson, theirs.resid_pearson, atol=1e-9)
    np.testing.assert_allclose(fit.resid_deviance, theirs.resid_deviance, atol=1e-7)
    np.testing.assert_array_equal(fit.resid, fit.resid_response)
    for kind in ("fittedvalues", "resid_pearson", "resid_deviance", "resid_response"):
        assert getattr(fit, kind).index.equals(fit.model.data.row_labels)


def test_deviance_residuals_by_hand(cbpp):
    y, n, mu = cbpp.model.endog, cbpp.model.weights, cbpp.fittedvalues.to_numpy()
    xlogy = scipy.special.xlogy
    parts = 2 * n * (xlogy(y, y) - xlogy(y, mu) + xlogy(1 - y, 1 - y) - xlogy(1 - y, 1 - mu))
    np.testing.assert_allclose(cbpp.resid_deviance, np.sign(y - mu) * np.sqrt(parts), atol=1e-6)


def test_prediction(contra):
    data = datasets.load("contra")
    new = data.head(4)
    linear = contra.predict(new, which="linear")
    assert linear.index.equals(new.index)
    np.testing.assert_allclose(linear, contra.model.exog[:4] @ contra.params)
    np.testing.assert_allclose(contra.predict(new), scipy.special.expit(linear))
    np.testing.assert_allclose(contra.predict()[:4], contra.predict(new))
    np.testing.assert_allclose(contra.predict(which="linear")[:4], linear)
    conditional = contra.predict(new, which="linear", re=True)
    mode = contra.ranef()["dist"].loc["D01", "Intercept"]
    np.testing.assert_allclose(conditional, linear + mode)
    np.testing.assert_allclose(contra.predict(new, re=True), contra.fittedvalues[:4])
    np.testing.assert_allclose(contra.predict(re=True, which="linear")[:4], conditional)
    np.testing.assert_allclose(contra.predict(re=True), contra.fittedvalues)


def test_prediction_for_levels_not_seen(contra):
    new = datasets.load("contra").head(2).astype({"dist": str})
    new.loc[0, "dist"] = "D99"
    with pytest.raises(DataError, match="dist that the fit has not seen"):
        contra.predict(new, re=True)
    population = contra.predict(new, re=True, new_levels="population")
    np.testing.assert_allclose(population, [contra.predict(new)[0], contra.fittedvalues[1]])
    assert contra.predict(new, re=True, new_levels="missing").isna().tolist() == [True, False]
    with pytest.raises(OptionError, match="which must be"):
        contra.predict(new, which="response")


def test_prediction_with_exposure(deaths):
    new = pd.DataFrame({"uvb": [0.0, 1.0], "expected": [10.0, 20.0]})
    rate = np.exp(deaths.params["Intercept"] + deaths.params["uvb"] * new["uvb"])
    np.testing.assert_allclose(deaths.predict(new), rate * new["expected"])
    np.testing.assert_allclose(deaths.predict(new, exposure=1), rate)
    np.testing.assert_allclose(deaths.predict(new, exposure=[2.0, 3.0]), rate * [2, 3])
    np.testing.assert_allclose(deaths.predict(new, offset=1.0, exposure=1.0), rate * np.e)
    np.testing.assert_allclose(deaths.predict(which="linear"), np.log(deaths.predict()))
    with pytest.raises(DataError, match="expected"):
        deaths.predict(new[["uvb"]])
    with pytest.raises(OptionError, match="exposure= is for new data"):
        deaths.predict(exposure=1.0)


def test_standard_errors_of_predictions(contra):
    new = datasets.load("contra").head(3)
    matrix = contra.model.exog[:3]
    linear = matrix @ contra.params.to_numpy()
    error = np.sqrt(np.diag(matrix @ contra.cov_params().to_numpy() @ matrix.T))
    on_link = contra.get_prediction(new, which="linear").summary_frame()
    np.testing.assert_allclose(on_link["mean"], linear)
    np.testing.assert_allclose(on_link["mean_se"], error)
    mean = scipy.special.expit(linear)
    prediction = contra.get_prediction(new)
    frame = prediction.summary_frame()
    np.testing.assert_allclose(frame["mean"], mean)
    np.testing.assert_allclose(frame["mean_se"], mean * (1 - mean) * error)  # delta method
    ends = scipy.special.expit(linear - 1.959963984540054 * error)
    np.testing.assert_allclose(frame["mean_ci_lower"], ends)
    np.testing.assert_allclose(
        prediction.conf_int(method="delta")[:, 0],
        mean - 1.959963984540054 * mean * (1 - mean) * error,
    )
    assert len(contra.get_prediction().predicted_mean) == 1934
    with pytest.raises(OptionError, match="which must be"):
        contra.get_prediction(new, which="var")


# Comparison.


def test_likelihood_ratio(contra):
    smaller = smf.mixedglm2("use ~ age + (1 | dist)", datasets.load("contra"), families.Binomial())
    fit = smaller.fit()
    test = contra.compare_lr_test(fit)
    assert test.statistic == pytest.approx(2 * (contra.llf - fit.llf))
    assert test.df_diff == 5
    assert test.pvalue == pytest.approx(scipy.special.chdtrc(5, test.statistic))


def test_likelihoods_that_cannot_be_compared_are_refused(contra):
    data = datasets.load("contra")
    formula = "use ~ age + (1 | dist)"
    smaller = smf.mixedglm2(formula, data, families.Binomial())
    probit = smf.mixedglm2(formula, data, families.Binomial(links.Probit())).fit()
    fewer_rows = smf.mixedglm2(formula, data.head(900), families.Binomial()).fit()
    linear = smf.mixedlm2("reaction ~ 1 + (1 | subj)", datasets.load("sleepstudy")).fit()
    for restricted, message in [
        (smaller.fit(n_agq=3), "by Laplace and the other by AGQ, 3 points"),
        (smaller.fit(fast=True), "by Laplace, fast"),
        (probit, "same family and link"),
        (fewer_rows, "different data"),
        (linear, "fitted generalized linear mixed model is needed"),
        (contra, "fewer parameters"),
    ]:
        with pytest.raises(OptionError, match=message):
            contra.compare_lr_test(restricted)


# Display.


def test_summary_says_what_was_fitted(verbagg, contra):
    text = str(verbagg.summary())
    assert text.lstrip().startswith("Generalized linear mixed model fit by maximum likelihood")
    for words in (VERBAGG, "Binomial", "Logit", "Laplace", "-4067.9164", "8135.8329"):
        assert words in text
    for words in ("8153.8329", "8153.8566", "8216.2370", "Levels of subj:", "316", "7584"):
        assert words in text  # page
    for words in ("0.191208", "-11.28", "<1e-28", "-6.97", "4.68", "<1e-05"):  # page
        assert words in text
    assert text.splitlines()[4].split()[:2] == ["Success:", "Y"]
    quadrature = contra.model.fit(n_agq=9, fast=True)
    assert "AGQ, 9 points, fast" in str(quadrature.summary())


def test_summary_options_and_formats(contra):
    text = str(contra.summary(yname="pill", title="Bangladesh", alpha=0.1))
    for words in ("pill", "Bangladesh", "[0.05", "0.95]"):
        assert words in text
    summary = contra.summary()
    for text in (
        summary.as_text(),
        summary.as_html(),
        summary.as_latex(),
        summary.as_markdown(),
        summary.as_csv(),
    ):
        assert "2388.7286" in text and "Logit" in text


def test_short_and_long_representation(contra):
    assert repr(contra).endswith("; Laplace, -2 log-likelihood 2372.7286>")
    assert str(contra) == str(contra.summary())
    assert contra._repr_html_() == contra.summary().as_html()


def test_a_power_link_is_named_with_its_power():
    data = datasets.load("sleepstudy")
    family = families.Gaussian(links.Power(0.5), check_link=False)
    fit = smf.mixedglm2("reaction ~ days + (1 | subj)", data, family).fit(start=[0.5])
    assert "Power(0.5)" in str(fit.summary())


def test_summary_col(contra, cbpp):
    text = str(summary_col([contra, cbpp], stars=True))
    for words in ("Family", "Binomial", "Link", "Logit", "Laplace", "1934", "56", "(0.1199)"):
        assert words in text


def test_log_of_the_fit(contra, gamma):
    names = ["dist.Intercept", *contra.params.index]
    assert list(contra.fitlog.columns) == [*names, "objective"]
    assert contra.fitlog["objective"].iloc[-1] == pytest.approx(contra.objective, abs=1e-7)
    np.testing.assert_allclose(contra.fitlog[names].iloc[-1][1:], contra.params, rtol=1e-5)
    assert len(contra.fitlog) == contra.report.evaluations
    fast = contra.model.fit(fast=True)
    assert list(fast.fitlog.columns) == ["dist.Intercept", "objective"]
    assert list(gamma.fitlog.columns) == [
        "subj.Intercept",
        "Intercept",
        "days",
        "log dispersion",
        "objective",
    ]


def test_the_seed_pages_fits_take_few_steps(verbagg, contra):
    assert verbagg.report.evaluations <= 25 and verbagg.estimates.pirls_steps <= 80
    assert contra.report.evaluations <= 20


# Storage.


@pytest.mark.parametrize("name", ["contra", "cbpp", "gamma", "negative", "deaths"])
def test_results_survive_pickling(name, request):
    fit = request.getfixturevalue(name)
    again = pickle.loads(pickle.dumps(fit))
    assert str(again.summary()) == str(fit.summary())
    np.testing.assert_array_equal(again.resid_deviance, fit.resid_deviance)
    rows = fit.model.data.frame.head(4)
    np.testing.assert_array_equal(again.predict(rows, re=True), fit.predict(rows, re=True))
    assert type(again.model.family) is type(fit.model.family)
    assert again.model.fit().objective == pytest.approx(fit.objective, abs=1e-7)


def test_results_load_in_another_process(contra, tmp_path):
    path = tmp_path / "contra.pickle"
    contra.save(path)
    code = (
        "import pickle, sys; r = pickle.load(open(sys.argv[1], 'rb')); "
        "sys.stdout.write(str(r.summary(exponentiate=True)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == str(contra.summary(exponentiate=True))


def test_removing_the_data_keeps_what_does_not_need_them():
    data = datasets.load("contra")
    model = smf.mixedglm2(CONTRA, data, families.Binomial())
    fit, untouched = model.fit(), model.fit()
    text, size = str(fit.summary()), len(pickle.dumps(fit))
    expected = fit.predict(data.head(3), re=True)
    buffer = io.BytesIO()
    fit.save(buffer, remove_data=True)
    assert buffer.tell() < size / 5
    buffer.seek(0)
    again = GeneralizedLinearMixedModelResults.load(buffer)
    assert str(again.summary()) == text
    pd.testing.assert_series_equal(again.predict(data.head(3), re=True), expected)
    assert again.coeftable(exponentiate=True).shape == (7, 4)
    assert again.family.link.inverse(0.0) == 0.5
    for attempt in (
        lambda: again.fittedvalues,
        lambda: again.resid_pearson,
        lambda: again.predict(),
        lambda: again.predict(re=True, which="linear"),
        lambda: again.condvar(),
        lambda: again.model.fit(),
    ):
        with pytest.raises(DataError, match="removed"):
            attempt()
    assert untouched.fittedvalues.shape == (1934,)


def test_a_singular_fit_keeps_its_tests():
    data = pd.DataFrame({"y": [0, 1] * 20, "x": np.arange(40.0), "g": np.repeat(range(10), 4)})
    model = smf.mixedglm2("y ~ x + (1 | g)", data, families.Binomial())
    with pytest.warns(SingularFitWarning):
        fit = model.fit(cov_type="hessian")
    glm = sm.GLM(data["y"], sm.add_constant(data["x"]), family=families.Binomial()).fit()
    np.testing.assert_allclose(fit.params, glm.params, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(fit.bse, glm.bse, rtol=1e-4)
    assert fit.objective == pytest.approx(-2 * glm.llf, abs=1e-7)
