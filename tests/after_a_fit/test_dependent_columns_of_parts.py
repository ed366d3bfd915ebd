"""Columns that depend on others, in models whose rows have other parameters than their mean.

The same cells as one factor have independent columns: what the data determine is the same.
"""

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import mixedglm2, mixedordinal2
from statsmodels_mixed.errors import OptionError, RankWarning

RNG = np.random.default_rng(3)
DATA = pd.DataFrame({
    "g": np.arange(160) % 16,
    "A": np.repeat(list("ab"), 80),
    "B": list("uvw") * 53 + ["u"],
    "x": RNG.normal(size=160),
})  # fmt: skip
DATA = DATA[(DATA["A"] != "b") | (DATA["B"] != "v")].reset_index(drop=True)
DATA["cell"], DATA["z"] = DATA["A"] + DATA["B"], 2.0 * DATA["x"] + 1.0
ETA = 0.5 * (DATA["A"] == "b") + 0.3 * DATA["x"] + 0.5 * RNG.normal(size=16)[DATA["g"]]
DATA["y"] = ETA + RNG.normal(size=len(DATA))
DATA["count"] = RNG.poisson(np.exp(ETA)) * (RNG.uniform(size=len(DATA)) > 0.3)
DATA["rating"] = pd.cut(DATA["y"], [-9, -0.5, 0.5, 9], labels=False)
NEW = pd.DataFrame({"A": list("abb"), "B": list("vvw"), "cell": ["av", "au", "bw"], "x": 0.2})
MODELS = {
    "zeros": lambda fixed: mixedglm2(
        f"count ~ {fixed} + (1 | g)", DATA, "poisson", zero_inflation="~ 1"
    ),
    "hurdle": lambda fixed: mixedglm2(f"count ~ {fixed} + (1 | g)", DATA, "poisson", hurdle="~ x"),
    "shape": lambda fixed: mixedglm2(f"y ~ {fixed} + (1 | g)", DATA, "t"),
    "ordered": lambda fixed: mixedordinal2(f"rating ~ {fixed} + (1 | g)", DATA),
}


@pytest.fixture(scope="module", params=MODELS)
def pair(request):
    with pytest.warns(RankWarning, match=r"dropped A\[T\.b\]:B\[T\.v\]"):
        dependent = MODELS[request.param]("A * B + x").fit()
    return dependent, MODELS[request.param]("cell + x").fit()


def test_an_empty_cell_is_not_predicted_and_all_others_are(pair):
    dependent, cells = pair
    for arguments in ({}, {"which": "linear"}):
        with pytest.warns(RankWarning, match="1 row"):
            found = np.asarray(dependent.predict(NEW, **arguments))
        assert np.isnan(found[1]).all()
        expected = np.asarray(cells.predict(NEW, **arguments))
        np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], rtol=1e-3, atol=1e-4)
    with pytest.warns(RankWarning):
        frame = dependent.get_prediction(NEW).summary_frame().select_dtypes("number")
    expected = cells.get_prediction(NEW).summary_frame().select_dtypes("number")
    if len(frame) == len(NEW):
        assert frame.iloc[1].isna().all()
        np.testing.assert_allclose(frame.iloc[[0, 2]], expected.iloc[[0, 2]], rtol=2e-3, atol=1e-4)


def test_marginal_means_and_trends_of_cells_that_there_are(pair):
    dependent, cells = pair
    found = dependent.emmeans(["A", "B"]).to_frame()
    found = found.set_index(found["A"] + found["B"])["estimate"]
    expected = cells.emmeans("cell").to_frame().set_index("cell")["estimate"]
    assert np.isnan(found["bv"])
    np.testing.assert_allclose(found[expected.index], expected, rtol=1e-3, atol=1e-4)
    slopes = [fit.emtrends("1", "x").to_frame()["estimate"] for fit in pair]
    np.testing.assert_allclose(*slopes, rtol=1e-3)


def test_categories_have_no_column_that_thresholds_make_dependent():
    for fixed in ("x + z", "z + x"):
        with pytest.raises(OptionError, match="depends linearly on other columns and the thresh"):
            MODELS["ordered"](fixed)
    nominal = "~ x"
    with pytest.raises(OptionError, match="depends linearly"):
        mixedordinal2("rating ~ A + w + (1 | g)", DATA.assign(w=DATA["x"] + (DATA["A"] == "a")),
                      nominal=nominal)  # fmt: skip
    assert list(mixedordinal2("rating ~ A + (1 | g)", DATA, nominal=nominal).fit().fixefnames)
