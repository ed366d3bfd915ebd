"""Pandas objects beside one another are joined by their labels, wherever they are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from numpy.testing import assert_allclose

from statsmodels_mixed import LinearMixedModel
from statsmodels_mixed.errors import DataError

RNG = np.random.default_rng(0)
N = 60
DATA = pd.DataFrame(
    {"x": RNG.normal(size=N), "g": np.arange(N) % 6, "w": RNG.uniform(0.5, 2, N)},
    index=[f"r{i}" for i in range(N)],
)
DATA["y"] = DATA.x + RNG.normal(size=6)[DATA.g] + RNG.normal(size=N)
FORMULA = "y ~ x + (1 | g)"


def shuffled(values: Any) -> Any:
    return values.sample(frac=1, random_state=1)


def llf(formula: str = FORMULA, data: Any = DATA, **options: Any) -> float:
    return float(smf.mixedlm2(formula, data, **options).fit().llf)


PLAIN = llf()
WEIGHTED = llf(weights="w")
OFFSET = llf(offset="w")


def arrays(**changed: Any) -> float:
    given = {"endog": DATA.y, "exog": DATA[["x"]].assign(one=1.0), "groups": DATA.g} | changed
    return float(LinearMixedModel(**given).fit().llf)


@pytest.mark.parametrize(
    ("expected", "call"),
    [
        (PLAIN, lambda s: llf(data={"y": DATA.y, "x": s(DATA.x), "g": DATA.g})),
        (PLAIN, lambda s: llf(data={"y": DATA.y, "x": DATA.x, "g": s(DATA.g)})),
        (WEIGHTED, lambda s: llf(weights=s(DATA.w))),
        (OFFSET, lambda s: llf(offset=s(DATA.w))),
        (PLAIN, lambda s: llf("y ~ x", groups=s(DATA.g))),
        (PLAIN, lambda s: arrays(endog=s(DATA.y))),
        (PLAIN, lambda s: arrays(exog=s(DATA[["x"]].assign(one=1.0)))),
        (PLAIN, lambda s: arrays(groups=s(DATA.g))),
        (PLAIN, lambda s: arrays(groups={"g": s(DATA.g)})),
        (PLAIN, lambda s: arrays(exog_re=s(pd.Series(1.0, index=DATA.index)))),
        (WEIGHTED, lambda s: arrays(weights=s(DATA.w))),
        (OFFSET, lambda s: arrays(offset=s(DATA.w))),
    ],
)
def test_another_order_of_the_same_labels_is_the_same_model(expected, call):
    assert_allclose(call(shuffled), expected, rtol=1e-10)
    with pytest.raises(DataError, match="lacks labels"):
        call(lambda values: values.rename(lambda label: f"{label}x"))
    with pytest.raises(DataError, match=r"values for|differ in length"):
        call(lambda values: values.iloc[1:])


def test_labels_that_occur_twice_are_matched_only_in_the_same_order():
    twice = DATA.set_index(np.arange(N) // 2)
    assert_allclose(llf(data=twice, weights=twice.w), WEIGHTED)
    with pytest.raises(DataError, match="occur twice"):
        llf(data=twice, weights=twice.w[::-1])


def test_a_mask_in_another_order():
    mask = DATA.x > 0
    assert_allclose(llf(subset=shuffled(mask)), llf(data=DATA[mask]), rtol=1e-10)


def test_new_rows_and_rows_of_the_fit():
    result = smf.mixedlm2(FORMULA, DATA, offset="w").fit()
    new = DATA.iloc[:7]
    expected = result.predict(new)
    assert_allclose(result.predict(new, offset=new.w[::-1]), expected)
    mean = result.get_prediction(new, offset=new.w[::-1]).summary_frame()["mean"]
    assert_allclose(mean, expected)
    drawn = [result.simulate(exog=new, offset=w, seed=1) for w in (new.w, new.w[::-1])]
    assert_allclose(*drawn)
    with pytest.raises(DataError, match="lacks labels"):
        result.predict(new, offset=DATA.w.iloc[7:14])
    exog = pd.DataFrame(result.model.exog, index=DATA.index)[:7]
    again = result.model.predict(result.params, exog, offset=new.w[::-1])
    assert_allclose(again, expected)
    kwds = [{"groups": DATA.g}, {"groups": shuffled(DATA.g)}]
    errors = [result.with_inference(cov_type="cluster", cov_kwds=each).bse for each in kwds]
    assert_allclose(*errors)
    assert_allclose(result.refit(shuffled(DATA.y)).params, result.params, rtol=1e-6)
    by = [result.influence(labels).params for labels in (DATA.g, shuffled(DATA.g))]
    assert_allclose(*by)
