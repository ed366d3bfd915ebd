"""The bootstrap of models with covariance structures: parameters as results report them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from statsmodels_mixed import datasets, mixedglm2, mixedlm2
from statsmodels_mixed.bootstrap.replicates import Bootstrap


@pytest.fixture(scope="module")
def sleep():
    return datasets.load("sleepstudy")


@pytest.fixture(scope="module")
def serial(sleep):
    return mixedlm2("reaction ~ days + ar1(0 + days | subj)", sleep).fit(reml=True)


def test_replicates_are_fits_of_draws(serial):
    replicates = serial.bootstrap(3, seed=5)
    theta = replicates.frame["theta"]
    assert list(theta.columns) == ["subj.ar1.sd", "subj.ar1.rho"]
    draws = serial.simulate(3, seed=5)
    for r in range(3):
        again = serial.refit(draws[:, r])
        found = again.covariance_structures["estimate"]
        assert_allclose(theta.iloc[r], found, rtol=2e-4)
        assert_allclose(replicates.frame["sigma"].iloc[r], again.sigma, rtol=2e-4)


def test_estimates_stand_beside_their_limits(serial):
    limits = serial.bootstrap(40, seed=2).conf_int(kinds="theta")
    assert_allclose(limits["estimate"], serial.covariance_structures["estimate"])
    assert (limits["lower"] < limits["estimate"]).all()
    assert (limits["estimate"] < limits["upper"]).all()
    shown = serial.tidy(effects="ran_pars", conf_method=serial.bootstrap(40, seed=2))
    assert_allclose(shown["lower"].iloc[:2], limits["lower"])


def test_samples_of_cases(serial):
    replicates = serial.bootstrap(4, kind="cases", seed=3)
    theta = replicates.frame["theta"]
    assert list(theta.columns) == ["subj.ar1.sd", "subj.ar1.rho"]
    assert ((theta["subj.ar1.rho"] > 0.5) & (theta["subj.ar1.rho"] < 1.0)).all()


def test_files_have_the_same(serial, tmp_path):
    path = tmp_path / "replicates.arrow"
    serial.bootstrap(3, seed=4, path=path)
    longer = serial.bootstrap(5, seed=4, path=path)
    assert_allclose(longer.values, serial.bootstrap(5, seed=4).values, equal_nan=True)
    assert list(Bootstrap.restore(path).frame["theta"].columns) == ["subj.ar1.sd", "subj.ar1.rho"]


def test_generalized_models(sleep):
    counts = sleep.assign(count=(sleep["reaction"] / 4.0).round().astype(int))
    model = mixedglm2("count ~ days + ou(0 + days | subj)", counts, family="poisson")
    fit = model.fit()
    replicates = fit.bootstrap(2, seed=1)
    draws = fit.simulate(2, seed=1)
    for r in range(2):
        again = fit.refit(draws[:, r])
        sd = again.covariance_structures["estimate"].iloc[0]
        found = replicates.frame["theta"].iloc[r, 0]
        assert_allclose(found, sd, rtol=1e-3, atol=1e-4)


def test_singular_replicates_are_counted(sleep):
    few = sleep[sleep["subj"].isin(sleep["subj"].unique()[:6])]
    fit = mixedlm2("reaction ~ days + (1 | subj)", few, residual="ar1(days | subj)").fit(reml=True)
    replicates = fit.bootstrap(30, seed=1)
    sd = replicates.frame["theta"]["subj.sd[Intercept]"]
    assert np.array_equal(replicates.singular, sd < 1e-2)
    assert 0.0 < replicates.share_singular < 0.5


def test_given_factors_are_factors(serial):
    replicates = serial.bootstrap(2, seed=1, theta=serial.theta)
    assert "subj.days[1].days[0]" in replicates.frame["theta"].columns
