"""Profiles of fits with several parts are the same in other units and with another origin of x."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import simulated
from numpy.testing import assert_allclose

from statsmodels_mixed import mixedglm2, mixedordinal2


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return simulated.counts_and_categories()


def intervals(data: pd.DataFrame, family: str, kind: str) -> pd.DataFrame:
    if family == "ordinal":
        model = mixedordinal2("o ~ x + (x | g)", data)
    else:
        model = mixedglm2("y ~ x + (x | g)", data, family, zero_inflation="~ 1")
    return model.fit().profile(kind).conf_int()


pytestmark = pytest.mark.filterwarnings("ignore::statsmodels_mixed.SingularFitWarning")
FAMILIES = pytest.mark.parametrize("family", ["negative_binomial", "ordinal"])


# With units of 1e-8 the profile had no beginning.
@FAMILIES
@pytest.mark.parametrize("factor", [1e-8, 1e8])
def test_in_other_units(data, family, factor):
    scaled = data.assign(x=data.x * factor)
    for kind in ("beta", "sd"):
        here, there = (intervals(each, family, kind) for each in (data, scaled))
        slope = [name in ("x", "g.x") for _, name in here.index]
        back = np.where(slope, factor, 1.0)[:, None]
        assert_allclose(there * back, here, rtol=1e-4, atol=1e-4)


# The slope of ordered categories had no limits, and those of its deviation were off by .01.
@FAMILIES
def test_about_another_origin(data, family):
    moved = data.assign(x=data.x + 2000.0)
    for kind, name in (("beta", "x"), ("sd", "g.x")):
        here, there = (intervals(each, family, kind) for each in (data, moved))
        assert_allclose(there.loc[(kind, name)], here.loc[(kind, name)], rtol=2e-4, atol=1e-4)
