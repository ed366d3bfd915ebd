"""Whole numbers of few bits, or without a sign, count as far as others do.

NumPy's begin again at the other end of their range: 3 - 5 is 254 in uint8, 100 * 3 is 44 in int8.
"""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula
import statsmodels.formula.api as smf

from statsmodels_mixed.frame.table.columns import widened

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "uint64", "UInt8", "float32"]


def data():
    rng = np.random.default_rng(3)
    d = pd.DataFrame({"x": rng.integers(0, 100, 60), "v": rng.integers(0, 100, 60)})
    d["g"] = np.arange(60) % 6
    d["y"] = 0.05 * d["x"] + rng.normal(size=6)[d["g"]] + rng.normal(size=60)
    return d


@pytest.fixture(params=["patsy", "formulaic"])
def engine(request):
    pytest.importorskip(request.param)
    before = statsmodels.formula.options.formula_engine
    statsmodels.formula.options.formula_engine = request.param
    yield
    statsmodels.formula.options.formula_engine = before


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.usefixtures("engine")
def test_interactions_and_code_are_those_of_numbers(kind):
    d = data()
    x, v = d["x"].to_numpy(float), d["v"].to_numpy(float)
    formula = "y ~ x:v + I(x - 50) + I(-v) + np.square(x) + np.sqrt(v) + (1 | g)"
    model = smf.mixedlm2(formula, d.astype({"x": kind, "v": kind}))
    wanted = np.column_stack([np.ones(60), x - 50, -v, x**2, np.sqrt(v), x * v])
    found = model.exog[:, np.argsort(model.exog_names, kind="stable")]
    order = np.argsort(
        ["Intercept", "I(x - 50)", "I(-v)", "np.square(x)", "np.sqrt(v)", "x:v"], kind="stable"
    )
    np.testing.assert_allclose(found, wanted[:, order], rtol=1e-12)


def test_products_of_64_bits_count_further_than_those():
    d = data().astype({"x": "int64", "v": "int64"})
    d["x"], d["v"] = 10**10 * d["x"], 10**10 * d["v"]
    model = smf.mixedlm2("y ~ 0 + x:v + (1 | g)", d)
    np.testing.assert_allclose(model.exog[:, 0], d["x"].to_numpy(float) * d["v"].to_numpy(float))


def test_new_data_count_as_the_data_of_the_fit_do():
    d = data()
    fit = smf.mixedlm2("y ~ I(x - 50) + x:v + (1 | g)", d).fit()
    new = d.head(7)
    wanted = fit.predict(new)
    np.testing.assert_allclose(fit.predict(new.astype({"x": "uint8", "v": "uint8"})), wanted)


def test_numbers_that_only_fit_without_a_sign_are_floating_point_numbers():
    assert widened(np.array([1, 2**63], dtype=np.uint64)).dtype == np.float64
    assert widened(np.array([1, 2], dtype=np.uint64)).dtype == np.int64
    labels = pd.Categorical(["a", "b"])
    assert widened(labels) is labels


@pytest.mark.parametrize("formula", ["y ~ x:v + (1 | g)", "y ~ C(g) * x + (x | g)"])
def test_no_new_rows_have_no_predictions(formula):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of variances that are zero
        fit = smf.mixedlm2(formula, data()).fit()
    for re in (False, True):
        assert fit.predict(data().head(0), re=re).shape == (0,)
