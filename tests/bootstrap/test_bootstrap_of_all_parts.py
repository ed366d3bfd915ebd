"""The bootstrap of fits with parameters of rows is that of other fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import statsmodels_mixed as smm
from statsmodels_mixed.bootstrap.replicates import Bootstrap
from statsmodels_mixed.errors import OptionError

Z = {"family": "nbinom2", "zero_inflation": "~ 1"}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    group = np.repeat(np.arange(15), 12)
    x = rng.normal(size=180)
    mu = np.exp(0.8 + 0.4 * x + 0.5 * rng.normal(size=15)[group])
    y = rng.poisson(mu * rng.gamma(2.0, 0.5, size=180)) * (rng.random(180) > 0.3)
    rating = np.digitize(x + rng.logistic(size=180), [-1.0, 0.0, 1.5])
    return pd.DataFrame({"y": y, "x": x, "g": group, "rating": rating})


@pytest.fixture(scope="module")
def fits(data: pd.DataFrame) -> dict[str, Any]:
    return {
        "zeros": smm.mixedglm2("y ~ x + (1 | g)", data, **Z).fit(),
        "ordered": smm.mixedordinal2("rating ~ x + (1 | g)", data).fit(),
    }


@pytest.mark.parametrize("kind", ["zeros", "ordered"])
def test_threads_and_files_change_nothing(fits, kind, tmp_path):
    fit = fits[kind]
    whole = fit.bootstrap(9, seed=3, threads=1)
    assert isinstance(whole, Bootstrap)
    pd.testing.assert_frame_equal(whole.frame, fit.bootstrap(9, seed=3, threads=2).frame)
    path = tmp_path / "replicates.arrow"
    fit.bootstrap(4, seed=3, path=path)
    pd.testing.assert_frame_equal(whole.frame, fit.bootstrap(9, path=path).frame)
    assert Bootstrap.restore(path).recipe.fixed_names == tuple(fit.params.index)
    with pytest.raises(OptionError, match="another seed"):
        fit.bootstrap(9, seed=4, resume=whole)
    with pytest.raises(OptionError, match="other parameters"):
        fit.bootstrap(9, seed=3, beta={"x": 2.0}, resume=whole)


def test_hypothesized_parameters_are_those_of_the_distribution(fits, data):
    fit = fits["zeros"]
    logit = np.log(0.7 / 0.3)
    asked = {"Intercept": np.log(3.0), "x": 0.0, "zi: Intercept": logit}
    drawn = fit.simulate(1000, seed=1, beta=asked, theta=[0.0], dispersion=1.5)
    # The mean and the variance of a mixture of 0 and a negative binomial distribution.
    mean, inner = 0.3 * 3.0, 3.0 + 9.0 / 1.5
    assert_allclose(drawn.mean(), mean, rtol=0.01)
    assert_allclose(drawn.var(), 0.3 * (inner + 9.0) - mean**2, rtol=0.03)
    new = fit.simulate(1000, seed=1, beta=asked, theta=[0.0], dispersion=1.5, exog=data)
    assert_allclose(new.mean(), mean, rtol=0.01)
    replicates = fit.bootstrap(2, seed=1, beta=asked, dispersion=1.5)
    drawn = fit.simulate(2, seed=1, beta=asked, dispersion=1.5)
    assert_allclose(replicates.values[1, 0], -2.0 * fit.refit(drawn[:, 1]).llf, rtol=1e-8)


def test_replicates_of_other_parameters_lie_about_them(fits):
    truth = {"x": -1.0, "zi: Intercept": 0.0, "disp: Intercept": np.log(4.0)}
    frame = fits["zeros"].bootstrap(40, seed=2, beta=truth).frame
    assert_allclose(frame["beta"]["x"].mean(), -1.0, atol=0.05)
    assert_allclose(frame["beta"]["zi: Intercept"].median(), 0.0, atol=0.15)
    logs = frame["beta"]["disp: Intercept"]
    assert_allclose(np.ravel(frame["dispersion"]), np.exp(logs), rtol=1e-10)


def test_every_kind_of_interval_and_plot(fits):
    replicates = fits["zeros"].bootstrap(20, seed=1)
    for method in ("percentile", "basic", "equal-tail", "shortest"):
        table = replicates.conf_int(0.2, method)
        assert (table["lower"] < table["upper"]).all()
    assert {"beta", "dispersion", "theta", "sd"} == set(replicates.kinds)
    pytest.importorskip("matplotlib").use("Agg")
    assert replicates.plot.ridge() is not None
    table = fits["zeros"].tidy(conf_method=replicates)
    assert_allclose(table["lower"][1], replicates.conf_int().loc[("beta", "x"), "lower"])


def test_options_that_contradict_the_model(fits, data):
    fit = fits["zeros"]
    with pytest.raises(OptionError, match="names 'q'"):
        fit.simulate(beta={"q": 1.0})
    with pytest.raises(OptionError, match="must hold 1 finite numbers"):
        fit.bootstrap(2, theta=[1.0, 2.0])
    with pytest.raises(OptionError, match='theta= cannot be used with re="conditional"'):
        fit.bootstrap(2, theta=[1.0], re="conditional")
    with pytest.raises(OptionError, match="positive number"):
        fit.simulate(dispersion=-1.0)
    with pytest.raises(OptionError, match="no dispersion"):
        fits["ordered"].simulate(dispersion=1.0)
    formula = smm.mixedglm2("y ~ x + (1 | g)", data, "nbinom2", dispersion="~ x").fit()
    with pytest.raises(OptionError, match="in beta="):
        formula.bootstrap(2, dispersion=1.0)
