"""R2 and ICC of ordinal models and of further families of counts, by their definitions."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import statsmodels_mixed
from statsmodels_mixed.errors import OptionError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(40), 10)
    x, u = rng.normal(size=400), rng.normal(size=40)
    latent = x + u[g] + rng.logistic(size=400)
    lam = np.exp(0.5 + 0.4 * x + 0.6 * u[g])
    counts = rng.poisson(lam * rng.gamma(1.0, size=400))
    order = np.array(list("abc"))[np.digitize(latent, [-1, 1])]
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


def test_shares_of_inflated_counts_are_refused_in_words(data):
    fit = smf.mixedglm2("k ~ x + (1 | g)", data, "nbinom2", dispersion="~ x").fit()
    with pytest.raises(OptionError, match="depends on the row"):
        fit.icc()
