"""Fits that begin at estimates on a bound, alpha = 0 or a variance of zero, leave it.

Every gradient vanishes at such a bound, so that what began there ended there. The fresh fit, which
begins elsewhere, is what refits are compared with.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.stats import chi2

import statsmodels_mixed  # noqa: F401

NB = sm.families.NegativeBinomial(alpha=1.0)


@pytest.fixture(scope="module")
def poisson_like():
    """A negative binomial fit with alpha = 0, and counts that are overdispersed."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame({"g": np.repeat(range(20), 10), "x": rng.normal(size=200)})
    mu = np.exp(1 + 0.3 * data.x + 0.6 * rng.normal(size=20)[data.g])

    def fresh(y):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return smf.mixedglm2("y ~ x + (1 | g)", data.assign(y=y), family=NB).fit()

    fits = (fresh(np.random.default_rng(s).poisson(mu)) for s in range(60))
    fit = next(f for f in fits if f.dispersion < 1e-8 and not f.issingular())
    over = np.random.default_rng(3).negative_binomial(2, 2 / (2 + mu)).astype(float)
    return fit, over, fresh


def test_refit_leaves_alpha_of_zero(poisson_like):
    fit, over, fresh = poisson_like
    got, want = fit.refit(over), fresh(over)
    assert want.dispersion > 0.3
    np.testing.assert_allclose(got.dispersion, want.dispersion, rtol=1e-4)
    np.testing.assert_allclose(got.llf, want.llf, atol=1e-6)


@pytest.mark.parametrize("log_alpha", [-10, -20, -28])
def test_start_of_the_user_leaves_alpha_of_zero(poisson_like, log_alpha):
    _, over, fresh = poisson_like
    want = fresh(over)
    got = want.model.fit(start=np.r_[want.theta, want.params, log_alpha])
    np.testing.assert_allclose(got.llf, want.llf, atol=1e-6)


def test_bootstrap_leaves_alpha_of_zero(poisson_like):
    fit, _, fresh = poisson_like
    Y = fit.simulate(12, seed=1)
    want = np.array([[(f := fresh(Y[:, i])).dispersion, f.objective] for i in range(12)])
    frame = fit.bootstrap(12, seed=1).frame
    assert 1 < (want[:, 0] > 1e-6).sum() < 12
    np.testing.assert_allclose(frame["dispersion"].to_numpy().ravel(), want[:, 0], atol=1e-4)
    np.testing.assert_allclose(frame["objective"].to_numpy().ravel(), want[:, 1], atol=1e-5)


def test_deletion_leaves_alpha_of_zero():
    # one count makes alpha nonzero or not: without the others' bulk it is overdispersed
    rng = np.random.default_rng(2)
    data = pd.DataFrame({"g": np.repeat(range(12), 10), "x": rng.normal(size=120)})
    mu = np.exp(1 + 0.3 * data.x + 0.6 * rng.normal(size=12)[data.g])
    wild = data.g < 6
    data["y"] = np.where(
        wild, rng.negative_binomial(8, 8 / (8 + mu)), rng.binomial(40, np.minimum(mu / 40, 1))
    )
    data["half"] = np.where(wild, "wild", "calm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = smf.mixedglm2("y ~ x + (1 | g)", data, family=NB).fit()
        alone = smf.mixedglm2("y ~ x + (1 | g)", data[wild], family=NB).fit()
        got = fit.influence(by=data["half"])
    assert fit.dispersion < 1e-6 < 1e-3 < alone.dispersion
    np.testing.assert_allclose(got.scale["calm"], alone.dispersion, rtol=1e-3)


def test_profiles_see_alpha_grow_where_it_is_zero_at_the_estimate(poisson_like):
    fit, _, _ = poisson_like
    design = fit._results.kept_design()
    profiled = fit.profile("beta").frame.loc[("beta", "x")]
    points = profiled[profiled["zeta"].abs().to_numpy().ravel() > 2.5]
    assert len(points)
    for _, point in points.iterrows():
        value = float(point["value"].iloc[0])
        data = pd.DataFrame(
            {"y": design.y, "g": design.blocks[0].refs, "o": value * design.X[:, 1]}
        )
        model = smf.mixedglm2("y ~ 1 + (1 | g)", data, family=NB, offset="o")
        rise = model.fit().objective - fit.objective
        np.testing.assert_allclose(float(point["zeta"].iloc[0]) ** 2, rise, rtol=1e-4)


@pytest.mark.filterwarnings("ignore:a covariance matrix of random effects is singular")
def test_starts_of_zero_variance_are_left():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.repeat(range(15), 6), "x": rng.normal(size=90)})
    eta = data.x + rng.normal(size=15)[data.g]
    data["z"] = eta + rng.normal(size=90)
    data["y"] = rng.poisson(np.exp(0.5 + 0.5 * eta))
    linear = smf.mixedlm2("z ~ x + (1 | g)", data)
    counts = smf.mixedglm2("y ~ x + (1 | g)", data, family=sm.families.Poisson())
    for model in (linear, counts):
        want = model.fit()
        assert not want.issingular()
        np.testing.assert_allclose(model.fit(start=[0.0]).llf, want.llf, atol=1e-7)
        boot = want.bootstrap(8, seed=3, theta=[0.0]).frame
        drawn = want.simulate(8, seed=3, theta=[0.0])
        values = [float(want.refit(drawn[:, i]).objective) for i in range(8)]
        np.testing.assert_allclose(boot["objective"].to_numpy().ravel(), values, atol=1e-5)


def test_power_of_a_likelihood_ratio_test_with_alpha_of_zero(poisson_like):
    fit, _, fresh = poisson_like
    power = fit.power(4, test="lrt", seed=2, hypotheses={"x": [0.0, 1.0]})
    Y = fit.simulate(4, seed=2)
    frame = fit._results.kept_design()
    for i in range(4):
        full = fresh(Y[:, i])
        data = pd.DataFrame({"y": Y[:, i], "g": frame.blocks[0].refs})
        less = smf.mixedglm2("y ~ 1 + (1 | g)", data, family=NB).fit()
        want = chi2.sf(less.objective - full.objective, 1)
        np.testing.assert_allclose(power.pvalues["x"].iloc[i], want, rtol=1e-3, atol=1e-12)
