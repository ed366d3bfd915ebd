"""Likelihood-ratio tests against Poisson models, and against models without random effects."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy.stats import chi2

import statsmodels_mixed  # noqa: F401

POISSON, BINOMIAL = sm.families.Poisson(), sm.families.Binomial()
NB = sm.families.NegativeBinomial(alpha=1.0)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"g": np.repeat(range(20), 10), "x": rng.normal(size=200)})
    mu = np.exp(1 + 0.3 * data.x + 0.4 * rng.normal(size=20)[data.g])
    data["y"] = rng.negative_binomial(4, 4 / (4 + mu))
    data["z"] = data.x + rng.normal(size=20)[data.g] + rng.normal(size=200)
    data["hit"] = (data.z > 0).astype(int)
    data["w"] = rng.uniform(0.5, 2.0, 200)
    data["e"] = rng.uniform(1.0, 2.0, 200)
    return data


def assert_half(test, big, small):
    statistic = 2 * (big.llf - small.llf)
    assert_allclose(test.statistic, statistic)
    assert_allclose(test.pvalue, chi2.sf(statistic, 1) / 2)
    assert test.df_diff == 1


def test_negative_binomial_against_poisson(data):
    nb, po = (smf.mixedglm2("y ~ x + (1 | g)", data, family=f).fit() for f in (NB, POISSON))
    assert_half(nb.compare_lr_test(po), nb, po)
    less = smf.mixedglm2("y ~ 1 + (1 | g)", data, family=POISSON).fit()
    test = nb.compare_lr_test(less)
    assert_allclose(test.pvalue, chi2.sf(test.statistic, [1, 2]).mean())
    with pytest.raises(ValueError, match="same family and link"):
        po.compare_lr_test(nb)


def test_generalized_models_against_glm(data):
    for formula, family in (("y ~ x", POISSON), ("hit ~ x", BINOMIAL)):
        big = smf.mixedglm2(f"{formula} + (1 | g)", data, family=family).fit()
        small = smf.glm(formula, data, family=family).fit()
        assert_half(big.compare_lr_test(small), big, small)
        table = big.ranova().loc["(1 | g)"]
        assert_allclose(big.compare_lr_test(small).statistic, table["statistic"], rtol=1e-6)
    big = smf.mixedglm2("y ~ x + (1 | g)", data, family=POISSON, exposure="e").fit()
    small = smf.glm("y ~ x", data, family=POISSON, exposure=data.e).fit()
    assert_half(big.compare_lr_test(small), big, small)
    with pytest.raises(ValueError, match="different data"):
        big.compare_lr_test(smf.glm("y ~ x", data, family=POISSON).fit())


def test_linear_models_against_ols_and_wls(data):
    big = smf.mixedlm2("z ~ x + (1 | g)", data).fit()
    small = smf.ols("z ~ x", data).fit()
    assert_half(big.compare_lr_test(small), big, small)
    heavy = smf.mixedlm2("z ~ x + (1 | g)", data, weights="w").fit()
    wls = smf.wls("z ~ x", data, weights=data.w).fit()
    assert_half(heavy.compare_lr_test(wls), heavy, wls)
    slopes = smf.mixedlm2("z ~ x + (x | g)", data).fit()
    test = slopes.compare_lr_test(small)
    assert test.df_diff == 3
    assert_allclose(test.pvalue, chi2.sf(test.statistic, 3))
    with pytest.raises(ValueError, match="different data"):
        heavy.compare_lr_test(small)
    with pytest.raises(ValueError, match="maximum likelihood"):
        smf.mixedlm2("z ~ x + (1 | g)", data).fit(reml=True).compare_lr_test(small)


def test_likelihoods_that_are_no_maxima_are_refused(data):
    gamma = sm.families.Gamma(sm.families.links.Log())
    positive = data.assign(p=np.exp(0.3 * data.z))
    big = smf.mixedglm2("p ~ x + (1 | g)", positive, family=gamma).fit()
    with pytest.raises(ValueError, match="not at their maximum"):
        big.compare_lr_test(smf.glm("p ~ x", positive, family=gamma).fit())
