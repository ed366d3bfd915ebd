"""NaN under missing="none" is refused; what the user changes after the fit changes no fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from statsmodels_mixed.errors import DataError, MixedModelError

RNG = np.random.default_rng(0)
DATA = pd.DataFrame({"x": RNG.normal(size=80), "z": RNG.normal(size=80), "g": np.arange(80) % 8})
DATA["y"] = DATA.x + RNG.normal(size=80)
DATA["b"] = (DATA.y > 0) * 1.0
DATA["w"], DATA["o"] = 1.0, 0.0


@pytest.mark.parametrize("column", ["x", "y", "z", "w", "o", "g"])
def test_nan_is_refused_by_name(column):
    data = DATA.copy()
    data.loc[7, column] = np.nan
    what = {"w": "weights=", "o": "offset="}.get(column, f"'{column}'")
    with pytest.raises(DataError, match=what):
        smf.mixedlm2("y ~ x + (z | g)", data, missing="none", weights="w", offset="o")
    if column in "xzog":
        with pytest.raises(DataError, match=what):
            smf.mixedglm2(
                "b ~ x + (z | g)", data, sm.families.Binomial(), missing="none", offset="o"
            )


@pytest.mark.parametrize(
    "formula", ["y ~ label + (1 | g)", "y ~ x + (label | g)", "y ~ x + ar1(0 + label | g)"]
)
def test_missing_labels_are_refused_by_name(formula):
    data = DATA.assign(label=pd.Series(np.resize(["a", "b", "c"], 80), dtype=object))
    data.loc[7, "label"] = None
    with pytest.raises(DataError, match="label"):
        smf.mixedlm2(formula, data, missing="none")


def test_rows_in_which_code_gives_no_label_are_refused_beside_the_mean():
    data = DATA.assign(label=np.resize(["a", "b", "c"], 80), count=np.arange(80) % 5)
    with pytest.raises(DataError, match=r"dispersion=.* NaN in 27 rows"):
        smf.mixedglm2(
            "count ~ x + (1 | g)",
            data,
            "negative_binomial",
            dispersion="~ label.where(label != 'a')",
        )


def test_a_model_shares_no_memory_with_the_data():
    matrix = DATA[["x", "y", "g"]].to_numpy().copy()
    tables = [
        pd.DataFrame(matrix, columns=["x", "y", "g"], copy=False),
        {name: matrix[:, i] for i, name in enumerate("xyg")},
        {name: pd.Series(matrix[:, i], copy=False) for i, name in enumerate("xyg")},
    ]
    fits = [smf.mixedlm2("y ~ x + (1 | g)", table).fit() for table in tables]
    before = [fit.model.data.frame.copy() for fit in fits]
    influence = [fit.influence("g").cooks_distance() for fit in fits]
    matrix[:] = 99.0
    for fit, frame, distances in zip(fits, before, influence, strict=True):
        pd.testing.assert_frame_equal(fit.model.data.frame, frame)
        pd.testing.assert_series_equal(fit.influence("g").cooks_distance(), distances)


@pytest.mark.parametrize(
    "values",
    [
        [10**30 + (i % 8) * 10**29 for i in range(80)],
        (DATA.g).astype(np.float16),
        (i % 8 for i in range(80)),
    ],
)
def test_odd_groups(values):
    expected = smf.mixedlm2("y ~ x + (1 | g)", DATA).fit().llf
    table = {name: DATA[name].to_numpy() for name in "xy"} | {"g": values}
    assert smf.mixedlm2("y ~ x + (1 | g)", table).fit().llf == pytest.approx(expected)


@pytest.mark.parametrize("column", ["x", "y", "g"])
@pytest.mark.parametrize(
    "values",
    [
        [[i] for i in range(80)],
        [[0] * (i % 3) for i in range(80)],
        [np.arange(2)] * 80,
        [{"a": i} for i in range(80)],
        [object() for i in range(80)],
        [1j * i for i in range(80)],
        [chr(0xD800)] * 80,
        [10**400 + i for i in range(80)],
    ],
)
def test_values_that_are_no_data(column, values):
    held = pd.Series(values, dtype=object)
    if column == "x" and isinstance(values[0], str) and int(pd.__version__.split(".")[0]) < 3:
        pytest.skip("text in columns of objects may be any in pandas 2: one level, no columns")
    with pytest.raises(MixedModelError, match=column):
        smf.mixedlm2("y ~ x + (1 | g)", DATA.assign(**{column: held})).fit()
