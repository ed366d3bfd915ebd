"""Rows of a meta-analysis keep their labels, and what the data do not determine is NaN."""

import numpy as np
import pandas as pd
import pytest

from statsmodels_mixed import meta
from statsmodels_mixed.errors import DataError, IdentificationWarning, RankWarning

RNG = np.random.default_rng(8)
STUDIES = pd.DataFrame({
    "yi": RNG.normal(size=24),
    "vi": RNG.uniform(0.1, 0.5, 24),
    "x": RNG.normal(size=24),
    "study": [f"q{i}" for i in range(24)],
    "lab": np.repeat(list("abcdef"), 4),
})  # fmt: skip
ORDER = RNG.permutation(24)


@pytest.mark.parametrize("known", ["variance", "V"])
@pytest.mark.parametrize("missing", [False, True])
def test_clusters_go_by_the_labels_of_the_rows(known, missing):
    data = STUDIES.assign(x=STUDIES["x"].where(STUDIES["study"] != "q3")) if missing else STUDIES
    clusters = pd.Series(STUDIES["lab"].to_numpy(), index=data.index)
    V = pd.DataFrame(np.diag(data["vi"]), index=data.index, columns=data.index)
    given = {"variance": data["vi"]} if known == "variance" else {"V": V}
    formula = "~ x + (1 | study)"
    kept = data.dropna().reset_index(drop=True)
    same = {"variance": kept["vi"]} if known == "variance" else {"V": np.diag(kept["vi"])}
    expected = meta("yi", formula=formula, data=kept, **same).robust(kept["lab"].to_numpy())
    for rows in (data, data.iloc[ORDER]):  # numbers of rows that are those of others
        found = meta("yi", formula=formula, data=rows, **given)
        np.testing.assert_allclose(found.robust(clusters), expected, rtol=1e-6)


def test_labels_that_occur_twice_are_kept_with_a_missing_row():
    data = STUDIES.set_axis(np.repeat(range(12), 2)).assign(x=STUDIES["x"].to_numpy())
    data.iloc[5, data.columns.get_loc("x")] = np.nan
    found = meta("yi", V=np.diag(data["vi"]), formula="~ x + (1 | study)", data=data)
    assert found.model.data.row_labels.tolist() == np.delete(np.repeat(range(12), 2), 5).tolist()
    expected = meta("yi", "vi", "~ x + (1 | study)", data)
    np.testing.assert_allclose(found.params, expected.params, rtol=1e-6)


@pytest.mark.parametrize("known", ["variance", "V"])
def test_an_empty_cell_has_no_prediction(known):
    cells = STUDIES.assign(A=list("ab") * 12, B=list("uuvv") * 6)
    cells = cells[(cells["A"] != "b") | (cells["B"] != "v")]
    new = pd.DataFrame({"A": ["a", "b", "b"], "B": ["u", "v", "u"]}, index=list("pqr"))
    variances = cells["vi"].to_numpy()
    given = {"variance": variances} if known == "variance" else {"V": np.diag(variances)}
    found = []
    for base in ("a", "b"):  # what the data determine does not depend on the coding
        formula = f"~ C(A, Treatment('{base}')) * B + (1 | study)"
        with pytest.warns(RankWarning):
            fit = meta("yi", formula=formula, data=cells, **given)
        with pytest.warns(RankWarning, match="1 row"):
            found.append(fit.prediction_interval(new))
    assert found[0].index.tolist() == list("pqr")
    assert found[0].loc["q"].isna().all()
    assert found[0].loc[["p", "r"]].notna().all(axis=None)
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_a_prediction_has_the_offset_of_its_row():
    shifted = STUDIES.assign(z=STUDIES["x"] ** 2)
    shifted["yi"] += shifted["z"]
    new = pd.DataFrame({"x": [0.0, 1.0], "z": [3.0, -2.0]})
    found = meta("yi", "vi", "~ x + offset(z) + (1 | study)", shifted).prediction_interval(new)
    plain = meta("yi", "vi", "~ x + (1 | study)", STUDIES).prediction_interval(new)
    np.testing.assert_allclose(found["mean"], plain["mean"] + new["z"], rtol=1e-6)
    np.testing.assert_allclose(found["se"], plain["se"], rtol=1e-6)
    only = meta("yi", "vi", "~ 1 + offset(z) + (1 | study)", shifted)
    with pytest.raises(DataError, match="give data="):
        only.prediction_interval()


def test_heterogeneity_that_fixed_effects_take_up_is_not_a_number():
    with pytest.warns(IdentificationWarning):
        found = meta("yi", "vi", "~ lab + (1 | lab) + (1 | study)", STUDIES)
    assert np.isnan(found.I2)
    assert np.isnan(found.I2_by_group["lab"])
    assert found.prediction_interval(STUDIES.head(1))[["se", "pi_lower"]].isna().all(axis=None)
    assert "Not identified" in str(found.summary())
    twin = STUDIES.assign(twin=STUDIES["study"])
    with pytest.warns(IdentificationWarning):
        found = meta("yi", "vi", "~ 1 + (1 | study) + (1 | twin)", twin)
    single = meta("yi", "vi", "~ 1 + (1 | study)", STUDIES)
    np.testing.assert_allclose(found.I2, single.I2, rtol=1e-5)  # their sum is determined
    assert found.I2_by_group.isna().all()
