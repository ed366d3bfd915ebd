"""R2 and ICC of ordinal models and of further families of counts, by their definitions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy.optimize import brentq
from scipy.special import expit, gammaln, softmax

import statsmodels_mixed
from statsmodels_mixed.errors import OptionError

DATA = Path(__file__).parents[1] / "reference" / "families"


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(40), 10)
    x, u = rng.normal(size=400), rng.normal(size=40)
    latent = x + u[g] + rng.logistic(size=400)
    lam = np.exp(0.5 + 0.4 * x + 0.6 * u[g])
    counts = rng.poisson(lam * rng.gamma(1.0, size=400))
    order = pd.Categorical.from_codes(np.digitize(latent, [-1, 1]), list("abc"), ordered=True)
    return pd.DataFrame({"g": g.astype(str), "x": x, "o": order, "k": counts})


@pytest.mark.parametrize(
    ("link", "residual"),
    [("logit", np.pi**2 / 3), ("probit", 1.0), ("cloglog", np.pi**2 / 6), ("loglog", np.pi**2 / 6)],
)
def test_shares_of_the_latent_variable(data, link, residual):
    fit = statsmodels_mixed.mixedordinal2("o ~ x + (1 | g)", data, link=link).fit()
    fixed = np.var(fit.params["x"] * data["x"], ddof=1)
    group = fit.varcorr.groups[0].std_dev[0] ** 2
    total = fixed + group + residual
    assert fit.r2().marginal == pytest.approx(fixed / total, rel=1e-10)
    assert fit.r2().conditional == pytest.approx((fixed + group) / total, rel=1e-10)
    assert fit.icc().adjusted == pytest.approx(group / (group + residual), rel=1e-10)
    assert fit.icc().by_group.loc["g", "unadjusted"] == pytest.approx(group / total, rel=1e-10)


def test_a_latent_variable_without_variance_has_no_shares(data):
    fit = statsmodels_mixed.mixedordinal2("o ~ x + (1 | g)", data, link="cauchit").fit()
    with pytest.raises(OptionError, match="cauchit"):
        fit.r2()


@pytest.mark.parametrize("family", ["nbinom1", "genpois"])
def test_shares_of_counts_with_other_variances(data, family):
    fit = smf.mixedglm2("k ~ x + (1 | g)", data, family).fit()
    null = smf.mixedglm2("k ~ 1 + (1 | g)", data, family).fit()
    group = fit.varcorr.groups[0].std_dev[0] ** 2
    mean = np.exp(null.params["Intercept"] + null.varcorr.groups[0].std_dev[0] ** 2 / 2)
    # variances (1 + phi) mu and phi mu
    variance = (fit.dispersion + (family == "nbinom1")) * mean
    fixed, rest = np.var(fit.params["x"] * data["x"], ddof=1), np.log1p(variance / mean**2)
    assert fit.r2().marginal == pytest.approx(fixed / (fixed + group + rest), rel=1e-6)
    assert fit.icc().adjusted == pytest.approx(group / (group + rest), rel=1e-6)


def test_shares_of_hurdles_are_refused_in_words(data):
    fit = smf.mixedglm2("k ~ x + (1 | g)", data, "poisson", hurdle="~ x").fit()
    with pytest.raises(OptionError, match="not defined with hurdle="):
        fit.icc()


# r2_nakagawa() of performance 0.10.2 with insight 0.19.0 for glmmTMB 1.1.5: marginal, conditional
PERFORMANCE = {
    ("count ~ mined + (1 | site)", "nbinom2", "~ mined"): (0.322514096, 0.402729015),
    ("count ~ spp + mined + (1 | site)", "nbinom2", "~ mined"): (0.492999034, 0.574127022),
    ("count ~ spp + mined + (1 | site)", "poisson", "~ mined"): (0.566785125, 0.644550801),
    ("count ~ spp + mined + (1 | site)", "poisson", "~ 1"): (0.532634535, 0.632659005),
    ("count ~ spp + mined + (1 | site)", "nbinom1", "~ mined"): (0.561845966, 0.641295293),
    ("count ~ spp + mined + (1 | site)", "tweedie", ""): (0.516850793, 0.588933516),
}


@pytest.mark.parametrize(("formula", "family", "zeros"), PERFORMANCE)
def test_shares_with_zeros_are_those_of_performance(formula, family, zeros):
    options = {"zero_inflation": zeros} if zeros else {}
    table = pd.read_csv(DATA / "salamanders.csv")
    fit = statsmodels_mixed.mixedglm2(formula, table, family, **options).fit()
    found = fit.r2(null_mean="conditional")
    assert_allclose(found, PERFORMANCE[formula, family, zeros], atol=1e-5)
    with pytest.raises(OptionError, match="null_mean="):
        fit.r2(null_mean="mean")


def test_shares_of_beta_and_lognormal_responses():
    rng = np.random.default_rng(3)
    g = np.repeat(np.arange(200), 10)
    x, u = rng.normal(size=2000), rng.normal(size=200)
    mu = expit(0.4 * x + 0.5 * u[g])
    y = rng.beta(8 * mu, 8 * (1 - mu))
    table = pd.DataFrame({"y": y, "x": x, "g": g})
    fit = statsmodels_mixed.mixedglm2("y ~ x + (1 | g)", table, "beta").fit()
    # The variance of logit(y) at x = u = 0 is that of logits of draws
    rest = np.var(np.log(1 / (1 / rng.beta(4, 4, 400_000) - 1)))
    total = 0.4**2 + 0.5**2 + rest
    assert_allclose(fit.r2(), [0.4**2 / total, (0.4**2 + 0.5**2) / total], atol=0.03)
    varying = statsmodels_mixed.mixedglm2("y ~ x + (1 | g)", table, "beta", dispersion="~ 1").fit()
    assert_allclose(varying.r2(), fit.r2(), atol=1e-3)
    lognormal = statsmodels_mixed.mixedglm2("y ~ x + (1 | g)", table, "lognormal").fit()
    null = statsmodels_mixed.mixedglm2("y ~ 1 + (1 | g)", table, "lognormal").fit()
    level = np.exp(null.params.iloc[0] + float(null.varcorr["g"].std_dev[0]) ** 2 / 2)
    rest = np.log1p((float(lognormal.dispersion) / level) ** 2)
    fixed = np.var(table["x"], ddof=1) * lognormal.params["x"] ** 2
    group = float(lognormal.varcorr["g"].std_dev[0]) ** 2
    assert lognormal.r2().marginal == pytest.approx(fixed / (fixed + group + rest), rel=1e-5)


def test_shares_of_beta_binomial_responses_are_those_of_their_latent_trials():
    """A trial succeeds where eta plus errors exceeds 0: of the logit of a share, and logistic."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(150), 8)
    x, u, trials = rng.normal(size=1200), rng.normal(size=150), 12.0
    mu = expit(0.6 * x + 0.7 * u[g])
    y = rng.binomial(12, rng.beta(5 * mu, 5 * (1 - mu))) / trials
    table = pd.DataFrame({"y": y, "x": x, "g": g, "n": trials})
    options = {"family": "beta_binomial", "weights": "n"}
    fit = statsmodels_mixed.mixedglm2("y ~ x + (1 | g)", table, **options).fit()
    shares = rng.beta(2.5, 2.5, 400_000)
    rest = np.var(np.log(shares / (1 - shares)) + rng.logistic(size=len(shares)))
    total = 0.6**2 + 0.7**2 + rest
    assert_allclose(fit.r2(), [0.6**2 / total, (0.6**2 + 0.7**2) / total], atol=0.03)
    varying = statsmodels_mixed.mixedglm2(
        "y ~ x + (1 | g)", table, dispersion="~ 1", **options
    ).fit()
    assert_allclose(varying.r2(), fit.r2(), atol=1e-3)


def test_why_shares_of_ordered_beta_responses_are_not_defined(data):
    share = np.round(np.random.default_rng(1).random(len(data)), 1)
    fit = smf.mixedglm2("s ~ x + (1 | g)", data.assign(s=share), "ordered_beta").fit()
    for ask in (fit.r2, fit.icc):
        with pytest.raises(OptionError, match="ordered_beta: with one predictor its ends"):
            ask()


# r2_nakagawa() of performance 0.10.2 with insight 0.19.0 for glmmTMB 1.1.5, with
# offset(log(BroodSize / unit)): marginal and conditional. Its lambda leaves the offset out.
OWLS_BY_UNIT = {1.0: (0.105286211380, 0.360491332817), 10.0: (0.238464106234, 0.816480762485)}


@pytest.mark.parametrize("zeros", [{}, {"zero_inflation": "~ 1"}], ids=["counts", "zeros"])
def test_shares_do_not_depend_on_the_unit_of_an_exposure(zeros):
    owls = pd.read_csv(DATA / "owls.csv")
    formula = "SiblingNegotiation ~ FoodTreatment * SexParent + (1 | Nest)"
    found = {}
    for unit, theirs in OWLS_BY_UNIT.items():
        table = owls.assign(log_size=np.log(owls["BroodSize"] / unit))
        fit = smf.mixedglm2(formula, table, "poisson", offset="log_size", **zeros).fit()
        found[unit] = fit.r2(null_mean="conditional")
        if zeros:
            continue
        null = smf.mixedglm2(
            "SiblingNegotiation ~ 1 + (1 | Nest)", table, "poisson", offset="log_size"
        ).fit()
        fixed = np.var(fit.model.exog @ fit.params.to_numpy(), ddof=1)
        group = float(fit.varcorr["Nest"].std_dev[0]) ** 2
        level = np.exp(null.params["Intercept"])
        for exposure, shares in (
            (1.0, theirs),
            (np.mean(owls["BroodSize"] / unit), found[unit]),  # so that lambda is a mean count
        ):
            total = fixed + group + np.log1p(1 / (exposure * level))
            assert_allclose(shares, [fixed / total, (fixed + group) / total], rtol=1e-5)
    assert_allclose(found[10.0], found[1.0], rtol=1e-6)


def test_shares_of_beta_responses_are_those_of_what_is_left_of_one():
    """performance 0.10.2 has 2.18 and 0.42 here, with a mean of exp(b0) on the scale of a logit."""
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(40), 10)
    x = rng.normal(size=400)
    mu = expit(1.0 + 0.4 * x + 0.5 * rng.normal(size=40)[g])
    table = pd.DataFrame({"y": rng.beta(8 * mu, 8 * (1 - mu)), "x": x, "g": g})
    fit = smf.mixedglm2("y ~ x + (1 | g)", table, "beta").fit()
    other = smf.mixedglm2("y ~ x + (1 | g)", table.assign(y=1 - table["y"]), "beta").fit()
    assert_allclose(other.r2(), fit.r2(), rtol=1e-6)
    assert 0.1 < fit.r2().marginal < fit.r2().conditional < 0.9


def test_shares_of_conway_maxwell_poisson_counts_have_the_sum_of_their_series():
    """performance 0.10.2 takes the size of a negative binomial to be the theta of the groups."""
    table = pd.read_csv(DATA / "salamanders.csv")
    fit = smf.mixedglm2("count ~ mined + (1 | site)", table, "compois").fit()
    null = smf.mixedglm2("count ~ 1 + (1 | site)", table, "compois").fit()
    level = np.exp(null.params["Intercept"] + float(null.varcorr["site"].std_dev[0]) ** 2 / 2)
    nu, k = 1 / float(fit.dispersion), np.arange(3000.0)

    def masses(log_rate):
        return softmax(k * log_rate - nu * gammaln(k + 1))

    at = masses(brentq(lambda log_rate: masses(log_rate) @ k - level, -9.0, 0.5, xtol=1e-13))
    rest = np.log1p(at @ (k - level) ** 2 / level**2)
    fixed = np.var(fit.params.iloc[1] * (table["mined"] == table["mined"].iloc[0]), ddof=1)
    group = float(fit.varcorr["site"].std_dev[0]) ** 2
    total = fixed + group + rest
    assert_allclose(fit.r2(), [fixed / total, (fixed + group) / total], rtol=1e-5)
