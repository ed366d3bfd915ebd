"""Statistics that must not depend on units, names or the limit in which a model becomes another."""

import warnings
from dataclasses import replace
from decimal import Decimal, localcontext

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose
from scipy.stats import nbinom, poisson

from statsmodels_mixed import datasets, inference
from statsmodels_mixed.fitting.families.deviance import deviance_residuals
from statsmodels_mixed.fitting.families.spec import FamilySpec
from statsmodels_mixed.prediction.counts import negative_binomial_cdf

NB = FamilySpec("negative_binomial", "log", has_dispersion=True)
POISSON = FamilySpec("poisson", "log")


@pytest.fixture(scope="module")
def weighted():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.repeat(np.arange(12), 5), "x": rng.normal(size=60)})
    data["w"] = rng.uniform(0.5, 2, 60)
    data["y"] = data.x + rng.normal(size=12)[data.g] + rng.normal(size=60) / np.sqrt(data.w)
    data["positive"] = np.exp(0.3 * data.y)
    data["n"] = rng.integers(1, 4, 60)
    data["count"] = rng.poisson(np.exp(0.5 + 0.3 * data.y)).astype(float)
    return data


@pytest.mark.parametrize("family", [None, sm.families.Gamma(sm.families.links.Log())])
def test_r2_and_icc_do_not_depend_on_the_unit_of_weights(weighted, family):
    found = []
    for factor in (1.0, 100.0):
        data = weighted.assign(w=factor * weighted.w)
        if family is None:
            fit = smf.mixedlm2("y ~ x + (1 | g)", data, weights="w").fit()
        else:
            fit = smf.mixedglm2("positive ~ x + (1 | g)", data, family=family, weights="w").fit()
        found.append([*inference.r2(fit), *inference.icc(fit)[:2]])
    assert_allclose(found[0], found[1], rtol=1e-5)


def test_r2_of_weighted_counts_is_that_of_the_rows_they_are(weighted):
    rows = weighted.loc[weighted.index.repeat(weighted.n)]
    one = smf.mixedglm2("count ~ x + (1 | g)", weighted, sm.families.Poisson(), weights="n").fit()
    all_rows = smf.mixedglm2("count ~ x + (1 | g)", rows, sm.families.Poisson()).fit()
    assert_allclose(inference.r2(one), inference.r2(all_rows), rtol=1e-5)
    assert_allclose(inference.icc(one)[:2], inference.icc(all_rows)[:2], rtol=1e-5)


def test_new_response_at_a_new_level_has_one_variance():
    machines = datasets.load("machines")
    fit = smf.mixedlm2("score ~ machine + (machine | worker)", machines).fit(reml=True)
    new = machines.groupby("machine", observed=True).head(1).assign(worker="new")
    intervals = [
        fit.get_prediction(new, re=re, new_levels="population").summary_frame().filter(like="obs")
        for re in (False, True, "(1 | worker)")
    ]
    assert_allclose(intervals[1], intervals[0], rtol=1e-8)
    assert_allclose(intervals[2], intervals[0], rtol=1e-8)


def test_missing_level_is_a_new_level_for_the_population():
    sleep = datasets.load("sleepstudy")
    fit = smf.mixedlm2("reaction ~ days + (days | subj)", sleep).fit()
    new = pd.DataFrame({"days": [0.0, 3.0], "subj": ["nobody", None]})
    want = fit.predict(new)
    assert_allclose(fit.predict(new, re=True, new_levels="population"), want)
    lost = fit.predict(new.assign(subj=[None, "nobody"]), re=True, new_levels="missing")
    assert np.isnan(lost).all()
    got = fit.get_prediction(new, re=True, new_levels="population").summary_frame()
    both = new.assign(subj="nobody")
    assert_allclose(got, fit.get_prediction(both, re=True, new_levels="population").summary_frame())
    drawn = fit.simulate(2, seed=1, exog=new, re="conditional", new_levels="population")
    assert np.isfinite(drawn).all()


def test_basic_interval_is_about_the_parameters_that_were_drawn_from():
    sleep = datasets.load("sleepstudy")
    fit = smf.mixedlm2("reaction ~ days + (days | subj)", sleep).fit()
    boot = fit.bootstrap(300, seed=1, beta={"days": 0.0})
    row = boot.conf_int(method="basic", kinds=["beta"]).loc[("beta", "days")]
    error = boot.frame[("beta", "days")].to_numpy()
    lower, upper = np.quantile(error, [0.975, 0.025], method="weibull")
    assert_allclose([row.lower, row.upper], [row.estimate - lower, row.estimate - upper])
    assert 6 < row.lower < 8.5 and 12.5 < row.upper < 15


def test_failed_replicates_are_not_counted_among_those_that_are_not_singular():
    data = datasets.load("dyestuff")
    boot = smf.mixedlm2("yield ~ 1 + (1 | batch)".replace("yield", "Q('yield')"), data).fit()
    boot = boot.bootstrap(20, seed=3)
    share = boot.share_singular
    values = boot.values.copy()
    values[~boot.singular] = np.nan
    lost = replace(boot, values=values, converged=boot.singular)
    assert 0 < share < 1
    assert lost.share_singular == 1.0
    assert f"{int((~boot.singular).sum())} could not be fitted" in repr(lost)


@pytest.mark.parametrize("mu", [0.3, 40.0, 1e4, 1e9])
@pytest.mark.parametrize("alpha", [1e-30, 1e-15, 1e-9, 1e-4, 1.0])
def test_deviance_residuals_of_counts(mu, alpha):
    y = np.array([0.0, 1.0, np.floor(mu), np.floor(mu + 2 * np.sqrt(mu))])
    got = deviance_residuals(NB, y, np.full(4, mu), alpha, 1.0)
    with localcontext() as context:
        context.prec = 80
        for each, d in zip(y, got, strict=True):
            a, m, k = Decimal(alpha), Decimal(mu), Decimal(each)
            gain = k * (k / m).ln() if each > 0 else Decimal(0)
            part = gain - (k + 1 / a) * ((1 + a * k) / (1 + a * m)).ln()
            want = np.sign(each - mu) * float((2 * abs(part)).sqrt())
            assert_allclose(d, want, rtol=1e-6, atol=1e-6)
    if alpha * mu < 1e-12:
        assert_allclose(got, deviance_residuals(POISSON, y, np.full(4, mu), 1.0, 1.0), rtol=1e-6)


def test_deviance_residuals_agree_with_statsmodels_where_those_are_exact():
    rng = np.random.default_rng(0)
    mu, trials = rng.uniform(0.1, 0.9, 30), rng.integers(1, 9, 30)
    y = rng.binomial(trials, mu) / trials
    got = deviance_residuals(FamilySpec("binomial", "logit"), y, mu, 1.0, trials)
    assert_allclose(got, sm.families.Binomial().resid_dev(y, mu, trials), rtol=1e-6)
    counts = rng.poisson(9 * mu)
    got = deviance_residuals(NB, counts, 9 * mu, 0.7, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = sm.families.NegativeBinomial(alpha=0.7).resid_dev(counts, 9 * mu, 2.0)
    assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("mu", [0.02, 3.0, 1e4])
def test_distribution_function_of_the_negative_binomial_tends_to_poisson(mu):
    y = np.floor(mu + np.sqrt(mu) * np.array([-1.0, 0.0, 1.0, 3.0])).clip(0)
    assert_allclose(negative_binomial_cdf(y, mu, 1e-16 / mu), poisson.cdf(y, mu), rtol=1e-10)
    for alpha in (2.0, 0.01):
        want = nbinom.cdf(y, 1 / alpha, 1 / (1 + alpha * mu))
        assert_allclose(negative_binomial_cdf(y, mu, alpha), want, rtol=1e-9)


@pytest.mark.parametrize("share", [1e-4, 1.01e-6, 0.99e-6, 1e-9])
def test_distribution_function_on_both_sides_of_where_the_series_begins(share):
    mu, last = 3.0, 4
    with localcontext() as context:
        context.prec = 60
        alpha, mean, total = Decimal(share) / 3, Decimal(3), Decimal(0)
        term = (-(1 + alpha * mean).ln() / alpha).exp()
        for k in range(last + 1):
            total += term
            term *= (1 + alpha * k) * mean / ((k + 1) * (1 + alpha * mean))
    got = negative_binomial_cdf(last, mu, share / 3)
    assert_allclose(got, float(total), rtol=1e-10)


def test_negative_binomial_without_overdispersion_says_what_poisson_says():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"y": rng.binomial(20000, 0.5, 60) * 1.0, "g": np.repeat(range(6), 10)})
    family = sm.families.NegativeBinomial(alpha=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nb = smf.mixedglm2("y ~ 1 + (1 | g)", data, family=family).fit()
        po = smf.mixedglm2("y ~ 1 + (1 | g)", data, family=sm.families.Poisson()).fit()
    assert nb.dispersion < 1e-9
    for kind in ("deviance", "pearson", "anscombe"):
        got = inference.residuals(nb, kind)
        assert_allclose(got, inference.residuals(po, kind), atol=1e-4)
    obs = [f.get_prediction(re=True).summary_frame().filter(like="obs") for f in (nb, po)]
    assert_allclose(obs[0], obs[1])
    assert_allclose(nb.deviance, po.deviance, atol=1e-4)
    draws = nb.simulate(200, seed=1)
    assert_allclose(np.mean(draws), np.mean(data.y), rtol=1e-3)
    assert_allclose(np.mean(np.var(draws, axis=0)), np.mean(data.y), rtol=0.1)


def test_refit_takes_what_simulate_gives(weighted):
    linear = smf.mixedlm2("y ~ x + (1 | g)", weighted).fit()
    counts = smf.mixedglm2("count ~ x + (1 | g)", weighted, sm.families.Poisson()).fit()
    for fit in (linear, counts):
        draw = fit.simulate(seed=1)
        want = fit.refit(np.asarray(draw)[:, 0])
        assert_allclose(fit.refit(draw).params, want.params)
        assert_allclose(fit.refit(pd.DataFrame(np.asarray(draw))).params, want.params)
        with pytest.raises(ValueError, match="2 columns"):
            fit.refit(fit.simulate(2, seed=1))


def test_information_of_a_canonical_link_does_not_part_likelihoods():
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(range(20), 10), "x": rng.normal(size=200)})
    eta = 0.5 * data.x + rng.normal(size=20)[data.g]
    data["y"] = rng.binomial(1, 1 / (1 + np.exp(-eta)))
    models = [
        smf.mixedglm2(f"y ~ {f} + (1 | g)", data, family=sm.families.Binomial())
        for f in ("1 + x", "1")
    ]
    big, small = models[0].fit(hessian="observed"), models[1].fit()
    want = models[0].fit().compare_lr_test(small)
    assert_allclose(big.compare_lr_test(small), want, atol=1e-5)
    probit = sm.families.Binomial(sm.families.links.Probit())
    other = [smf.mixedglm2(f"y ~ {f} + (1 | g)", data, family=probit) for f in ("1 + x", "1")]
    with pytest.raises(ValueError, match="not comparable"):
        other[0].fit(hessian="observed").compare_lr_test(other[1].fit())
