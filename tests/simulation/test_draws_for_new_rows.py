"""Responses drawn for new rows from fits whose rows have parameters besides their mean."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import statsmodels_mixed
from statsmodels_mixed.errors import DataError, OptionError

N = 4000


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    g = np.repeat(np.arange(60), 24)
    x = rng.normal(size=1440)
    mu = np.exp(1.0 + 0.4 * x + 0.4 * rng.normal(size=60)[g])
    inside = rng.random(1440) > 1 / (1 + np.exp(1.5 + 0.7 * rng.normal(size=60)[g]))
    counts = rng.poisson(mu * rng.gamma(2.0, 0.5, size=1440)) * inside
    order = np.digitize(x + rng.normal(size=60)[g] + rng.logistic(size=1440), [-1, 1])
    return pd.DataFrame(
        {
            "g": g.astype(str),
            "x": x,
            "k": counts,
            "o": pd.Categorical.from_codes(order, list("abc"), ordered=True),
        }
    )


@pytest.fixture(scope="module")
def inflated(data):
    return smf.mixedglm2(
        "k ~ x + (1 | g)", data, "nbinom2", zero_inflation="~ 1 + (1 | g)", dispersion="~ x"
    ).fit()


def test_means_and_zeros_given_the_modes_are_those_predicted(inflated, data):
    new = data.iloc[[0, 13, 200]]
    drawn = inflated.simulate(N, seed=1, exog=new, re="conditional")
    mean = np.asarray(inflated.predict(new, re=True))
    zeros = np.asarray(inflated.predict(new, re=True, which="zero_probability"))
    error = drawn.std(axis=1) / np.sqrt(N)
    assert (np.abs(drawn.mean(axis=1) - mean) < 4 * error).all()
    assert (np.abs((drawn == 0).mean(axis=1) - zeros) < 4 * np.sqrt(zeros / N)).all()


def test_the_rows_of_the_fit_as_new_rows_give_its_own_draws(inflated, data):
    ours = inflated.simulate(3, seed=2, re="conditional")
    again = inflated.simulate(3, seed=2, re="conditional", exog=data)
    np.testing.assert_array_equal(again, ours)
    np.testing.assert_array_equal(
        inflated.simulate(3, seed=2, exog=data), inflated.simulate(3, seed=2)
    )


def test_rows_of_one_new_level_share_its_effects(inflated):
    new = pd.DataFrame({"x": np.zeros(40), "g": ["p"] * 20 + ["q"] * 20})
    drawn = inflated.simulate(500, seed=3, exog=new)
    p, q = drawn[:20].mean(axis=0), drawn[20:].mean(axis=0)
    assert np.var(p) > 4 * np.mean(drawn[:20].var(axis=0)) / 20
    assert abs(np.corrcoef(p, q)[0, 1]) < 4 / np.sqrt(500)


def test_rows_with_missing_values_are_missing(inflated, data):
    new = data.head(3).assign(x=[0.0, np.nan, 1.0])
    drawn = inflated.simulate(2, seed=1, exog=new)
    assert np.isnan(drawn[1]).all()
    assert np.isfinite(drawn[[0, 2]]).all()
    with pytest.raises(DataError, match="x"):
        inflated.simulate(exog=data[["g"]])


def test_levels_that_the_fit_has_not_seen(inflated):
    new = pd.DataFrame({"x": [0.0], "g": ["none of these"]})
    options = {"exog": new, "re": "conditional", "seed": 1}
    assert np.isnan(inflated.simulate(new_levels="missing", **options)).all()
    assert np.isfinite(inflated.simulate(new_levels="population", **options)).all()
    with pytest.raises(DataError, match="levels of g that the fit has not seen"):
        inflated.simulate(new_levels="error", **options)
    with pytest.raises(OptionError, match="for new data"):
        inflated.simulate(new_levels="draw")


def test_categories_of_new_rows(data):
    fit = statsmodels_mixed.mixedordinal2("o ~ x + (1 | g)", data).fit()
    new = data.iloc[[0, 100]]
    drawn = fit.simulate(N, seed=1, exog=new, re="conditional")
    expected = np.asarray(fit.predict(new, re=True))
    for j, name in enumerate("abc"):
        share = (drawn == name).mean(axis=1)
        assert np.abs(share - expected[:, j]).max() < 4 * 0.5 / np.sqrt(N)
    lost = fit.simulate(2, seed=1, exog=new.assign(x=[np.nan, 0.0]))
    assert pd.isna(lost[0]).all()
    assert set(lost[1]) <= set("abc")
