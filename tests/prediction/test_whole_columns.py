"""Expressions that look at all rows they are given say so when they are given new rows."""

import warnings

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedglm2, mixedlm2
from statsmodels_mixed.errors import MixedModelWarning


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(2)
    g = np.repeat(np.arange(10), 8)
    table = pd.DataFrame({"g": g, "x": rng.normal(3, 1, size=80), "t": np.tile(np.arange(8), 10)})
    table["y"] = table["x"] + rng.normal(size=10)[g] + rng.normal(size=80)
    return table.assign(n=rng.poisson(3, size=80))


WHOLE = ["I(x - x.mean())", "x.rank()", "(x > np.median(x))", "np.cumsum(x)"]
BY_ROW = [
    "center(x)", "standardize(x)", "scale(x)", "np.log(t + 1)", "bs(x, df=4)", "poly(x, 2)",
    "x.shift(1)", "x.groupby(g).shift(1)", "C(t)", "(x > 3)", "I(x**2)",
]  # fmt: skip


@pytest.mark.parametrize("code", WHOLE)
def test_it_is_said(data, code):
    fit = mixedlm2(f"y ~ {code} + (1 | g)", data).fit()
    with pytest.warns(MixedModelWarning, match="is computed of the new rows, not of those of the"):
        fit.predict(data.head(5))
    with pytest.warns(MixedModelWarning, match=r"looks at the whole column"):
        fit.simulate(1, exog=data.head(5), seed=1)
    with pytest.warns(MixedModelWarning, match=r"write center\(x\)"):
        fit.emmeans("1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is new here
        fit.predict()
        fit.predict(re=True)


def test_in_random_effects(data):
    slope = np.random.default_rng(3).normal(size=10)[data["g"]]
    eta = slope * (data["x"] - data["x"].mean())
    some = data.assign(n=np.random.default_rng(4).poisson(np.exp(1 + eta)))
    fit = mixedglm2("n ~ t + (0 + I(x - x.mean()) | g)", some, "poisson").fit()
    with pytest.warns(MixedModelWarning, match=r"x\.mean\(\) looks at the whole column"):
        fit.predict(data.head(5), re=True)


@pytest.mark.parametrize("code", BY_ROW)
def test_what_each_row_has_by_itself(data, code):
    fit = mixedlm2(f"y ~ {code} + (1 | g)", data).fit()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit.predict(data.head(10))


def test_a_response_is_not_computed_of_new_rows(data):
    fit = mixedlm2("I(y - y.mean()) ~ x + (1 | g)", data).fit()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        new = fit.predict(data[["x", "g"]].head(5))
    np.testing.assert_allclose(new, fit.predict().head(5))
