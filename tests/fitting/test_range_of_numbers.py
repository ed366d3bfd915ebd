"""What follows a linear fit, x in units of 1e170: the same numbers, or a DataError."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

import statsmodels_mixed  # noqa: F401
from statsmodels_mixed.errors import DataError


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": np.repeat(np.arange(10), 8), "x": rng.normal(size=80)})
    return data.assign(y=1 + data.x + rng.normal(size=10)[data.g] + rng.normal(size=80))


def fit(data, unit):
    return smf.mixedlm2("y ~ x + (1 | g)", data.assign(x=data.x * unit)).fit(reml=True)


@pytest.mark.parametrize("unit", [1e-170, 1e-160, 1e160, 1e170])
def test_what_needs_variances_beyond_the_range_says_so(data, unit):
    other = fit(data, unit)
    asked = (
        lambda: other.with_inference(dof="satterthwaite"),
        lambda: other.with_inference(dof="kenward-roger"),
        other.anova,
        other.profile,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ask in asked:
            with pytest.raises(DataError, match=r"the coefficient of 'x' is beyond"):
                ask()


@pytest.mark.parametrize("unit", [1e-150, 1e150])
@pytest.mark.parametrize("dof", ["satterthwaite", "kenward-roger"])
def test_units_within_the_range_do_not_matter(data, unit, dof):
    table, other = (fit(data, k).with_inference(dof=dof).coeftable() for k in (1.0, unit))
    np.testing.assert_allclose(other.iloc[:, 2:], table.iloc[:, 2:], rtol=1e-7)


@pytest.mark.parametrize("unit", [1e-90, 1e90])
def test_profiles_do_not_depend_on_units(data, unit):
    plain, other = (fit(data, k).profile("beta").conf_int() for k in (1.0, unit))
    np.testing.assert_allclose(other.loc[("beta", "x")] * unit, plain.loc[("beta", "x")], rtol=1e-5)
